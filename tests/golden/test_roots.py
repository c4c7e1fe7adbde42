"""Which records are found, and that nothing is left out in silence."""

import json
import shutil

import pytest
import torch
from safetensors.torch import save_file

from . import areas
from .areas import UnknownArea, find_runner
from .roots import Record, find_records, golden_roots


def write_case(path, area="01_deform_attn", value=0.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"input/x": torch.tensor([value])}, path, {"spec": json.dumps({"area": area})})


def test_the_same_bytes_run_once_and_others_under_a_name_of_their_own(tmp_path):
    name = "01_deform_attn__a.safetensors"
    write_case(tmp_path / "one/cases" / name)
    (tmp_path / "two/cases").mkdir(parents=True)
    shutil.copy(tmp_path / "one/cases" / name, tmp_path / "two/cases" / name)
    write_case(tmp_path / "three/cases" / name, value=1.0)
    records = find_records([tmp_path / "one", tmp_path / "two", tmp_path / "three"])
    assert [record.id for record in records] == [name, name + "#2"]
    assert records[1].path == tmp_path / "three/cases" / name


def test_a_folder_of_tensor_files_counts_as_cases(tmp_path):
    write_case(tmp_path / "05_heads__new.safetensors", area="05_heads")
    write_case(tmp_path / "elsewhere/90_left__out.safetensors", area="90_left")
    (record,) = find_records([tmp_path])
    assert (record.folder, record.area, record.id) == ("cases", "05_heads", "05_heads__new.safetensors")


def test_the_area_is_the_specifications_not_the_file_names(tmp_path):
    write_case(tmp_path / "cases/other_name.safetensors", area="metrics")
    assert find_records([tmp_path])[0].area == "metrics"


def test_a_root_that_does_not_exist_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("VIT_ADAPTER_GOLDEN", str(tmp_path / "mistyped"))
    with pytest.raises(FileNotFoundError, match="mistyped"):
        golden_roots()


def test_an_unknown_area_is_an_error(tmp_path):
    write_case(tmp_path / "cases/99_new__a.safetensors", area="99_new")
    (record,) = find_records([tmp_path])
    with pytest.raises(UnknownArea, match="99_new"):
        find_runner(record)


def test_the_longest_beginning_of_a_name_wins(tmp_path, monkeypatch):
    def general(path): ...

    def special(path): ...

    monkeypatch.setattr(areas, "_runners_of", lambda module: {"": general, "01_deform_attn__core": special})
    for name, expected in {
        "01_deform_attn__core_x.safetensors": special,
        "01_other.safetensors": general,
    }.items():
        record = Record(tmp_path / name, "cases", "01_deform_attn", name)
        assert find_runner(record) is expected
