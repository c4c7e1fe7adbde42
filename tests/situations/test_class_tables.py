"""Class tables: which column holds the mask values, and which list counts."""

import json
from dataclasses import replace

import numpy as np
import pytest

from vit_adapter.config import DataConfig, InputError
from vit_adapter.data.check import check_dataset
from vit_adapter.data.class_files import ClassEntry, read_class_file
from vit_adapter.data.dataset import open_dataset

from .making import TRAINING, command, halves, save_pairs

HEADING = "Class tables"
TITLES = {
    121: "Class tables whose id column has another name",
    122: "Several class lists in one data set",
    123: "Colours beside names in a text file",
    124: "A row without an id",
}

ROWS = [(7, "sky"), (0, "road"), (3, "car")]
RIGHT = [ClassEntry(name, number) for number, name in ROWS]


@pytest.mark.parametrize(
    "header",
    [
        "Pixel Value, Class", "pixel_value,class", "PIXEL VALUE,name", "class_id,name", "Class ID,label", "label,name",
        "class,name", "category_id,class_name", "category-id,category", "id,Name", "value,label", "mask value,class",
        "class,label", "#id,classes", "idx,Class Name",
    ],
)  # fmt: skip
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_s121_column_of_mask_values(header, delimiter, tmp_path):
    """A column of pixel values, class ids or category ids is the mask value whatever the order of the rows."""
    first, second = header.split(",")
    lines = [delimiter.join((first, second)), *(delimiter.join(map(str, row)) for row in ROWS)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    assert read_class_file(tmp_path / "t.csv") == RIGHT
    lines = [delimiter.join((second, first)), *(delimiter.join((name, str(i))) for i, name in ROWS)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    assert read_class_file(tmp_path / "t.csv") == RIGHT
    (tmp_path / "t.json").write_text(json.dumps([{first: i, second: name} for i, name in ROWS]))
    assert read_class_file(tmp_path / "t.json") == RIGHT


def test_s121_the_masks_get_the_right_names(tmp_path):
    """Such a table names the values in the masks, not the rows."""
    folder = save_pairs(tmp_path, dict.fromkeys("abc", halves(3, 7)))
    (folder / "classes.csv").write_text("Pixel Value, Class\n7, sky\n0, road\n3, car\n")
    report = check_dataset(DataConfig(root=str(folder)))
    assert {row.name: row.share for row in report.rows} == {"sky": 0.5, "road": 0, "car": 0.5}
    assert {row.name: row.id for row in report.rows} == {"sky": 7, "road": 0, "car": 3}


@pytest.mark.parametrize(
    ("name", "text", "column"),
    [
        ("t.csv", "name,grade\nsky,7\nroad,0\n", "grade"),
        ("t.csv", "code;name\n7;sky\n0;road\n", "code"),
        ("t.csv", ",name\n7,sky\n0,road\n", ""),
        ("t.csv", "id,name,trainId\n7,sky,1\n0,road,0\n", "trainId"),
        ("t.json", '[{"code": 7, "name": "sky"}, {"code": 0, "name": "road"}]', "code"),
        ("t.yaml", "- {code: 7, name: sky}\n- {code: 0, name: road}\n", "code"),
    ],
)
def test_s121_numbers_that_are_not_understood(name, text, column, tmp_path, capfd):
    """A column of whole numbers that is not understood is refused with file and column."""
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=rf"{name}: the column '{column}' holds whole numbers") as caught:
        read_class_file(tmp_path / name)
    assert "\n" not in str(caught.value)
    folder = save_pairs(tmp_path / "data", dict.fromkeys("ab", halves(0, 7)))
    code, _, err = command(
        capfd, "train", "--data.root", folder, "--data.classes", tmp_path / name, *TRAINING
    )
    assert code == 2
    assert f"the column {column!r}" in err


def test_s121_several_columns_of_ids(tmp_path):
    """Two columns of mask values have to agree; other numbers that repeat are left alone."""
    (tmp_path / "t.csv").write_text("id,pixel value,name\n1,7,sky\n0,0,road\n")
    with pytest.raises(InputError, match=r"t\.csv: the columns 'id' and 'pixel value'"):
        read_class_file(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("id,pixel value,name,alpha,share\n7,7,sky,255,0.5\n0,0,road,255,0.25\n")
    assert read_class_file(tmp_path / "t.csv") == RIGHT[:2]
    (tmp_path / "t.csv").write_text(",name,id\n0,sky,7\n1,road,0\n")  # row numbers, as pandas writes them
    assert read_class_file(tmp_path / "t.csv") == RIGHT[:2]
    (tmp_path / "t.json").write_text(
        '[{"id": 7, "name": "sky", "isthing": 0}, {"id": 0, "name": "road", "isthing": 1}]'
    )
    told = [replace(entry, is_thing=thing) for entry, thing in zip(RIGHT[:2], (False, True))]
    assert read_class_file(tmp_path / "t.json") == told


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "name,class,id\nsky,nature,7\nroad,flat,0\n"),
        ("t.csv", "category,label,class,name,class_id\nx,y,z,sky,7\nx,y,w,road,0\n"),
        ("t.json", '{"sky": 7, "road": 0}'),
        ("t.txt", "7: sky\n0: road\n"),
        ("t.txt", "7 sky\n0 road\n"),
        ("t.txt", "7\tsky\n0\troad\n"),
        ("t.txt", "id,name\n7,sky\n0,road\n"),
        ("t.csv", "sky,7\nroad,0\n"),
    ],
)
def test_s121_name_wins(name, text, tmp_path):
    """`name` wins over `class`, `label` and `category`; numbers beside names in a text file are mask values."""
    (tmp_path / name).write_text(text)
    assert read_class_file(tmp_path / name) == RIGHT[:2]


def test_s121_names_that_begin_with_numbers(tmp_path):
    """Names such as `1 euro` and `2 euro` stay whole."""
    (tmp_path / "t.txt").write_text("1 euro\n2 euro\n5 cent\n")
    assert [entry.name for entry in read_class_file(tmp_path / "t.txt")] == ["1 euro", "2 euro", "5 cent"]


def test_s122_two_lists_side_by_side(tmp_path, capfd):
    """`data check` and `train` say which of several lists counts, and whether the other differs."""
    folder = save_pairs(tmp_path, dict.fromkeys("abc", halves(0, 1)))
    (folder / "classes.txt").write_text("road\nsky\n")
    (folder / "classes.csv").write_text("id,name\n1,road\n0,sky\n")
    code, out, _ = command(capfd, "data", "check", folder, "--sheet", "")
    assert code == 0
    assert (
        f"{folder / 'classes.txt'} is the class list; beside it and not used: classes.csv (which differs)"
        in out
    )
    code, out, err = command(
        capfd, "train", "--data.root", folder, *TRAINING, "--training.steps", 2, "--dry-run"
    )
    assert code == 0, err
    assert "not used: classes.csv (which differs)" in " ".join(out.split())
    (folder / "classes.csv").write_text("id,name\n0,road\n1,sky\n")
    _, out, _ = command(capfd, "data", "check", folder, "--sheet", "")
    assert "not used: classes.csv;" in out
    _, out, _ = command(
        capfd, "data", "check", folder, "--sheet", "", "--data.classes", folder / "classes.csv"
    )
    assert "not used" not in out


def split_folder(root):
    for name in ("train", "valid"):
        save_pairs(root / name, dict.fromkeys("ab", halves(7, 0)))
    return root


def test_s122_lists_in_both_parts(tmp_path, capfd):
    """Lists in `train/` and `valid/` that agree are used; those that differ are refused, naming both."""
    folder = split_folder(tmp_path)
    for name in ("train", "valid"):
        (folder / name / "_classes.csv").write_text("Pixel Value, Class\n7, sky\n0, road\n")
    table = open_dataset(DataConfig(root=str(folder)), "train").classes
    assert (table.names, table.ids) == (("sky", "road"), (7, 0))
    (folder / "valid/_classes.csv").write_text("Pixel Value, Class\n0, sky\n7, road\n")
    line = found_errors_or_refusal(capfd, folder)
    assert str(folder / "train/_classes.csv") in line
    assert str(folder / "valid/_classes.csv") in line
    (folder / "valid/_classes.csv").unlink()
    assert open_dataset(DataConfig(root=str(folder)), "val").classes.names == ("sky", "road")


def found_errors_or_refusal(capfd, folder) -> str:
    code, out, err = command(capfd, "data", "check", folder, "--sheet", "")
    assert code == 2
    return out + err


@pytest.mark.parametrize(
    "lines",
    [
        "Sky: (128, 128, 128)\nRoad: (128, 64, 0)", "Sky: 128, 128, 128\nRoad: 128, 64, 0", "Sky #808080\nRoad #804000",
        "Sky: #808080\nRoad: #804000", "Sky 128 128 128\nRoad 128 64 0", "128 128 128\tSky\n128 64 0\tRoad",
        "#808080 Sky\n#804000 Road", "0: Sky (128, 128, 128)\n1: Road (128, 64, 0)",
    ],
)  # fmt: skip
def test_s123_colours_in_lines(lines, tmp_path):
    """`Sky: (128, 128, 128)`, `Sky #808080` and `128 128 128 Sky` are names with colours."""
    (tmp_path / "classes.txt").write_text(lines)
    right = [ClassEntry("Sky", 0, (128, 128, 128)), ClassEntry("Road", 1, (128, 64, 0))]
    assert read_class_file(tmp_path / "classes.txt") == right


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.csv", "name,color\nSky,#808080\nRoad,#804000\n"),
        ("c.csv", 'name, colour\nSky, "(128, 128, 128)"\nRoad, "(128, 64, 0)"\n'),
        ("c.csv", "Sky,#808080\nRoad,#804000\n"),
        ("c.json", '{"Sky": [128, 128, 128], "Road": [128, 64, 0]}'),
        ("c.yaml", "Sky: (128, 128, 128)\nRoad: (128, 64, 0)\n"),
        ("c.yaml", "Sky: '#808080'\nRoad: '#804000'\n"),
    ],
)
def test_s123_colours_in_tables(name, text, tmp_path):
    """So are they in a colour column, and as `{name: colour}` in JSON and YAML; coloured masks are read by them."""
    (tmp_path / name).write_text(text)
    right = [ClassEntry("Sky", 0, (128, 128, 128)), ClassEntry("Road", 1, (128, 64, 0))]
    assert read_class_file(tmp_path / name) == right
    folder = save_pairs(tmp_path / "data", dict.fromkeys("ab", halves((128, 64, 0), (128, 128, 128))))
    data = open_dataset(DataConfig(root=str(folder), classes=str(tmp_path / name)), "train")
    np.testing.assert_array_equal(data.read(0).labels, halves(1, 0))


def test_s124_empty_id(tmp_path, capfd):
    """A row whose id is empty is ignored: it takes no label, and its colour is void."""
    (tmp_path / "c.csv").write_text("id,name,color\n,void,#000000\n5,sky,#808080\n2,road,#804000\n")
    folder = save_pairs(tmp_path / "data", dict.fromkeys("ab", halves((128, 64, 0), (0, 0, 0))))
    data = open_dataset(DataConfig(root=str(folder), classes=str(tmp_path / "c.csv")), "train")
    assert (data.classes.names, data.classes.ids) == (("sky", "road"), (5, 2))
    np.testing.assert_array_equal(data.read(0).labels, halves(1, 255))
    (tmp_path / "c.json").write_text('[{"id": null, "name": "void"}, {"id": 2, "name": "road"}]')
    assert read_class_file(tmp_path / "c.json") == [ClassEntry("void", None), ClassEntry("road", 2)]
    (tmp_path / "c.csv").write_text("id,name\n,void\n,sky\n")
    line = found_errors_or_refusal_of(capfd, folder, tmp_path / "c.csv")
    assert "every id is empty" in line


def found_errors_or_refusal_of(capfd, folder, classes) -> str:
    code, out, err = command(capfd, "data", "check", folder, "--sheet", "", "--data.classes", classes)
    assert code == 2
    return out + err
