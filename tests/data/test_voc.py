"""Pascal VOC's XML as labelling tools write it."""

import numpy as np
import pytest
from converting import converted
from folders import save_image

from vit_adapter.cli.main import main
from vit_adapter.config import DataConfig, InputError
from vit_adapter.data.conversion import convert
from vit_adapter.data.dataset import open_dataset

SIZE = (40, 60)


def bounding_box(name, corners, more=""):
    sides = "".join(
        f"<{key}>{value}</{key}>" for key, value in zip(("xmin", "ymin", "xmax", "ymax"), corners)
    )
    return f"<object><name>{name}</name>{more}<bndbox>{sides}</bndbox></object>"


def save_voc(file, objects, filename=None, size=SIZE):
    filename = f"{file.stem}.jpg" if filename is None else filename
    lengths = f"<size><width>{size[1]}</width><height>{size[0]}</height><depth>3</depth></size>"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        f"<annotation><folder>x</folder><filename>{filename}</filename>{lengths}{objects}</annotation>"
    )
    return file


def test_boxes_count_pixels_from_one_with_both_ends(tmp_path):
    save_image(tmp_path / "set/JPEGImages/a.jpg", size=SIZE)
    objects = bounding_box("dog", (1, 1, 10, 20)) + bounding_box("cat", (5, 3, 5, 3))
    save_voc(tmp_path / "set/Annotations/a.xml", objects)
    save_image(tmp_path / "set/JPEGImages/b.jpg", size=SIZE)
    save_voc(tmp_path / "set/Annotations/b.xml", objects)
    mask, numbers, report = converted(tmp_path / "set", tmp_path / "out")
    expected = np.zeros(SIZE, int)
    expected[0:20, 0:10] = 2
    expected[2, 4] = 1
    assert (mask == expected).all()
    assert len(np.unique(numbers)) == 3
    assert report.classes == ["background", "cat", "dog"]
    config = DataConfig(root=str(tmp_path / "out"), layout="coco_instances")
    instances = open_dataset(config, "train", task="detection").read(0).annotation.instances
    assert sorted(instances.boxes.tolist()) == [[0, 0, 10, 20], [4, 2, 5, 3]]


def test_difficult_objects_count_neither_way(tmp_path):
    save_image(tmp_path / "set/a.jpg", size=SIZE)
    save_image(tmp_path / "set/b.jpg", size=SIZE)
    hard = bounding_box("dog", (11, 11, 20, 20), "<difficult>1</difficult>")
    easy = bounding_box("dog", (31, 11, 40, 20), "<difficult>0</difficult>")
    for name in "ab":
        save_voc(tmp_path / f"set/{name}.xml", hard + easy)
    report = convert(tmp_path / "set", tmp_path / "out")
    assert any("marked as difficult: 2, which count neither way" in line for line in report.remarks)
    config = DataConfig(root=str(tmp_path / "out"), layout="coco_instances")
    instances = open_dataset(config, "train", task="detection").read(0).annotation.instances
    assert sorted(zip(instances.boxes[:, 0].tolist(), instances.crowd.tolist())) == [(10, True), (30, False)]


def test_outlines_and_parts_as_roboflow_exports_them(tmp_path):
    """Images and XML side by side in train, valid and test; outlines beside the boxes."""
    corners = ((1, 1), (21, 1), (21, 11), (1, 11))
    text = "".join(f"<x{n}>{x}</x{n}><y{n}>{y}</y{n}>" for n, (x, y) in enumerate(corners, start=1))
    objects = bounding_box("leaf", (1, 1, 21, 11), f"<polygon>{text}</polygon>")
    for part in ("train", "valid", "test"):
        for name in ("a", "b"):
            save_image(tmp_path / f"set/{part}/{name}.jpg", size=SIZE)
            save_voc(tmp_path / f"set/{part}/{name}.xml", objects)
    mask, _, report = converted(tmp_path / "set", tmp_path / "out", "val:a")
    expected = np.zeros(SIZE, int)
    expected[1:11, 1:21] = 1
    assert (mask == expected).all()
    assert dict(report.parts) == {"train": 2, "val": 2, "test": 2}


def test_lists_of_the_development_kit_are_parts(tmp_path):
    for name in ("a", "b", "c"):
        save_image(tmp_path / f"set/JPEGImages/{name}.jpg", size=SIZE)
        save_voc(tmp_path / f"set/Annotations/{name}.xml", bounding_box("dog", (1, 1, 9, 9)))
    lists = tmp_path / "set/ImageSets/Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\nb\n")
    (lists / "val.txt").write_text("c\n")
    (lists / "dog_train.txt").write_text("a  1\nb -1\n")
    assert dict(convert(tmp_path / "set", tmp_path / "out").parts) == {"train": 2, "val": 1}


def test_the_image_is_found_by_the_name_of_the_file(tmp_path):
    """Tools leave endings out, or keep the name that the image had elsewhere."""
    save_image(tmp_path / "set/images/a.png", size=SIZE)
    save_voc(tmp_path / "set/labels/a.xml", bounding_box("dog", (1, 1, 9, 9)), "C:\\photos\\IMG_1")
    assert convert(tmp_path / "set", tmp_path / "out").images == 1


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        (bounding_box("dog", (9, 1, 3, 9)), "a box that ends before it begins"),
        (bounding_box("dog", ("x", 1, 3, 9)), "xmin 'x', expected a number"),
        (bounding_box("", (1, 1, 3, 9)), "has no label"),
        ("<object><name>dog</name><robndbox><cx>3</cx></robndbox></object>", "has no bndbox and no polygon"),
    ],
)
def test_what_cannot_be_drawn(tmp_path, objects, message):
    save_image(tmp_path / "set/a.jpg", size=SIZE)
    save_voc(tmp_path / "set/a.xml", objects)
    with pytest.raises(InputError, match=message) as caught:
        convert(tmp_path / "set", tmp_path / "out")
    kind = str(caught.value).rpartition("--skip ")[2]
    assert convert(tmp_path / "set", tmp_path / "out", skip=kind).left_out_kinds == {kind: 1}


def test_data_check_names_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        save_image(tmp_path / f"set/{name}.jpg", size=SIZE)
        save_voc(tmp_path / f"set/{name}.xml", bounding_box("dog", (1, 1, 9, 9)))
    assert main(["data", "check", "set", "--sheet", ""]) == 2
    said = capsys.readouterr()
    line = said.out + said.err
    assert "holds Pascal VOC annotations, no masks" in line
    assert "vit-adapter data convert set --out set_masks" in line
    assert main(["data", "convert", "set", "--out", "set_masks"]) == 0
    assert main(["data", "check", "set_masks", "--sheet", ""]) == 0
