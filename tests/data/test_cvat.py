"""CVAT's XML for images, and its segmentation masks."""

import numpy as np
import pytest
from converting import converted, inside, turned
from folders import save_image, save_mask

from vit_adapter.config import DataConfig, InputError
from vit_adapter.data.conversion import convert
from vit_adapter.data.dataset import open_dataset

SIZE = (40, 60)
LABELS = "".join(f"<label><name>{name}</name></label>" for name in ("zebra", "ant", "café"))


def _save(tmp_path, images, labels=LABELS, version="1.1", place="images", head=""):
    """``annotations.xml`` with the images that it names: name, or (name, attributes), to shapes."""
    text = []
    for key, shapes in images.items():
        name, more = key if isinstance(key, tuple) else (key, "")
        save_image(tmp_path / place / name, size=SIZE)
        size = more or f'width="{SIZE[1]}" height="{SIZE[0]}"'
        text.append(f'<image id="0" name="{name}" {size}>{shapes}</image>')
    file = tmp_path / "annotations.xml"
    file.write_text(
        f'<?xml version="1.0" encoding="utf-8"?>{head}<annotations><version>{version}</version>'
        f"<meta><job><labels>{labels}</labels></job></meta>{''.join(text)}</annotations>",
        encoding="utf-8",
    )
    return file


def _box(label="ant", more="", corners=(2, 3, 12, 9)):
    names = zip(("xtl", "ytl", "xbr", "ybr"), corners)
    sides = " ".join(f'{name}="{value}"' for name, value in names)
    return f'<box label="{label}" {sides} {more}></box>'


class TestXml:
    def test_every_shape_with_an_area(self, tmp_path):
        """Classes are those of the task, in its order; objects are numbered; later shapes lie above."""
        rle = "1, 2, 3, 2"  # rows of a window of 4 x 2: .##. ..##
        shapes = (
            _box("zebra")
            + '<polygon label="ant" points="20,10;30,10;30,20;20,20" z_order="0"/>'
            + f'<mask label="café" rle="{rle}" left="50" top="30" width="4" height="2" z_order="0"/>'
        )
        mask, objects, report = converted(_save(tmp_path, {"a.png": shapes}), tmp_path / "out")
        expected = np.zeros(SIZE, int)
        expected[3:9, 2:12], expected[10:20, 20:30] = 1, 2
        expected[30, 51:53] = expected[31, 52:54] = 3
        assert (mask == expected).all()
        assert (objects == expected).all()
        assert report.classes == ["background", "zebra", "ant", "café"]

    def test_a_turned_box(self, tmp_path):
        """Turned clockwise about its middle; every pixel whose centre is well inside or outside is right."""
        file = _save(tmp_path, {"a.png": _box(more='rotation="30"', corners=(20, 10, 44, 22))})
        mask, _, _ = converted(file, tmp_path / "out")

        def within(margin):
            def test(x, y):
                a, b = turned(x, y, (32, 16), 30)
                return (abs(a - 32) < 12 + margin) & (abs(b - 16) < 6 + margin)

            return inside(SIZE, test)

        assert (mask[within(-0.7)] == 2).all()
        assert (mask[~within(0.7)] == 0).all()
        assert mask[22, 40] == 2  # lower right of the middle: clockwise as a viewer sees it
        assert mask[10, 40] == 0

    def test_a_turned_ellipse(self, tmp_path):
        shape = '<ellipse label="ant" cx="30" cy="20" rx="18" ry="6" rotation="335"/>'
        mask, _, _ = converted(_save(tmp_path, {"a.png": shape}), tmp_path / "out")

        def within(scale):
            def test(x, y):
                a, b = turned(x, y, (30, 20), -25)
                return ((a - 30) / (18 * scale)) ** 2 + ((b - 20) / (6 * scale)) ** 2 < 1

            return inside(SIZE, test)

        assert (mask[within(0.92)] == 2).all()
        assert (mask[~within(1.08)] == 0).all()

    def test_order_and_groups(self, tmp_path):
        """A higher z_order lies above whatever the order of the file; a group is one object."""
        shapes = (
            _box("ant", 'z_order="2"', (0, 0, 10, 10))
            + _box("zebra", 'z_order="0" group_id="4"', (5, 5, 20, 20))
            + _box("zebra", 'z_order="0" group_id="4"', (30, 5, 40, 20))
            + _box("zebra", 'z_order="0"', (45, 5, 50, 20))
        )
        mask, objects, report = converted(_save(tmp_path, {"a.png": shapes}), tmp_path / "out")
        assert mask[7, 7] == 2
        assert objects[12, 12] == objects[12, 35] != objects[12, 47]
        assert len(np.unique(objects)) == 4
        assert report.overlaps.contested == 25

    def test_lines_and_points(self, tmp_path):
        line, points = (
            '<polyline label="ant" points="5.5,20;54.5,20"/>',
            '<points label="zebra" points="10,5;50,5"/>',
        )
        file = _save(tmp_path, {"a.png": line + points})
        with pytest.raises(
            InputError, match=r"shape 1 \(ant\): a 'line' has no area.*--line-width N.*--skip line,point"
        ):
            convert(file, tmp_path / "out")
        mask, objects, _ = converted(file, tmp_path / "out", line_width=4)
        expected = inside(SIZE, lambda x, y: np.hypot(x - x.clip(5.5, 54.5), y - 20) <= 2)
        assert ((mask == 2) == expected).all()
        discs = inside(SIZE, lambda x, y: np.minimum(np.hypot(x - 10, y - 5), np.hypot(x - 50, y - 5)) <= 2)
        assert ((mask == 1) == discs).all()
        assert len(np.unique(objects)) == 3  # none, the line, both points
        assert convert(file, tmp_path / "other", skip="line,point").objects == 0

    def test_parts(self, tmp_path):
        """Subsets become parts, each with its objects; the result opens for every task."""
        size = f'width="{SIZE[1]}" height="{SIZE[0]}"'
        images = {
            (f"{n}.png", f'subset="{subset}" {size}'): _box("ant")
            for subset, numbers in (("Train", "abc"), ("Validation", "de"), ("Test", "f"))
            for n in numbers
        }
        convert(_save(tmp_path, images), tmp_path / "out")
        config = DataConfig(root=str(tmp_path / "out"))
        for split, count in (("train", 3), ("val", 2), ("test", 1)):
            for task in ("semantic", "instance", "panoptic", "detection"):
                dataset = open_dataset(config, split, task=task)
                assert len(dataset) == count
                instances = dataset.read(0).annotation.instances
                assert (
                    instances is None if task == "semantic" else instances.boxes.tolist() == [[2, 3, 12, 9]]
                )

    def test_labels_of_skeletons_and_tags(self, tmp_path):
        """A label of a skeleton's point is no class; a tag is no shape; an empty image stays."""
        labels = LABELS + "<label><name>eye</name><parent>ant</parent></label>"
        images = {"a.png": _box() + '<tag label="ant"/>', "b.png": ""}
        report = convert(_save(tmp_path, images, labels), tmp_path / "out")
        assert report.classes == ["background", "zebra", "ant", "café"]
        assert (report.images, report.objects, report.bare) == (2, 1, ["b.png"])

    def test_names_with_folders(self, tmp_path):
        file = _save(tmp_path, {"x/a.png": _box(), "y/a.png": ""})
        convert(file, tmp_path / "out")
        assert sorted(
            p.relative_to(tmp_path / "out/images").as_posix()
            for p in (tmp_path / "out/images").rglob("*.png")
        ) == [
            "x/a.png",
            "y/a.png",
        ]

    @pytest.mark.parametrize(
        "name", ["../../secret.png", "/etc/secret.png", "C:\\secret.png", "..\\secret.png"]
    )
    def test_paths_stay_inside(self, tmp_path, name):
        """A name that leads out of the folder finds nothing there."""
        save_image(tmp_path / "secret.png", size=SIZE)
        file = _save(tmp_path / "set/data", {"a.png": _box()})
        file.write_text(file.read_text().replace('name="a.png"', f'name="{name}"'))
        with pytest.raises(InputError, match="there is no such image"):
            convert(file, tmp_path / "out", images=tmp_path / "set/data/images")
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("shape", "message"),
        [
            (_box(corners=("nan", 0, 3, 3)), "xtl 'nan', expected a number"),
            ('<box label="ant" xtl="1"/>', "ytl None, expected a number"),
            (_box(more='z_order="x"'), "z_order 'x', expected a number"),
            ('<polygon label="ant" points="1,1;2"/>', "not pairs of numbers"),
            ('<polygon label="ant" points="1,1;5,5"/>', "2 points, expected 3"),
            ('<mask label="ant" rle="1,2" left="0" top="0" width="2" height="2"/>', "for 3 pixels"),
            ('<mask label="ant" rle="4" left="58" top="0" width="4" height="1"/>', "leaves the image"),
            (
                '<mask label="ant" rle="9" left="0" top="0" width="99999999" height="99999999"/>',
                "the image has 60x40",
            ),
            ('<mask label="ant" rle="" left="0" top="0" width="2" height="2"/>', "a run of ''"),
            ('<cuboid label="ant" xtl1="1"/>', "box in space"),
            ('<skeleton label="ant"><points label="eye" points="1,1"/></skeleton>', "skeleton has no area"),
            ('<spiral label="ant"/>', "shape type 'spiral' is not known"),
            (_box("wasp"), r"the label 'wasp' is not in .*annotations\.xml"),
            (_box(""), "has no label"),
        ],
    )
    def test_what_cannot_be_drawn(self, tmp_path, shape, message):
        file = _save(tmp_path, {"a.png": shape})
        with pytest.raises(InputError, match=message) as caught:
            convert(file, tmp_path / "out")
        kind = str(caught.value).rpartition("--skip ")[2]
        assert convert(file, tmp_path / "out", skip=kind).left_out_kinds == {kind: 1}

    def test_another_size_and_a_missing_image(self, tmp_path):
        """As for the other forms: both sizes are told, an EXIF turn is guessed, a missing image has a hint."""
        file = _save(tmp_path, {("a.png", 'width="40" height="60"'): "", "b.png": ""})
        (tmp_path / "images/b.png").rename(tmp_path / "images/b.JPG")
        with pytest.raises(InputError) as caught:
            convert(file, tmp_path / "out")
        assert "a.png: shows 60x40 pixels" in str(caught.value)
        assert "turned by its EXIF tag" in str(caught.value)
        assert "b.JPG)" in str(caught.value)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda text: text.replace("1.1</version>", "2.0</version>"), "version '2.0' of CVAT's XML"),
            (lambda text: text.replace("annotations>", "notes>"), "begins with <notes>"),
            (lambda text: text[: len(text) // 2], "is not XML"),
            (lambda text: text.replace("<image", "<img").replace("</image", "</img"), "lists no image"),
        ],
    )
    def test_other_files(self, tmp_path, change, message):
        from vit_adapter.data.conversion.cvat import read_cvat

        file = _save(tmp_path, {"a.png": _box()})
        file.write_text(change(file.read_text()))
        with pytest.raises(InputError, match=message):
            read_cvat([file], file)

    def test_entities_are_not_expanded(self, tmp_path):
        """A billion laughs, and a file of the machine as an entity: the declaration itself is refused."""
        secret = tmp_path / "secret"
        secret.write_text("hidden")
        for entity in (
            '<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">',
            f'<!ENTITY b SYSTEM "file://{secret}">',
        ):
            file = _save(tmp_path, {"a.png": _box("&b;")}, head=f"<!DOCTYPE annotations [{entity}]>")
            with pytest.raises(InputError, match="document type declaration"):
                convert(file, tmp_path / "out")


COLOURS = {"background": (0, 0, 0), "cat": (250, 50, 83), "dog": (36, 179, 83)}


def _save_masks(tmp_path, objects=True, images="JPEGImages"):
    """Two cats that touch, a dog and background."""
    classes = np.zeros((8, 12), int)
    classes[1:5, 1:7], classes[5:7, 8:11] = 1, 2
    numbers = np.where(classes == 1, 1, 0)
    numbers[1:5, 4:7], numbers[5:7, 8:11] = 2, 3
    table = np.array(list(COLOURS.values()), np.uint8)
    (tmp_path / "set").mkdir()
    (tmp_path / "set/labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\n"
        + "".join(f"{n}:{','.join(map(str, c))}::\n" for n, c in COLOURS.items())
    )
    save_mask(tmp_path / "set/SegmentationClass/a.png", table[classes])
    if objects:
        voc = np.array([(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0)], np.uint8)
        save_mask(tmp_path / "set/SegmentationObject/a.png", voc[numbers])
    save_image(tmp_path / images / "a.jpg", size=(8, 12))
    return tmp_path / "set", classes, numbers


class TestMasks:
    def test_masks_with_objects(self, tmp_path):
        source, classes, numbers = _save_masks(tmp_path, images="photos")
        mask, objects, report = converted(source, tmp_path / "out", images=tmp_path / "photos")
        assert (mask == classes).all()
        assert ((objects > 0) == (numbers > 0)).all()
        assert len({(a, b) for a, b in zip(objects.ravel().tolist(), numbers.ravel().tolist())}) == 4
        assert report.classes == ["background", "cat", "dog"]

    def test_masks_alone(self, tmp_path):
        source, classes, _ = _save_masks(tmp_path, objects=False, images="set/JPEGImages")
        mask, objects, report = converted(source, tmp_path / "out")
        assert (mask == classes).all()
        assert objects is None
        assert not (tmp_path / "out/instances").exists()
        assert not report.has_objects

    def test_an_unknown_colour(self, tmp_path):
        source, _, _ = _save_masks(tmp_path, images="set/JPEGImages")
        text = (source / "labelmap.txt").read_text()
        (source / "labelmap.txt").write_text(text.replace("dog:36", "dog:37"))
        with pytest.raises(
            InputError, match=r"a\.png: holds the colour \(36, 179, 83\), which is not in labelmap"
        ):
            convert(source, tmp_path / "out")

    def test_read_as_it_is_where_images_are_there(self, tmp_path):
        """With images in JPEGImages no conversion is needed."""
        source, classes, _ = _save_masks(tmp_path, images="set/JPEGImages")
        for folder, suffix in (
            ("SegmentationClass", "png"),
            ("SegmentationObject", "png"),
            ("JPEGImages", "jpg"),
        ):
            data = (source / folder / f"a.{suffix}").read_bytes()
            (source / folder / f"b.{suffix}").write_bytes(data)
        sample = open_dataset(DataConfig(root=str(source)), "train", task="panoptic").read(0)
        assert (sample.labels == classes).all()
        assert len(sample.annotation.instances) == 3
