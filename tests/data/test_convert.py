"""COCO and labelme annotations to folders that open_dataset reads."""

import base64
import io
import json

import numpy as np
import pytest
from folders import save_image
from PIL import Image

from vit_adapter.config import DataConfig, InputError
from vit_adapter.data.conversion import convert_coco, convert_labelme
from vit_adapter.data.dataset import open_dataset
from vit_adapter.images import read_mask

SQUARE = [0, 0, 0, 9, 9, 9, 9, 0]


def _coco(tmp_path, annotations, categories=None, images=None):
    (tmp_path / "photos").mkdir(exist_ok=True)
    images = images or [{"id": 1, "file_name": "a.png", "height": 16, "width": 16}]
    for image in images:
        save_image(tmp_path / "photos" / image["file_name"], size=(16, 16))
    content = {
        "images": images,
        "categories": categories or [{"id": 3, "name": "cat"}, {"id": 90, "name": "dog"}],
        "annotations": [
            {"id": 100 + n, "image_id": 1, "category_id": 3, **a} for n, a in enumerate(annotations)
        ],
    }
    (tmp_path / "c.json").write_text(json.dumps(content))
    return tmp_path / "c.json", tmp_path / "photos", tmp_path / "out"


def _mask(tmp_path, name="a"):
    return read_mask(tmp_path / f"out/masks/{name}.png").values


class TestCoco:
    def test_objects_and_classes(self, tmp_path):
        runs = {"size": [16, 16], "counts": [0, 16, 240]}
        arguments = _coco(
            tmp_path,
            [{"segmentation": [[4, 0, 4, 8, 16, 8, 16, 0]]}, {"segmentation": runs, "category_id": 90}],
        )
        report = convert_coco(*arguments)
        assert (report.images, report.objects) == (1, 2)
        assert (tmp_path / "out/classes.txt").read_text() == "background\ncat\ndog\n"
        expected = np.zeros((16, 16))
        expected[:8, 4:] = 1
        expected[:, 0] = 2
        assert (_mask(tmp_path) == expected).all()
        assert "1 image, 2 objects, 3 classes" in str(report)

    def test_area_of_a_square(self, tmp_path):
        """S79: the masks follow the same rule as instances."""
        convert_coco(*_coco(tmp_path, [{"segmentation": [SQUARE]}]))
        assert (_mask(tmp_path) == 1).sum() == 81

    def test_the_smaller_object_is_seen_and_crowds_lie_below(self, tmp_path):
        small, large = [[2, 2, 2, 4, 4, 4, 4, 2]], [[0, 0, 0, 10, 10, 10, 10, 0]]
        crowd = {"segmentation": {"size": [16, 16], "counts": [0, 16, 240]}, "iscrowd": 1}
        annotations = [{"segmentation": small, "category_id": 90}, {"segmentation": large}, crowd]
        convert_coco(*_coco(tmp_path, annotations))
        mask = _mask(tmp_path)
        assert (mask == 2).sum() == 4
        assert (mask[:, 0] == 1).all()

    def test_without_background(self, tmp_path):
        convert_coco(*_coco(tmp_path, [{"segmentation": [SQUARE]}]), background=False)
        assert np.unique(_mask(tmp_path)).tolist() == [0, 255]
        assert (tmp_path / "out/classes.txt").read_text() == "cat\ndog\n"

    def test_300_categories_need_16_bits(self, tmp_path):
        categories = [{"id": n, "name": f"n{n}"} for n in range(1, 301)]
        convert_coco(*_coco(tmp_path, [{"segmentation": [SQUARE], "category_id": 300}], categories))
        assert _mask(tmp_path).dtype == np.uint16
        assert _mask(tmp_path).max() == 300

    def test_broken_segmentations_are_all_named_and_nothing_is_left(self, tmp_path):
        """S76: JSON file and annotation ids."""
        bad = [[[1, 1, 5, 5]], [[]], [], [1, 1, 5, 1, 5, 5], [[1, 1, 5, 1, 5]]]
        arguments = _coco(tmp_path, [{"segmentation": s} for s in [*bad, [SQUARE]]])
        with pytest.raises(InputError) as caught:
            convert_coco(*arguments)
        for number in range(100, 105):
            assert f"c.json: annotation {number}:" in str(caught.value)
        assert "annotation 105" not in str(caught.value)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["c.json", "photos"]

    def test_broken_segmentations_may_be_left_out(self, tmp_path):
        report = convert_coco(
            *_coco(tmp_path, [{"segmentation": []}, {"segmentation": [SQUARE]}]), skip={"broken"}
        )
        assert report.objects == 1
        assert len(report.left_out) == 1
        assert (_mask(tmp_path) == 1).sum() == 81

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"image_id": 9}, "annotation 100: there is no image with the id 9"),
            ({"category_id": 9}, "annotation 100: there is no category with the id 9"),
        ],
    )
    def test_references(self, tmp_path, change, message):
        with pytest.raises(InputError, match=message):
            convert_coco(*_coco(tmp_path, [{"segmentation": [SQUARE], **change}]))

    @pytest.mark.parametrize("name", ["../a.png", "/elsewhere/a.png", "C:\\a.png", "..\\a.png"])
    def test_names_that_leave_the_folder(self, tmp_path, name):
        arguments = _coco(tmp_path, [])
        content = json.loads((tmp_path / "c.json").read_text())
        content["images"][0]["file_name"] = name
        (tmp_path / "c.json").write_text(json.dumps(content))
        with pytest.raises(InputError, match="not a path below"):
            convert_coco(*arguments)

    def test_missing_image_and_other_size(self, tmp_path):
        arguments = _coco(tmp_path, [])
        save_image(tmp_path / "photos/a.png", size=(16, 20))
        with pytest.raises(InputError, match=r"a\.png: shows 20x16 pixels .* c\.json says 16x16|says 16x16"):
            convert_coco(*arguments)
        (tmp_path / "photos/a.png").unlink()
        with pytest.raises(InputError, match="there is no such image"):
            convert_coco(*arguments)

    def test_same_stem(self, tmp_path):
        images = [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "a.jpg"}]
        with pytest.raises(InputError, match="two images would share the mask"):
            convert_coco(*_coco(tmp_path, [], images=images))

    @pytest.mark.parametrize(
        ("categories", "message"),
        [
            ([{"id": 1, "name": "cat"}, {"id": 2, "name": "cat "}], "'cat' occurs twice"),
            ([{"id": 1, "name": "cat"}, {"id": 1, "name": "dog"}], "category id 1 occurs twice"),
            ([{"id": 1, "name": 7}], "entry 1 is 7, not text"),
            ([{"name": "cat"}], "category 1 has the id None"),
        ],
    )
    def test_categories(self, tmp_path, categories, message):
        with pytest.raises(InputError, match=message):
            convert_coco(*_coco(tmp_path, [], categories))

    @pytest.mark.parametrize("text", ["{", "[]", '{"images": []}', '{"shapes": []}'])
    def test_other_files(self, tmp_path, text):
        (tmp_path / "c.json").write_text(text)
        with pytest.raises(InputError, match=r"c\.json"):
            convert_coco(tmp_path / "c.json", tmp_path, tmp_path / "out")

    def test_an_existing_folder_is_not_touched(self, tmp_path):
        arguments = _coco(tmp_path, [])
        (tmp_path / "out").mkdir()
        (tmp_path / "out/mine.txt").write_text("x")
        with pytest.raises(InputError, match="exists already"):
            convert_coco(*arguments)
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]

    def test_real_annotations(self, data_root, tmp_path):
        """Three VOC images whose class masks were drawn from the same polygons."""
        voc = data_root / "voc"
        report = convert_coco(voc / "coco_instances.json", voc, tmp_path / "out")
        assert (report.images, report.objects, len(report.classes)) == (3, 12, 21)
        for file in (voc / "SegmentationClass").glob("*.png"):
            drawn = read_mask(tmp_path / "out/masks/JPEGImages" / file.name).values
            stored = read_mask(file).values
            assert (drawn == stored)[stored != 255].mean() > 0.99
        dataset = open_dataset(DataConfig(root=str(tmp_path / "out")), "train")
        assert len(dataset.classes) == 21
        dataset.read(0)


def _shape(label, points, kind="polygon", **more):
    return {"label": label, "points": points, "shape_type": kind, **more}


def _labelme(folder, name, shapes, **more):
    folder.mkdir(parents=True, exist_ok=True)
    save_image(folder / f"{name}.png", size=(16, 16))
    content = {"shapes": shapes, "imagePath": f"{name}.png", "imageData": None, **more}
    (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


POINTS = [[0, 0], [0, 9], [9, 9], [9, 0]]


class TestLabelme:
    def test_shapes(self, tmp_path):
        png = io.BytesIO()
        Image.fromarray(np.array([[255, 0], [255, 255]], np.uint8)).save(png, "PNG")
        shapes = [
            _shape("zebra", POINTS),
            _shape("ant", [[12, 0], [16, 4]], "rectangle"),
            _shape("__ignore__", [[0, 12], [16, 16]], "rectangle"),
            _shape("ant", [[4, 4], [5, 5]], "mask", mask=base64.b64encode(png.getvalue()).decode()),
        ]
        report = convert_labelme(_labelme(tmp_path / "in", "a", shapes), tmp_path / "out")
        assert report.classes == ["background", "ant", "zebra"]
        mask = _mask(tmp_path)
        assert (mask == 2).sum() == 81 - 3
        assert (mask[0:4, 12:] == 1).all()
        assert (mask[12:] == 255).all()
        assert mask[4:6, 4:6].tolist() == [[1, 2], [1, 1]]

    def test_circle(self, tmp_path):
        shapes = [_shape("sun", [[8, 8], [8, 14]], "circle")]
        convert_labelme(_labelme(tmp_path / "in", "a", shapes), tmp_path / "out")
        assert (_mask(tmp_path) == 1).sum() == pytest.approx(np.pi * 36, rel=0.05)

    def test_order_of_a_label_list(self, tmp_path):
        folder = _labelme(tmp_path / "in", "a", [_shape("ant", POINTS)])
        (folder / "labels.txt").write_text("__ignore__\n_background_\nzebra\nant\n")
        assert convert_labelme(folder, tmp_path / "out").classes == ["_background_", "zebra", "ant"]
        (folder / "labels.txt").write_text("zebra\n")
        with pytest.raises(InputError, match=r"a\.json: the label 'ant' is not in .*labels\.txt"):
            convert_labelme(folder, tmp_path / "other")

    def test_image_inside_the_json(self, tmp_path):
        folder = _labelme(tmp_path / "in", "a", [_shape("ant", POINTS)])
        data = (folder / "a.png").read_bytes()
        (folder / "a.png").unlink()
        with pytest.raises(InputError, match=r"a\.png: there is no such image, named by .*a\.json"):
            convert_labelme(folder, tmp_path / "out")
        content = json.loads((folder / "a.json").read_text())
        content |= {"imageData": base64.b64encode(data).decode(), "imagePath": "..\\photos\\x.PNG"}
        (folder / "a.json").write_text(json.dumps(content))
        convert_labelme(folder, tmp_path / "out")
        assert (tmp_path / "out/images/a.png").read_bytes() == data

    def test_shapes_without_area_are_named(self, tmp_path):
        shapes = [_shape("ant", POINTS), _shape("ant", [[1, 1]], "point"), _shape("ant", [[1, 1], [2, 2]])]
        folder = _labelme(tmp_path / "in", "a", shapes)
        with pytest.raises(InputError, match=r"a\.json: shape 2 \(ant\): .*'point'.*a\.json: shape 3"):
            convert_labelme(folder, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        assert convert_labelme(folder, tmp_path / "out", skip={"point", "broken"}).objects == 1

    def test_other_size(self, tmp_path):
        folder = _labelme(tmp_path / "in", "a", [], imageHeight=10, imageWidth=16)
        with pytest.raises(InputError, match=r"a\.json says 16x10"):
            convert_labelme(folder, tmp_path / "out")

    def test_nothing_there(self, tmp_path):
        with pytest.raises(InputError, match="holds no labelme JSON"):
            convert_labelme(tmp_path, tmp_path / "out")
        with pytest.raises(InputError, match="no such folder"):
            convert_labelme(tmp_path / "x", tmp_path / "out")
