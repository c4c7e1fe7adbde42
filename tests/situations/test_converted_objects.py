"""Objects of COCO JSON and labelme files as masks: what is on top, what is missing, what is told."""

import base64
import io
import json
import unicodedata

import numpy as np
import pytest
from PIL import Image

from vit_adapter.annotations import polygon_mask
from vit_adapter.config import DataConfig, InputError
from vit_adapter.data.conversion import convert_coco, convert_labelme
from vit_adapter.data.dataset import open_dataset
from vit_adapter.data.layouts.pairs import match_folders

from .annotations import SQUARE, converted_mask, save_coco, save_labelme, save_photo
from .making import command, halves, refusal

HEADING = "Objects into masks"
TITLES = {
    142: "Accents in one character or in two",
    143: "Objects that overlap, are hidden, or have no pixel",
    144: "Annotations that are all crowd regions",
    145: "One point among the polygons",
    146: "Rectangles with four corners, and turned ones",
    149: "Boxes without masks",
}
NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


def test_s142_names_of_files(tmp_path):
    """The names of images in the annotations find files whose names write the accents the other way."""
    for number, (said, there) in enumerate([(NFC, NFD), (NFD, NFC)]):
        root = tmp_path / str(number)
        save_photo(root / "coco" / there / f"{there}.png")
        file = save_coco(root / "coco", [(1, 1, SQUARE, {})], [f"{said}/{said}.png"])
        assert convert_coco(file, root / "coco", root / "from_coco").images == 1
        save_photo(root / "labelme" / f"{there}.png")
        folder = save_labelme(root / "labelme", said, [("cat", "rectangle", [[0, 0], [9, 9]], {})])
        assert convert_labelme(folder, root / "from_labelme").images == 1
        for converted in ("from_coco", "from_labelme"):
            part = match_folders(root / converted / "images", root / converted / "masks")
            assert (len(part.pairs), part.problems) == (1, [])


def test_s142_names_of_classes(tmp_path):
    """Two spellings of one class name are one class of labelme, and refused as doubles in COCO."""
    for name, label in (("a", NFC), ("b", NFD)):
        save_photo(tmp_path / f"in/{name}.png")
        save_labelme(tmp_path / "in", name, [(label, "rectangle", [[0, 0], [9, 9]], {})])
    (tmp_path / "in" / "labels.txt").write_text(f"{NFD}\n", encoding="utf-8")
    assert convert_labelme(tmp_path / "in", tmp_path / "out").classes == ["background", NFC]
    save_photo(tmp_path / "coco/a.png")
    file = save_coco(tmp_path / "coco", [], categories=(NFC, NFD))
    with pytest.raises(InputError, match="occurs twice"):
        convert_coco(file, tmp_path / "coco", tmp_path / "other")


def test_s142_two_files_of_one_name(tmp_path):
    """Two images whose names differ in this alone would share a mask, so the second is refused by name."""
    save_photo(tmp_path / "coco" / f"{NFC}.png")
    save_photo(tmp_path / "coco" / f"{NFD}.png")
    file = save_coco(tmp_path / "coco", [], [f"{NFC}.png", f"{NFD}.png"])
    with pytest.raises(InputError, match=r"image 2: .*two images would share the mask .*--skip double"):
        convert_coco(file, tmp_path / "coco", tmp_path / "out")


def test_s143_coco_tells_what_is_on_top(tmp_path, capfd):
    """`data convert` tells the share of pixels that objects of different classes share, and which class is on top."""
    small, outside = [0, 0, 0, 5, 10, 5, 10, 0], [40, 40, 40, 50, 50, 50, 50, 40]
    objects = [(1, 2, small, {}), (1, 1, SQUARE, {}), (1, 1, outside, {})]
    save_photo(tmp_path / "a.png")
    file = save_coco(tmp_path, objects)
    code, out, _ = command(capfd, "data", "convert", file, "--out", tmp_path / "out")
    assert code == 0
    assert "objects of different classes share 50.00% of the objects' pixels" in out
    assert "the smaller object is on top (dog over cat, 50 pixels)" in out
    assert "objects without a pixel: 1, not in the masks: " in out
    assert "annotation 102 (cat)" in out
    assert (converted_mask(tmp_path)[:5, :10] == 2).all()


def test_s143_labelme_tells_what_is_hidden(tmp_path):
    """A shape that others cover wholly, and a class of which no pixel is seen, are named."""
    save_photo(tmp_path / "in/a.png")
    shapes = [("ant", "rectangle", [[2, 2], [4, 4]], {}), ("bee", "rectangle", [[0, 0], [9, 9]], {})]
    report = convert_labelme(save_labelme(tmp_path / "in", "a", shapes), tmp_path / "out")
    assert (report.overlaps.contested, report.overlaps.over) == (4, {(2, 1): 4})
    assert len(report.overlaps.hidden) == 1
    text = str(report)
    assert "objects wholly under others: 1, not seen in the masks" in text
    assert "shape 1 (ant)" in text
    assert "the later shape is on top (bee over ant, 4 pixels)" in text
    assert "classes without a pixel: 1, a model cannot learn them: ant" in text


def test_s143_one_class_over_itself_is_no_overlap(tmp_path):
    """Objects of one class that overlap change no mask and are not counted."""
    save_photo(tmp_path / "a.png")
    file = save_coco(tmp_path, [(1, 1, SQUARE, {}), (1, 1, SQUARE, {})])
    report = convert_coco(file, tmp_path, tmp_path / "out")
    assert (report.overlaps.object_pixels, report.overlap_share) == (100, 0)


@pytest.mark.parametrize("flag", [1, True, "1"])
def test_s144_all_crowd(tmp_path, flag):
    """The number of crowd regions is told, and the classes that have nothing else."""
    save_photo(tmp_path / "a.png")
    objects = [
        (1, 1, SQUARE, {"iscrowd": flag}),
        (1, 1, SQUARE, {"iscrowd": flag}),
        (1, 2, SQUARE, {"iscrowd": "0"}),
    ]
    report = convert_coco(save_coco(tmp_path, objects), tmp_path, tmp_path / "out")
    assert "crowd regions: 2 of 3 objects (iscrowd 1)" in str(report)
    assert "nothing but crowd regions: cat" in str(report)
    assert (converted_mask(tmp_path)[:10, :10] == 2).all()


def test_s145_labelme(tmp_path, capfd):
    """A refusal ends with the `--skip` that leaves out what cannot be drawn; then it is counted and named."""
    save_photo(tmp_path / "in/a.png")
    shapes = [
        ("ant", "rectangle", [[0, 0], [9, 9]], {}),
        ("ant", "point", [[3, 3]], {}),
        ("ant", "line", [[3, 3], [5, 5]], {}),
        ("ant", "star", [[3, 3], [5, 5]], {}),
        ("ant", "cuboid", [[3, 3]] * 8, {}),
        ("ant", "polygon", [[3, 3]], {}),
        ("", "polygon", [[3, 3]], {}),
    ]
    words = ("data", "convert", save_labelme(tmp_path / "in", "a", shapes), "--out", tmp_path / "out")
    line = refusal(capfd, *words)
    assert "shape 2 (ant): a 'point' has no area" in line
    assert "shape 4 (ant): the shape type 'star' is not known, expected polygon, rectangle" in line
    assert "a cuboid is a box in space" in line
    assert not (tmp_path / "out").exists()
    assert line.endswith("to convert the rest: --skip broken,cuboid,line,point,star,unlabeled")
    code, out, _ = command(capfd, *words, "--skip", line.rpartition(" ")[2])
    assert code == 0
    assert "1 image, 1 object," in out
    assert (
        "left out as asked for with --skip: 1 broken, 1 cuboid, 1 line, 1 point, 1 star, 1 unlabeled" in out
    )
    assert (converted_mask(tmp_path) == 1).sum() == 81


def test_s145_coco(tmp_path, capfd):
    """The same holds for COCO: objects without a shape, of unlisted categories or images, and damaged images."""
    save_photo(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"not an image")
    objects = [
        (1, 1, SQUARE, {}),
        (1, 1, SQUARE, {"segmentation": []}),
        (7, 1, SQUARE, {}),
        ([1], 1, SQUARE, {}),
        (1, 9, SQUARE, {}),
        (2, 1, SQUARE, {}),
    ]
    words = ("data", "convert", save_coco(tmp_path, objects, ["a.png", "b.png"]), "--out", tmp_path / "out")
    line = refusal(capfd, *words)
    assert line.endswith("to convert the rest: --skip broken,unlisted,unreadable")
    assert line.count("b.png") == 1
    code, out, _ = command(capfd, *words, "--skip", "broken,unlisted,unreadable")
    assert code == 0
    assert "1 image, 1 object," in out
    assert "1 broken, 3 unlisted, 1 unreadable" in out


def test_s145_what_may_be_skipped(tmp_path, capfd):
    """An unknown word behind `--skip` is refused with those that are known."""
    save_photo(tmp_path / "a.png")
    file = save_coco(tmp_path, [(1, 1, SQUARE, {})])
    line = refusal(capfd, "data", "convert", file, "--out", tmp_path / "out", "--skip", "points,lines")
    assert "--skip lines: expected some of broken, point" in line


@pytest.mark.parametrize("kind", ["rectangle", "rotation", "oriented_rectangle", "quadrilateral"])
def test_s146_four_corners(tmp_path, kind):
    """Four corners are drawn exactly as the polygon through them, whatever the type is called."""
    turned = [[8.2, 1.1], [14.6, 7.4], [8.3, 13.9], [1.7, 7.5]]
    straight = [[2, 3], [9, 3], [9, 12], [2, 12]]
    for name, corners in (("a", turned), ("b", straight)):
        save_photo(tmp_path / f"in/{name}.png")
        save_labelme(tmp_path / "in", name, [("ant", kind, corners, {"direction": 0.8})])
    convert_labelme(tmp_path / "in", tmp_path / "out")
    expected = polygon_mask(np.ravel(turned).tolist(), (16, 16))
    assert ((converted_mask(tmp_path) == 1) == expected).all()
    assert expected.sum() == pytest.approx(83, abs=4)  # sides of 9.0 and 9.2 pixels
    drawn = np.zeros((16, 16))
    drawn[3:12, 2:9] = 1
    assert (converted_mask(tmp_path, "b") == drawn).all()


@pytest.mark.parametrize(
    ("kind", "points", "reason"),
    [
        (
            "rectangle",
            [[1, 1], [2, 2], [3, 3]],
            "a rectangle of 3 points, expected 2 opposite corners or all 4",
        ),
        ("rotation", [[1, 1], [2, 2]], "a rotation of 2 points, expected its 4 corners"),
        ("polygon", [[1, 1, 1], [2, 2, 2]], "points that are not pairs of numbers"),
        ("polygon", [1, 1, 5, 1, 5, 5], "points that are not pairs of numbers"),
        ("circle", [[1, 1]], "a circle of 1 points, expected 2"),
        ("mask", [[1, 1], [2, 2]], "a mask that is not a PNG in base64"),
    ],
)
def test_s146_true_reasons(tmp_path, kind, points, reason):
    """What cannot be drawn is refused with the number of points found and expected."""
    save_photo(tmp_path / "in/a.png")
    with pytest.raises(InputError, match=reason):
        convert_labelme(save_labelme(tmp_path / "in", "a", [("ant", kind, points, {})]), tmp_path / "out")


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_s146_masks_inside_the_json(tmp_path, mode):
    """A shape of type mask is the PNG that the file holds, in any mode, put at its first point."""
    png = io.BytesIO()
    Image.fromarray(np.array([[1, 0], [1, 1]], np.uint8) * (255 if mode != "P" else 1)).convert(mode).save(
        png, "PNG"
    )
    mask = base64.b64encode(png.getvalue()).decode()
    save_photo(tmp_path / "in/a.png")
    shapes = [("ant", "mask", [[4, 5], [5, 6]], {"mask": mask})]
    convert_labelme(save_labelme(tmp_path / "in", "a", shapes), tmp_path / "out")
    assert np.argwhere(converted_mask(tmp_path)).tolist() == [[5, 4], [6, 4], [6, 5]]


def test_s149_boxes_alone(tmp_path):
    """A JSON for detection is refused in one line, not once for each object."""
    save_photo(tmp_path / "a.png")
    objects = [(1, 1, SQUARE, {"segmentation": [], "bbox": [0, 0, 5, 5]})] * 3
    with pytest.raises(InputError, match="its 3 objects are boxes without a segmentation") as caught:
        convert_coco(save_coco(tmp_path, objects), tmp_path, tmp_path / "out")
    assert "annotation" not in str(caught.value)


def test_s142_lists_of_images_and_masks(tmp_path):
    """Split lists with an image and its mask a line find files spelt the other way."""
    for part, said, there in (("train", NFC, NFD), ("val", NFD, NFC)):
        save_photo(tmp_path / "photos" / f"{there}{part}.png")
        (tmp_path / "truth").mkdir(exist_ok=True)
        Image.fromarray(halves(0, 1, 16, 16)).save(tmp_path / "truth" / f"{there}{part}.png")
        (tmp_path / f"{part}.txt").write_text(
            f"photos/{said}{part}.png truth/{said}{part}.png\n", encoding="utf-8"
        )
    assert len(open_dataset(DataConfig(root=str(tmp_path)), "train")) == 1


def test_s142_panoptic_masks(tmp_path):
    """The names of masks and images in a COCO panoptic JSON find files spelt the other way."""
    for split, said, there in (("train", NFC, NFD), ("val", NFD, NFC)):
        save_photo(tmp_path / f"{split}2017" / "first.png")
        save_photo(tmp_path / f"{split}2017" / f"{there}.png")
        folder = tmp_path / "annotations" / f"panoptic_{split}2017"
        folder.mkdir(parents=True)
        for name in (there, "first"):
            Image.fromarray(np.full((16, 16, 3), (7, 0, 0), np.uint8)).save(folder / f"{name}.png")
        content = {
            "images": [{"id": n, "file_name": f"{name}.png"} for n, name in enumerate(("first", said))],
            "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
            "annotations": [
                {
                    "image_id": n,
                    "file_name": f"{name}.png",
                    "segments_info": [{"id": 7, "category_id": 1}],
                }
                for n, name in enumerate(("first", said))
            ],
        }
        folder.with_suffix(".json").write_text(json.dumps(content))
    dataset = open_dataset(DataConfig(root=str(tmp_path), layout="coco_panoptic"), "train")
    assert len(dataset) == 2
    assert (dataset.read(1).labels == 0).all()
