"""Class lists in all the forms in which people write them."""

import csv
import json

import pytest

from vit_adapter.config import InputError
from vit_adapter.data.class_files import ClassEntry, read_class_file

TYPED = ["no", "yes", "on", "off", "null", "010", "1e3", "~", "road"]


def _names(path):
    return [entry.name for entry in read_class_file(path)]


def _write(path, content, encoding="utf-8"):
    path.write_bytes(content.encode(encoding))
    return path


class TestNamesAsTyped:
    """S65: nothing that YAML or JSON could read as something else."""

    def test_yaml(self, tmp_path):
        path = _write(tmp_path / "c.yaml", '[no, yes, on, off, null, 010, 1e3, ~, "road "]')
        assert _names(path) == TYPED

    def test_json(self, tmp_path):
        assert _names(_write(tmp_path / "c.json", json.dumps([*TYPED[:-1], "road "]))) == TYPED

    def test_one_name_a_line(self, tmp_path):
        assert _names(_write(tmp_path / "c.txt", "\n".join([*TYPED[:-1], "road "]))) == TYPED

    @pytest.mark.parametrize("item", ["false", "10", "null"])
    def test_json_values_that_are_not_text_are_refused_by_position(self, tmp_path, item):
        path = _write(tmp_path / "c.json", f'["sky", {item}]')
        with pytest.raises(InputError, match=r"c\.json: entry 2 is .*quotes"):
            read_class_file(path)

    @pytest.mark.parametrize(
        ("name", "text"), [("c.txt", "road\nsky\nroad \n"), ("c.yaml", "[road, sky, 'road ']")]
    )
    def test_repeated_names_are_refused_after_trimming(self, tmp_path, name, text):
        with pytest.raises(InputError, match="'road' occurs twice, as entry 1 and as entry 3"):
            read_class_file(_write(tmp_path / name, text))


class TestEncodings:
    """S69: files of Windows editors."""

    @pytest.mark.parametrize(
        ("text", "encoding"),
        [
            ("road\nsky", "utf-8-sig"),
            ("road\r\nsky\r\n", "utf-8"),
            ("road\nsky\n\n", "utf-8"),
            ("road\r\nsky\r\n", "utf-16"),
        ],
    )
    def test_read(self, tmp_path, text, encoding):
        assert _names(_write(tmp_path / "c.txt", text, encoding)) == ["road", "sky"]

    def test_cp1252_is_refused_with_file_and_encoding(self, tmp_path):
        with pytest.raises(InputError, match=r"c\.txt: is not UTF-8 text \(byte 0xDF at position 4.*cp1252"):
            read_class_file(_write(tmp_path / "c.txt", "Straße\nHaus", "cp1252"))

    def test_utf16_without_a_mark_is_refused(self, tmp_path):
        with pytest.raises(InputError, match="UTF-16; save the file as UTF-8"):
            read_class_file(_write(tmp_path / "c.txt", "road\nsky", "utf-16-le"))

    def test_letters_outside_ascii(self, tmp_path):
        assert _names(_write(tmp_path / "c.txt", "Straße\n図\n")) == ["Straße", "図"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.json", '{"0": "road", "7": "sky"}'),
        ("c.yaml", "{0: road, 7: sky}"),
        ("c.yml", '"0": road\n"7": sky\n'),
        ("c.json", '[[0, "road"], [7, "sky"]]'),
        ("c.yaml", "- [0, road]\n- [7, sky]\n"),
        ("c.json", '[{"id": 0, "name": "road"}, {"id": 7, "name": "sky"}]'),
        ("c.yaml", "names:\n  0: road\n  7: sky\n"),
        ("c.csv", "id,name\n0,road\n7,sky\n"),
        ("c.csv", "0;road\n7;sky\n"),
    ],
)
def test_ids_as_text_or_number(tmp_path, name, text):
    """S66: all forms give the same two classes."""
    assert read_class_file(_write(tmp_path / name, text)) == [ClassEntry("road", 0), ClassEntry("sky", 7)]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("c.json", '{"a": "road"}', "entry 1 has the id 'a', expected a whole number"),
        ("c.json", '{"0": "road", "0": "sky"}', "the id 0 occurs twice"),
        ("c.yaml", "{0: road, 0: sky}", "the id 0 occurs twice"),
        ("c.yaml", "{-1: road, 0: sky}", "entry 1 has the id -1, mask values are 0..65535"),
        ("c.csv", "id,name,r,g,b\n0,road,0,0,256\n", "the colour .*256.*expected three numbers 0..255"),
        ("c.csv", "id,name,r,g,b\n0,road\n", "entry 1 has 2 cells"),
        ("c.json", "[", "is not JSON"),
        ("c.yaml", "[a", "is not YAML"),
        ("c.yaml", "road", "expected a list"),
        ("c.txt", "road\n\nsky", "the name of entry 2 is empty"),
        ("c.txt", "\n\n", "holds no class name"),
    ],
)
def test_refusals_name_file_and_entry(tmp_path, name, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read_class_file(_write(tmp_path / name, text))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_cvat_label_map(tmp_path):
    text = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncar:250,50,83::\n"
    assert read_class_file(_write(tmp_path / "labelmap.txt", text)) == [
        ClassEntry("background", 0, (0, 0, 0)),
        ClassEntry("car", 1, (250, 50, 83)),
    ]


def test_labelme_first_line_takes_no_id(tmp_path):
    path = _write(tmp_path / "labels.txt", "__ignore__\n_background_\ncat\n")
    assert read_class_file(path) == [ClassEntry("_background_", 0), ClassEntry("cat", 1)]


def test_hexadecimal_colours(tmp_path):
    path = _write(tmp_path / "c.json", '[{"name": "road", "color": "#804080"}]')
    assert read_class_file(path) == [ClassEntry("road", 0, (128, 64, 128))]


def test_camvid_file(data_root):
    entries = read_class_file(data_root / "camvid" / "classes.csv")
    assert len(entries) == 12
    assert entries[3] == ClassEntry("Road", 3, (128, 64, 128))


def test_ade20k_file(data_root):
    path = data_root / "ade20k" / "ADEChallengeData2016" / "objectInfo150.txt"
    entries = read_class_file(path)
    assert [entry.id for entry in entries] == list(range(1, 151))
    with path.open() as file:
        official = [row["Name"].split(",")[0].strip() for row in csv.DictReader(file, delimiter="\t")]
    assert [entry.name for entry in entries] == official
    assert entries[7].name == "bed"
