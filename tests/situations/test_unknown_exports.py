"""Exports of labelling tools that are empty, written by hand, or only a part of what belongs together."""

import json

import numpy as np
import pytest
from PIL import Image

from .making import command, refusal

HEADING = "Exports of labelling tools"
TITLES = {
    371: "Label files without an object come first",
    372: "Label files that a program of one's own wrote",
    373: "A part of an export in place of the whole",
    374: "A class list that does not go with the labels",
}


def _image(file):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(file)
    return file


def _yolo(root, text, names="names: [cat, dog]\n"):
    _image(root / "images" / "train" / "z.png")
    (root / "labels" / "train").mkdir(parents=True)
    (root / "labels" / "train" / "z.txt").write_bytes(text.encode())
    (root / "data.yaml").write_text(names)
    return root


def test_s371_images_without_an_object_first(tmp_path, capfd):
    """A YOLO folder whose first sixty label files are empty, or all of them, is one of YOLO; Label Studio's tasks that
    nobody annotated, and a project of VIA without a region, are told as that."""
    root = _yolo(tmp_path / "yolo", "1 0.5 0.5 0.5 0.5\n")
    for number in range(60):
        _image(root / "images" / "train" / f"a{number}.png")
        (root / "labels" / "train" / f"a{number}.txt").touch()
    code, out, _ = command(capfd, "data", "convert", root, "--out", tmp_path / "many")
    assert code == 0
    assert "61 images, 1 object" in out
    code, out, _ = command(
        capfd, "data", "convert", _yolo(tmp_path / "empty", ""), "--out", tmp_path / "none"
    )
    assert code == 0
    assert "classes without a pixel: 2, a model cannot learn them: cat, dog" in out

    tasks = [{"id": 1, "data": {"image": "a.png"}, "annotations": []}]
    (_image(tmp_path / "studio" / "a.png").parent / "export.json").write_text(json.dumps(tasks))
    line = refusal(capfd, "data", "convert", tmp_path / "studio", "--out", tmp_path / "out")
    assert line.endswith("studio: no image to convert; tasks without an annotation: 1, not converted")
    project = {"a.png1": {"filename": "a.png", "size": 1, "regions": [], "file_attributes": {}}}
    (_image(tmp_path / "via" / "a.png").parent / "via.json").write_text(json.dumps(project))
    code, out, _ = command(capfd, "data", "convert", tmp_path / "via", "--out", tmp_path / "bare")
    assert code == 0
    assert "images without an object: 1" in out


@pytest.mark.parametrize(
    "text", ["1.0 0.5 0.5 0.5 0.5", "1.000e+00 5e-1 5e-1 5e-1 5e-1", "\ufeff1 .5 .5 .5 .5\r\n"]
)
def test_s372_numbers_as_programs_write_them(tmp_path, capfd, text):
    """A class written as 1.0 or 1.00e+00, as tables of numbers have it, is class 1; so it is behind a byte order
    mark."""
    root = _yolo(tmp_path / "yolo", text)
    assert command(capfd, "data", "convert", root, "--out", tmp_path / "out")[0] == 0
    mask = np.asarray(Image.open(tmp_path / "out" / "masks" / "z.png"))
    assert np.unique(mask).tolist() == [0, 2]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (
            "-1 0.5 0.5 0.2 0.2",
            "line 1: begins with '-1', expected the number of a class, so it has no label",
        ),
        ("0,0.5,0.5,0.2,0.2", "line 1: begins with '0,0.5,0.5,0.2,0.2', expected the number of a class"),
        ("0.5 0.5 0.5 0.2 0.2", "line 1: begins with '0.5', expected the number of a class"),
        ("0 nan 0.5 0.2 0.2", "line 1 (cat): the coordinate 'nan', expected a number"),
    ],
)
def test_s372_lines_that_mean_nothing(tmp_path, capfd, text, what):
    """A line that cannot be understood is named with file and number, not the folder as one of another tool."""
    line = refusal(capfd, "data", "convert", _yolo(tmp_path / "yolo", text), "--out", tmp_path / "out")
    assert f"z.txt: {what}" in line


def test_s373_a_part_in_place_of_the_whole(tmp_path, capfd):
    """The folder of labels, the folder of images, or an image, given instead of the export: the line says what is
    missing and which folder has it."""
    root = _yolo(tmp_path / "yolo", "1 0.5 0.5 0.5 0.5\n")
    words = ["--out", tmp_path / "out"]
    line = refusal(capfd, "data", "convert", root / "labels", *words)
    assert line.endswith("labels: holds no image; give the folder that has both images and labels in it")
    line = refusal(capfd, "data", "convert", root / "images", *words)
    assert "images: holds no annotations of a tool that is known (COCO, CVAT, Label Studio, " in line
    assert line.endswith(f"; {root} does, as a whole (YOLO)")
    line = refusal(capfd, "data", "convert", root / "images" / "train" / "z.png", *words)
    assert "z.png: is an image, expected annotations (" in line


def test_s374_lists_that_do_not_go_with_the_labels(tmp_path, capfd):
    """Another number of names than the file states, a label in another case, and an attribute that no region has are
    named, with what there is."""
    root = _yolo(tmp_path / "yolo", "1 0.5 0.5 0.5 0.5\n", "nc: 3\nnames: [cat, dog]\n")
    line = refusal(capfd, "data", "convert", root, "--out", tmp_path / "out")
    assert line.endswith("data.yaml: says nc 3, but names has 2 names")
    cvat = (
        "<annotations><meta><task><labels><label><name>cat</name></label></labels></task></meta>"
        '<image id="0" name="a.png" width="40" height="30">'
        '<box label="Cat" xtl="1" ytl="2" xbr="9" ybr="9"/></image></annotations>'
    )
    (_image(tmp_path / "cvat" / "a.png").parent / "annotations.xml").write_text(cvat)
    line = refusal(capfd, "data", "convert", tmp_path / "cvat", "--out", tmp_path / "out")
    assert "the label 'Cat' is not in" in line
    assert "; did you mean 'cat'?" in line
    region = {
        "shape_attributes": {"name": "rect", "x": 1, "y": 2, "width": 8, "height": 9},
        "region_attributes": {"kind": "cat", "size": "big"},
    }
    project = {"a.png1": {"filename": "a.png", "size": 1, "regions": [region], "file_attributes": {}}}
    (_image(tmp_path / "via" / "a.png").parent / "via.json").write_text(json.dumps(project))
    line = refusal(
        capfd, "data", "convert", tmp_path / "via", "--out", tmp_path / "out", "--label-key", "colour"
    )
    assert line.endswith("--label-key colour: no region has it, but kind, size")
