"""Objects of COCO JSON and labelme files as masks: what is on top, what is missing, what is told."""

import base64
import io
import json
import os
import unicodedata

import numpy as np
import pytest
from PIL import Image

from vit_adapter.config import InputError
from vit_adapter.data.conversion import convert_coco, convert_labelme
from vit_adapter.data.conversion.rasterize import polygon_mask
from vit_adapter.data.layouts.pairs import match_folders
from vit_adapter.images import read_mask

from .making import command, refusal

HEADING = "Objects into masks"
TITLES = {
    142: "Accents in one character or in two",
    143: "Objects that overlap, are hidden, or have no pixel",
    144: "Annotations that are all crowd regions",
    145: "One point among the polygons",
    146: "Rectangles with four corners, and turned ones",
    147: "Folders of annotations behind links",
    148: "Images that are missing, listed twice, or of another size",
    149: "Boxes without masks",
}
NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
SQUARE = [0, 0, 0, 10, 10, 10, 10, 0]


def _photo(path, size=(16, 16), seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)).save(path)


def _coco(root, objects, images=("a.png",), categories=("cat", "dog"), **more):
    """Objects are (image number from 1, category number from 1, polygon, further fields)."""
    content = {
        "images": [{"id": n, "file_name": name} for n, name in enumerate(images, start=1)],
        "categories": [{"id": n, "name": name} for n, name in enumerate(categories, start=1)],
        "annotations": [
            {"id": 100 + n, "image_id": image, "category_id": category, "segmentation": [polygon], **fields}
            for n, (image, category, polygon, fields) in enumerate(objects)
        ],
        **more,
    }
    root.mkdir(parents=True, exist_ok=True)
    (root / "c.json").write_text(json.dumps(content))
    return root / "c.json"


def _labelme(folder, name, shapes, image=None, **more):
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "shapes": [
            {"label": label, "shape_type": kind, "points": points, **fields}
            for label, kind, points, fields in shapes
        ],
        "imagePath": image or f"{name}.png",
        "imageData": None,
        **more,
    }
    (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def _mask(root, name="a"):
    return read_mask(root / "out" / "masks" / f"{name}.png").values


def test_s142_names_of_files(tmp_path):
    """The names of images in the annotations find files whose names write the accents the other way."""
    for number, (said, there) in enumerate([(NFC, NFD), (NFD, NFC)]):
        root = tmp_path / str(number)
        _photo(root / "coco" / there / f"{there}.png")
        file = _coco(root / "coco", [(1, 1, SQUARE, {})], [f"{said}/{said}.png"])
        assert convert_coco(file, root / "coco", root / "from_coco").pictures == 1
        _photo(root / "labelme" / f"{there}.png")
        folder = _labelme(root / "labelme", said, [("cat", "rectangle", [[0, 0], [9, 9]], {})])
        assert convert_labelme(folder, root / "from_labelme").pictures == 1
        for converted in ("from_coco", "from_labelme"):
            part = match_folders(root / converted / "images", root / converted / "masks")
            assert (len(part.pairs), part.problems) == (1, [])


def test_s142_names_of_classes(tmp_path):
    """Two spellings of one class name are one class of labelme, and refused as doubles in COCO."""
    for name, label in (("a", NFC), ("b", NFD)):
        _photo(tmp_path / f"in/{name}.png")
        _labelme(tmp_path / "in", name, [(label, "rectangle", [[0, 0], [9, 9]], {})])
    (tmp_path / "in" / "labels.txt").write_text(f"{NFD}\n", encoding="utf-8")
    assert convert_labelme(tmp_path / "in", tmp_path / "out").classes == ["background", NFC]
    _photo(tmp_path / "coco/a.png")
    file = _coco(tmp_path / "coco", [], categories=(NFC, NFD))
    with pytest.raises(InputError, match="occurs twice"):
        convert_coco(file, tmp_path / "coco", tmp_path / "other")


def test_s142_two_files_of_one_name(tmp_path):
    """Two images whose names differ in this alone would share a mask, so the second is refused by name."""
    _photo(tmp_path / "coco" / f"{NFC}.png")
    _photo(tmp_path / "coco" / f"{NFD}.png")
    file = _coco(tmp_path / "coco", [], [f"{NFC}.png", f"{NFD}.png"])
    with pytest.raises(InputError, match=r"image 2: .*two images would share the mask .*--skip double"):
        convert_coco(file, tmp_path / "coco", tmp_path / "out")


def test_s143_coco_tells_what_is_on_top(tmp_path, capfd):
    """`data convert` tells the share of pixels that objects of different classes share, and which class is on top."""
    small, outside = [0, 0, 0, 5, 10, 5, 10, 0], [40, 40, 40, 50, 50, 50, 50, 40]
    objects = [(1, 2, small, {}), (1, 1, SQUARE, {}), (1, 1, outside, {})]
    _photo(tmp_path / "a.png")
    file = _coco(tmp_path, objects)
    code, out, _ = command(capfd, "data", "convert", file, "--out", tmp_path / "out")
    assert code == 0
    assert "objects of different classes share 50.00% of the objects' pixels" in out
    assert "the smaller object is on top (dog over cat, 50 pixels)" in out
    assert "objects without a pixel: 1, not in the masks: " in out
    assert "annotation 102 (cat)" in out
    assert (_mask(tmp_path)[:5, :10] == 2).all()


def test_s143_labelme_tells_what_is_hidden(tmp_path):
    """A shape that others cover wholly, and a class of which no pixel is seen, are named."""
    _photo(tmp_path / "in/a.png")
    shapes = [("ant", "rectangle", [[2, 2], [4, 4]], {}), ("bee", "rectangle", [[0, 0], [9, 9]], {})]
    report = convert_labelme(_labelme(tmp_path / "in", "a", shapes), tmp_path / "out")
    assert (report.overlaps.contested, report.overlaps.over) == (4, {(2, 1): 4})
    assert len(report.overlaps.hidden) == 1
    text = str(report)
    assert "objects wholly under others: 1, not seen in the masks" in text
    assert "shape 1 (ant)" in text
    assert "the later shape is on top (bee over ant, 4 pixels)" in text
    assert "classes without a pixel: 1, a model cannot learn them: ant" in text


def test_s143_one_class_over_itself_is_no_overlap(tmp_path):
    """Objects of one class that overlap change no mask and are not counted."""
    _photo(tmp_path / "a.png")
    file = _coco(tmp_path, [(1, 1, SQUARE, {}), (1, 1, SQUARE, {})])
    report = convert_coco(file, tmp_path, tmp_path / "out")
    assert (report.overlaps.object_pixels, report.overlap_share) == (100, 0)


@pytest.mark.parametrize("flag", [1, True, "1"])
def test_s144_all_crowd(tmp_path, flag):
    """The number of crowd regions is told, and the classes that have nothing else."""
    _photo(tmp_path / "a.png")
    objects = [
        (1, 1, SQUARE, {"iscrowd": flag}),
        (1, 1, SQUARE, {"iscrowd": flag}),
        (1, 2, SQUARE, {"iscrowd": "0"}),
    ]
    report = convert_coco(_coco(tmp_path, objects), tmp_path, tmp_path / "out")
    assert "crowd regions: 2 of 3 objects (iscrowd 1)" in str(report)
    assert "nothing but crowd regions: cat" in str(report)
    assert (_mask(tmp_path)[:10, :10] == 2).all()


def test_s145_labelme(tmp_path, capfd):
    """A refusal ends with the `--skip` that leaves out what cannot be drawn; then it is counted and named."""
    _photo(tmp_path / "in/a.png")
    shapes = [
        ("ant", "rectangle", [[0, 0], [9, 9]], {}),
        ("ant", "point", [[3, 3]], {}),
        ("ant", "line", [[3, 3], [5, 5]], {}),
        ("ant", "star", [[3, 3], [5, 5]], {}),
        ("ant", "cuboid", [[3, 3]] * 8, {}),
        ("ant", "polygon", [[3, 3]], {}),
        ("", "polygon", [[3, 3]], {}),
    ]
    words = ("data", "convert", _labelme(tmp_path / "in", "a", shapes), "--out", tmp_path / "out")
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
    assert (_mask(tmp_path) == 1).sum() == 81


def test_s145_coco(tmp_path, capfd):
    """The same holds for COCO: objects without a shape, of unlisted categories or images, and damaged images."""
    _photo(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"not an image")
    objects = [
        (1, 1, SQUARE, {}),
        (1, 1, SQUARE, {"segmentation": []}),
        (7, 1, SQUARE, {}),
        ([1], 1, SQUARE, {}),
        (1, 9, SQUARE, {}),
        (2, 1, SQUARE, {}),
    ]
    words = ("data", "convert", _coco(tmp_path, objects, ["a.png", "b.png"]), "--out", tmp_path / "out")
    line = refusal(capfd, *words)
    assert line.endswith("to convert the rest: --skip broken,unlisted,unreadable")
    assert line.count("b.png") == 1
    code, out, _ = command(capfd, *words, "--skip", "broken,unlisted,unreadable")
    assert code == 0
    assert "1 image, 1 object," in out
    assert "1 broken, 3 unlisted, 1 unreadable" in out


def test_s145_what_may_be_skipped(tmp_path, capfd):
    """An unknown word behind `--skip` is refused with those that are known."""
    _photo(tmp_path / "a.png")
    file = _coco(tmp_path, [(1, 1, SQUARE, {})])
    line = refusal(capfd, "data", "convert", file, "--out", tmp_path / "out", "--skip", "points,lines")
    assert "--skip lines: expected some of broken, point" in line


@pytest.mark.parametrize("kind", ["rectangle", "rotation", "oriented_rectangle", "quadrilateral"])
def test_s146_four_corners(tmp_path, kind):
    """Four corners are drawn exactly as the polygon through them, whatever the type is called."""
    turned = [[8.2, 1.1], [14.6, 7.4], [8.3, 13.9], [1.7, 7.5]]
    straight = [[2, 3], [9, 3], [9, 12], [2, 12]]
    for name, corners in (("a", turned), ("b", straight)):
        _photo(tmp_path / f"in/{name}.png")
        _labelme(tmp_path / "in", name, [("ant", kind, corners, {"direction": 0.8})])
    convert_labelme(tmp_path / "in", tmp_path / "out")
    expected = polygon_mask(np.ravel(turned).tolist(), (16, 16))
    assert ((_mask(tmp_path) == 1) == expected).all()
    assert expected.sum() == pytest.approx(83, abs=4)  # sides of 9.0 and 9.2 pixels
    drawn = np.zeros((16, 16))
    drawn[3:12, 2:9] = 1
    assert (_mask(tmp_path, "b") == drawn).all()


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
    _photo(tmp_path / "in/a.png")
    with pytest.raises(InputError, match=reason):
        convert_labelme(_labelme(tmp_path / "in", "a", [("ant", kind, points, {})]), tmp_path / "out")


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_s146_masks_inside_the_json(tmp_path, mode):
    """A shape of type mask is the PNG that the file holds, in any mode, put at its first point."""
    png = io.BytesIO()
    Image.fromarray(np.array([[1, 0], [1, 1]], np.uint8) * (255 if mode != "P" else 1)).convert(mode).save(
        png, "PNG"
    )
    mask = base64.b64encode(png.getvalue()).decode()
    _photo(tmp_path / "in/a.png")
    shapes = [("ant", "mask", [[4, 5], [5, 6]], {"mask": mask})]
    convert_labelme(_labelme(tmp_path / "in", "a", shapes), tmp_path / "out")
    assert np.argwhere(_mask(tmp_path)).tolist() == [[5, 4], [6, 4], [6, 5]]


def test_s147_links_are_followed(tmp_path):
    """Linked folders and files count, under the names that the links have; a link to a folder above ends there."""
    shapes = [("ant", "rectangle", [[0, 0], [9, 9]], {})]
    for name in ("a", "b"):
        _photo(tmp_path / f"store/{name}.png")
        _labelme(tmp_path / "store", name, shapes)
    (tmp_path / "in/sub").mkdir(parents=True)
    os.symlink(tmp_path / "store", tmp_path / "in/linked")
    os.symlink(tmp_path / "in", tmp_path / "in/sub/loop")
    for name in ("blob1.json", "blob1.png"):
        os.symlink(tmp_path / "store" / name.replace("blob1", "a"), tmp_path / "in/sub" / name)
    content = json.loads((tmp_path / "store/a.json").read_text())
    (tmp_path / "in/sub/blob1.json").unlink()
    (tmp_path / "store/moved").write_text(json.dumps({**content, "imagePath": "blob1.png"}))
    os.symlink(tmp_path / "store/moved", tmp_path / "in/sub/blob1.json")
    assert convert_labelme(tmp_path / "in", tmp_path / "out").pictures == 3
    found = sorted(
        p.relative_to(tmp_path / "out/masks").as_posix() for p in (tmp_path / "out/masks").rglob("*.png")
    )
    assert found == ["linked/a.png", "linked/b.png", "sub/blob1.png"]


def test_s147_a_link_to_nothing(tmp_path):
    """A link whose file is gone is named as such, and does not vanish from the data."""
    _photo(tmp_path / "in/a.png")
    _labelme(tmp_path / "in", "a", [])
    os.symlink(tmp_path / "gone.json", tmp_path / "in/b.json")
    with pytest.raises(InputError, match=r"b\.json: cannot be read .*--skip unreadable"):
        convert_labelme(tmp_path / "in", tmp_path / "out")
    assert convert_labelme(tmp_path / "in", tmp_path / "out", skip={"unreadable"}).pictures == 1


def test_s148_coco(tmp_path, capfd):
    """Each is told by name: a missing file with a similar one, a second listing, both sizes, a turn by EXIF."""
    _photo(tmp_path / "a.png")
    _photo(tmp_path / "sub/b.JPG")
    _photo(tmp_path / "c.png", size=(8, 12))
    _photo(tmp_path / "spare.png")
    names = ["a.png", "b.jpg", "c.png", "a.png"]
    file = _coco(tmp_path, [(n, 1, SQUARE, {}) for n in (1, 2, 3, 4)], names)
    content = json.loads(file.read_text())
    content["images"][2] |= {"height": 12, "width": 8}
    file.write_text(json.dumps(content))
    words = ("data", "convert", file, "--out", tmp_path / "out")
    line = refusal(capfd, *words)
    assert f"{tmp_path / 'b.jpg'}: there is no such image, named by {file} (image 2)" in line
    assert f"(there is {tmp_path / 'sub/b.JPG'})" in line
    assert "c.png: shows 12x8 pixels (width x height)" in line
    assert "says 8x12; the objects seem to be drawn on the image before it is turned by its EXIF tag" in line
    assert "image 4: a.png and a.png: two images would share" in line
    assert not (tmp_path / "out").exists()
    code, out, _ = command(capfd, *words, "--skip", "double,missing,size")
    assert code == 0
    assert "1 double, 1 missing, 1 size" in out
    assert f"images without an annotation: 1, not converted: {tmp_path / 'spare.png'}" in out


def test_s148_labelme(tmp_path):
    """The same for labelme: two files that annotate one image would give it two masks."""
    shapes = [("ant", "rectangle", [[0, 0], [9, 9]], {})]
    _photo(tmp_path / "in/a.png")
    _photo(tmp_path / "in/bare.png")
    _labelme(tmp_path / "in", "a", shapes)
    _labelme(tmp_path / "in", "a_copy", shapes, image="a.png")
    _labelme(tmp_path / "in", "gone", shapes)
    _labelme(tmp_path / "in", "bare", [])
    with pytest.raises(InputError) as caught:
        convert_labelme(tmp_path / "in", tmp_path / "out")
    assert "a_copy.json: annotates" in str(caught.value)
    assert "gone.png: there is no such image" in str(caught.value)
    report = convert_labelme(tmp_path / "in", tmp_path / "out", skip={"double", "missing"})
    assert report.left_out_kinds == {"double": 1, "missing": 1}
    assert "images without an object: 1, every pixel has one and the same value: bare.png" in str(report)


def test_s148_paths_of_another_machine(tmp_path):
    """An absolute path of another machine in labelme's `imagePath` finds the image beside the file."""
    shapes = [("ant", "rectangle", [[0, 0], [9, 9]], {})]
    for name, image in (
        ("a", r"C:\photos\a.png"),
        ("b", "/home/somebody/b.png"),
        ("c", "../elsewhere/c.png"),
    ):
        _photo(tmp_path / f"in/{name}.png")
        _labelme(tmp_path / "in", name, shapes, image=image)
    assert convert_labelme(tmp_path / "in", tmp_path / "out").pictures == 3


def test_s149_boxes_alone(tmp_path):
    """A JSON for detection is refused in one line, not once for each object."""
    _photo(tmp_path / "a.png")
    objects = [(1, 1, SQUARE, {"segmentation": [], "bbox": [0, 0, 5, 5]})] * 3
    with pytest.raises(InputError, match="its 3 objects are boxes without a segmentation") as caught:
        convert_coco(_coco(tmp_path, objects), tmp_path, tmp_path / "out")
    assert "annotation" not in str(caught.value)
