"""What the tools have in common: recognised, converted by the command that is said, read back; Roboflow's folders."""

# pyright: reportOptionalMemberAccess=false, reportOptionalIterable=false, reportArgumentType=false, reportCallIssue=false

import json
import shlex
import shutil

import numpy as np
import pytest
from converting import converted, save_json
from folders import save_image, save_mask
from PIL import Image

from vit_adapter.cli.main import main
from vit_adapter.config import DataConfig, InputError
from vit_adapter.data.conversion import convert
from vit_adapter.data.dataset import open_dataset
from vit_adapter.data.other_forms import recognise
from vit_adapter.data.source import find_layout

SIZE = (20, 30)
CORNERS = [[2, 3], [12, 3], [12, 9], [2, 9]]
NAMES = ("a", "b", "c", "d")


def _cvat(root):
    shape = '<polygon label="cell" points="POINTS"/>'
    image = f'<image name="NAME.png" width="{SIZE[1]}" height="{SIZE[0]}">{shape}</image>'
    points = ";".join(f"{x},{y}" for x, y in CORNERS)
    images = "".join(image.replace("NAME", name).replace("POINTS", points) for name in NAMES)
    text = f"<annotations><version>1.1</version><meta><labels><label><name>cell</name></label></labels></meta>{images}"
    (root / "annotations.xml").write_text(text + "</annotations>")


def _cvat_masks(root):
    (root / "labelmap.txt").write_text("background:0,0,0::\ncell:9,8,7::\n")
    for name in NAMES:
        mask = np.zeros((*SIZE, 3), np.uint8)
        mask[3:9, 2:12] = 9, 8, 7
        save_mask(root / f"SegmentationClass/{name}.png", mask)


def _label_studio(root):
    points = [[100 * x / SIZE[1], 100 * y / SIZE[0]] for x, y in CORNERS]
    size = {"original_width": SIZE[1], "original_height": SIZE[0]}
    result = [{**size, "id": "x", "value": {"points": points, "polygonlabels": ["cell"]}}]
    tasks = [
        {"id": number, "data": {"image": f"/x/{name}.png"}, "annotations": [{"result": result}]}
        for number, name in enumerate(NAMES)
    ]
    save_json(root / "export.json", tasks)


def _labelme(root):
    for name in NAMES:
        shape = {"label": "cell", "shape_type": "polygon", "points": CORNERS}
        save_json(
            root / f"images/{name}.json", {"shapes": [shape], "imagePath": f"{name}.png", "imageData": None}
        )


def _via(root):
    across, down = zip(*CORNERS)
    shape = {"name": "polygon", "all_points_x": across, "all_points_y": down}
    regions = [{"shape_attributes": shape, "region_attributes": {"name": "cell"}}]
    save_json(
        root / "via.json", {f"{name}1": {"filename": f"{name}.png", "regions": regions} for name in NAMES}
    )


def _yolo(root):
    values = " ".join(f"{x / SIZE[1]} {y / SIZE[0]}" for x, y in CORNERS)
    for name in NAMES:
        (root / "labels").mkdir(exist_ok=True)
        (root / f"labels/{name}.txt").write_text(f"0 {values}\n")
    (root / "data.yaml").write_text("names: [cell]\n")


def _supervisely(root):
    save_json(root / "meta.json", {"classes": [{"title": "cell"}]})
    points = {"exterior": [[x - 0.5, y - 0.5] for x, y in CORNERS], "interior": []}
    for name in NAMES:
        objects = [{"classTitle": "cell", "geometryType": "polygon", "points": points}]
        save_json(
            root / f"ds/ann/{name}.png.json",
            {"size": {"height": SIZE[0], "width": SIZE[1]}, "objects": objects},
        )
    shutil.copytree(root / "images", root / "ds/img")
    shutil.rmtree(root / "images")


FORMS = {
    "CVAT": _cvat,
    "CVAT masks": _cvat_masks,
    "Label Studio": _label_studio,
    "labelme": _labelme,
    "VIA": _via,
    "YOLO": _yolo,
    "Supervisely": _supervisely,
}


def _made(root, form):
    for seed, name in enumerate(NAMES):
        save_image(root / f"images/{name}.png", seed, SIZE)
    FORMS[form](root)
    return root


@pytest.mark.parametrize(
    "form", [form for form in FORMS if form not in ("CVAT masks", "YOLO")]
)  # read as they are
@pytest.mark.parametrize("asked", ["check", "train"])
def test_the_command_that_converts(tmp_path, capfd, monkeypatch, form, asked):
    """`data check` and `train` name the tool and end with the command; as printed, it makes a set for every task."""
    monkeypatch.chdir(tmp_path)
    _made(tmp_path / "my set", form)
    if asked == "check":
        assert main(["data", "check", "my set", "--sheet", ""]) == 2
        line = capfd.readouterr().err.strip()
    else:
        with pytest.raises(InputError) as caught:
            find_layout(DataConfig(root="my set"))
        line = str(caught.value)
    assert f"my set: holds {form} annotations, no masks; this makes masks: " in line
    assert "\n" not in line
    words = shlex.split(line.partition("this makes masks: ")[2])
    assert words[0] == "vit-adapter"
    assert main(words[1:]) == 0
    assert "4 images" in capfd.readouterr().out
    assert main(["data", "check", "my set_masks", "--sheet", ""]) == 0
    expected = np.zeros(SIZE, int)
    expected[3:9, 2:12] = 1
    for task in ("semantic", "instance", "panoptic", "detection"):
        sample = open_dataset(DataConfig(root="my set_masks"), "train", task=task).read(0)
        if task in ("semantic", "panoptic"):
            assert (sample.labels == expected).all()
        if task != "semantic":
            assert sample.annotation.instances.boxes.tolist() == [[2, 3, 12, 9]]


@pytest.mark.parametrize("form", ["CVAT", "CVAT masks", "Label Studio", "VIA"])
def test_images_elsewhere(tmp_path, form):
    """Where no image is in the folder, the command has a place for them."""
    root = _made(tmp_path / "set", form)
    (root / "images").rename(tmp_path / "photos")
    with pytest.raises(InputError, match="--images FOLDER --out set_masks"):
        find_layout(DataConfig(root=str(root)))
    with pytest.raises(InputError, match=r"there is no such image.*--images FOLDER"):
        convert(root, tmp_path / "out")
    assert convert(root, tmp_path / "out", images=tmp_path / "photos").images == 4
    with pytest.raises(InputError, match=r"--images .*nowhere: there is no such folder"):
        convert(root, tmp_path / "other", images=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--line-width", "0"), "--line-width 0: expected more than 0"),
        (("--line-width", "nan"), "--line-width nan: expected a finite number"),
        (("--label-key", "x"), "--label-key: goes with the files of VIA"),
        (("--stuff", "sky"), "--stuff sky: is no class of these annotations, which are background, cell"),
        (("--skip", "lines"), "--skip lines: expected some of broken"),
    ],
)
def test_wishes(tmp_path, capfd, words, message):
    _made(tmp_path / "set", "CVAT")
    assert main(["data", "convert", str(tmp_path / "set"), "--out", str(tmp_path / "out"), *words]) == 2
    assert message in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("form", ["CVAT", "labelme"])
def test_stuff(tmp_path, form):
    """Shapes of stuff are regions: in the masks, but no objects, so that panoptic models take them for stuff."""
    source = _made(tmp_path / "set", form)
    report = convert(source, tmp_path / "out", stuff="cell" if form == "CVAT" else ["cell"])
    assert report.objects == 4
    assert not report.has_objects
    assert not (tmp_path / "out/instances").exists()
    assert find_layout(DataConfig(root=str(tmp_path / "out"))).tasks == ("semantic",)


def test_other_sources(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        convert(tmp_path / "nothing", tmp_path / "out")
    (tmp_path / "task.zip").write_bytes(b"PK")
    with pytest.raises(InputError, match="ZIP archive; unpack it"):
        convert(tmp_path / "task.zip", tmp_path / "out")
    with pytest.raises(InputError, match="ZIP archive; unpack it"):
        find_layout(DataConfig(root=str(tmp_path / "task.zip")))
    assert recognise(save_json(tmp_path / "x.json", {"a": 1})) is None


class TestLabelme:
    def test_lines_points_and_groups(self, tmp_path):
        root = tmp_path
        shapes = [
            ("vessel", "linestrip", [[2, 2], [20, 2], [20, 15]], 1),
            ("vessel", "line", [[2, 10], [8, 10]], 1),
            ("seed", "point", [[26, 16]], None),
            ("seed", "points", [[4, 16], [10, 16]], None),
        ]
        content = [{"label": a, "shape_type": b, "points": c, "group_id": d} for a, b, c, d in shapes]
        save_image(root / "set/a.png", size=SIZE)
        save_json(root / "set/a.json", {"shapes": content, "imagePath": "a.png", "imageData": None})
        mask, objects, report = converted(root / "set", root / "out", line_width=3)
        y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
        lines = [
            np.hypot(x - x.clip(2, 20), y - 2),
            np.hypot(x - 20, y - y.clip(2, 15)),
            np.hypot(x - x.clip(2, 8), y - 10),
        ]
        discs = [np.hypot(x - a, y - 16) for a in (26, 4, 10)]
        assert ((mask == 2) == (np.min(lines, axis=0) <= 1.5)).all()
        assert ((mask == 1) == (np.min(discs, axis=0) <= 1.5)).all()
        assert len(np.unique(objects)) == 4  # none, the vessel of one group, a point, points
        assert report.classes == ["background", "seed", "vessel"]


def _roboflow(root, parts=("train", "valid", "test")):
    table = "Pixel Value, Class\n0, background\n1, crack\n2, spall\n"
    mask = np.zeros(SIZE, np.uint8)
    mask[3:9, 2:12], mask[12:15, 20:25] = 1, 2
    for seed, part in enumerate(parts):
        for name in ("x", "y"):
            save_image(root / part / f"{name}_jpg.rf.0123.jpg", seed, SIZE)
            save_mask(root / part / f"{name}_jpg.rf.0123_mask.png", mask)
        (root / part / "_classes.csv").write_text(table)
    return mask


class TestRoboflow:
    def test_masks_beside_images(self, tmp_path, capfd):
        """The export "semantic segmentation masks" is read as it is, with its classes, in parts or in one folder."""
        mask = _roboflow(tmp_path / "set")
        config = DataConfig(root=str(tmp_path / "set"))
        for split in ("train", "val", "test"):
            dataset = open_dataset(config, split)
            assert len(dataset) == 2
            assert dataset.classes.names == ("background", "crack", "spall")
            assert (dataset.read(0).labels == mask).all()
        assert main(["data", "check", str(tmp_path / "set"), "--sheet", ""]) == 0
        assert "crack" in capfd.readouterr().out
        config = DataConfig(root=str(tmp_path / "set/train"))
        assert len(open_dataset(config, "train")) == len(open_dataset(config, "val")) == 1

    def test_what_is_missing(self, tmp_path):
        _roboflow(tmp_path / "set", ("train",))
        with pytest.raises(InputError, match="has no val part"):
            open_dataset(DataConfig(root=str(tmp_path / "set")), "val")
        _roboflow(tmp_path / "set", ("valid",))
        (tmp_path / "set/train/x_jpg.rf.0123_mask.png").unlink()
        with pytest.raises(
            InputError, match=r"x_jpg\.rf\.0123\.jpg: has no mask, expected x_jpg\.rf\.0123_mask\.png"
        ):
            open_dataset(DataConfig(root=str(tmp_path / "set")), "train")
        assert len(open_dataset(DataConfig(root=str(tmp_path / "set"), skip_unlabelled=True), "train")) == 1
        (tmp_path / "set/train/y_jpg.rf.0123.jpg").rename(tmp_path / "set/train/z.jpg")
        save_mask(tmp_path / "set/train/z_mask.png", np.zeros(SIZE))
        with pytest.raises(InputError, match=r"y_jpg\.rf\.0123_mask\.png: belongs to no image"):
            open_dataset(DataConfig(root=str(tmp_path / "set"), skip_unlabelled=True), "train")

    def test_coco_beside_images(self, tmp_path):
        """The export "COCO segmentation" is read as it is."""
        for seed, part in enumerate(("train", "valid")):
            save_image(tmp_path / part / "a.jpg", seed, SIZE)
            flat = [float(value) for point in CORNERS for value in point]
            content = {
                "info": {"url": "https://public.roboflow.com"},
                "categories": [
                    {"id": 0, "name": "things", "supercategory": "none"},
                    {"id": 1, "name": "crack", "supercategory": "things"},
                ],
                "images": [{"id": 0, "file_name": "a.jpg", "height": SIZE[0], "width": SIZE[1]}],
                "annotations": [
                    {"id": 0, "image_id": 0, "category_id": 1, "bbox": [2, 3, 10, 6], "segmentation": [flat]}
                ],
            }
            save_json(tmp_path / part / "_annotations.coco.json", content)
        dataset = open_dataset(DataConfig(root=str(tmp_path)), "train", task="instance")
        assert dataset.read(0).annotation.instances.boxes.tolist() == [[2, 3, 12, 9]]
        assert dataset.classes.names == ("crack",)  # category 0 is only the group of the others
        report = convert(tmp_path / "train/_annotations.coco.json", tmp_path / "out")
        assert report.classes == ["background", "crack"]
        assert "the category 'things' names the group of the others" in str(report)


def test_photos_turned_by_exif(tmp_path):
    """A tool that saw the image turned states the size that a viewer shows; one that did not is told of."""
    exif = Image.Exif()
    exif[0x0112] = 6
    _made(tmp_path / "set", "CVAT")
    for name in NAMES:
        Image.new("RGB", SIZE, "grey").save(
            tmp_path / f"set/images/{name}.png", exif=exif
        )  # shows 30 x 20 when turned
    assert convert(tmp_path / "set", tmp_path / "out").images == 4
    for name in NAMES:
        Image.new("RGB", SIZE[::-1], "grey").save(tmp_path / f"set/images/{name}.png", exif=exif)
    with pytest.raises(InputError, match="drawn on the image before it is turned by its EXIF tag"):
        convert(tmp_path / "set", tmp_path / "other")


def test_whole_objects_in_the_json(tmp_path):
    """What is hidden in the masks is whole in coco.json, and both agree about everything else."""
    root = _made(tmp_path / "set", "VIA")
    content = json.loads((root / "via.json").read_text())
    for entry in content.values():
        over = {"name": "rect", "x": 8, "y": 5, "width": 10, "height": 10}
        entry["regions"].append({"shape_attributes": over, "region_attributes": {"name": "top"}})
    save_json(root / "via.json", content)
    report = convert(root, tmp_path / "out")
    assert "cell, top" not in str(report)
    assert report.overlaps.over == {(2, 1): 16 * 4}
    whole = open_dataset(
        DataConfig(root=str(tmp_path / "out"), layout="coco_instances"), "train", task="instance"
    )
    seen = open_dataset(DataConfig(root=str(tmp_path / "out")), "train", task="instance")
    assert whole.classes.names == seen.classes.names == ("cell", "top")
    areas = [[mask.area for mask in some.read(0).annotation.instances.masks] for some in (whole, seen)]
    assert areas == [[60, 100], [44, 100]]


def test_the_sheet_outlines_objects_where_they_are(tmp_path, monkeypatch):
    """Small images are not enlarged below outlines of their own size."""
    from vit_adapter.api import check_data

    cells = []

    def spy(rows, **more):
        cells.extend(cell for row in rows for cell in row)
        return Image.new("RGB", (8, 8))

    monkeypatch.setattr("vit_adapter.visualization.contact_sheet", spy)
    convert(_made(tmp_path / "set", "CVAT"), tmp_path / "out")
    for file in (tmp_path / "out/images").iterdir():
        Image.new("RGB", SIZE[::-1], "white").save(file)
    assert check_data(DataConfig(root=str(tmp_path / "out")), sheet=tmp_path / "sheet.png")
    for cell in cells:
        assert cell.shape == (*SIZE, 3)
        other = np.ones(SIZE, bool)
        other[2:10, 1:13] = False
        assert len(np.unique(cell[other], axis=0)) == 1
        assert (cell[3:9, 2:12] != cell[-1, -1]).any(axis=-1).all()
