"""Weights files of every form, and what is none."""

import argparse
import collections
import io
import json
import os
import pathlib
import pickle
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from vit_adapter.config import InputError
from vit_adapter.weights.files import read_state_dict

STATE = {"norm.weight": torch.arange(4.0), "blocks.0.bias": torch.ones(2, 3), "count": torch.tensor(7)}


class Own:
    """A type of the user's."""

    def __init__(self):
        self.depth = 12


class OwnMapping(dict):
    """A mapping of the user's."""


class Runs:
    """Runs a command when it is unpickled without care."""

    def __init__(self, function, argument):
        self.function, self.argument = function, argument

    def __reduce__(self):
        return self.function, (self.argument,)


def same(state, expected=STATE):
    return state.keys() == expected.keys() and all(
        torch.equal(state[name], expected[name]) for name in expected
    )


def refused(path) -> str:
    """The message, which is one line that begins with the file."""
    with pytest.raises(InputError) as error:
        read_state_dict(path)
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith(str(path).split("#")[0])
    return text


@pytest.mark.parametrize("name", ["model.safetensors", "model.bin", "model.pth.tar"])
def test_safetensors_by_content(tmp_path, name):
    save_file(STATE, tmp_path / name, metadata={"format": "pt"})
    state, file = read_state_dict(tmp_path / name)
    assert same(state)
    assert (file.kind, file.container, file.values) == ("safetensors", (), {"format": "pt"})


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("name", ["model.pth.tar", "model.zip", "model.safetensors", "model"])
def test_torch_by_content(tmp_path, name, new_format):
    torch.save(STATE, tmp_path / name, _use_new_zipfile_serialization=new_format)
    state, file = read_state_dict(str(tmp_path / name))
    assert same(state)
    assert file.kind == "torch"


@pytest.mark.parametrize(
    "trail", [("state_dict",), ("model",), ("module",), ("net",), ("model", "state_dict")]
)
def test_containers(tmp_path, trail):
    content = STATE
    for entry in reversed(trail):
        content = {entry: content, "epoch": 3}
    torch.save({**content, "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}}}, tmp_path / "a.pth")
    state, file = read_state_dict(tmp_path / "a.pth")
    assert same(state)
    assert file.container == trail
    assert file.values["epoch"] == 3


def test_classes_in_the_metadata(tmp_path):
    meta = {"CLASSES": ("bed ", "wall"), "PALETTE": [[1, 2, 3], [4, 5, 6]], "mmseg_version": "0.20.2"}
    torch.save({"state_dict": STATE, "meta": meta}, tmp_path / "a.pth")
    assert read_state_dict(tmp_path / "a.pth")[1].classes() == (("bed", "wall"), ((1, 2, 3), (4, 5, 6)))
    torch.save(STATE, tmp_path / "b.pth")
    assert read_state_dict(tmp_path / "b.pth")[1].classes() == (None, None)


def test_published_containers_have_an_order(tmp_path):
    torch.save({"model": {"x": torch.zeros(1)}, "state_dict": STATE}, tmp_path / "a.pth")
    state, file = read_state_dict(tmp_path / "a.pth")
    assert same(state)
    assert file.notes == ("the half 'state_dict' of the file was taken, 'model' left out",)


def test_teacher_is_taken(tmp_path):
    torch.save({"student": {"x": torch.zeros(1)}, "teacher": STATE}, tmp_path / "a.pth")
    state, file = read_state_dict(tmp_path / "a.pth")
    assert same(state)
    assert file.notes == ("the half 'teacher' of the file was taken, 'student' left out",)
    assert set(read_state_dict(f"{tmp_path / 'a.pth'}#student")[0]) == {"x"}


def test_two_equally_plausible_halves_are_asked_about(tmp_path):
    torch.save({"model": {"x": torch.zeros(1)}, "model_ema": STATE}, tmp_path / "a.pth")
    text = refused(tmp_path / "a.pth")
    assert "'model', 'model_ema'" in text
    assert "#model" in text
    assert same(read_state_dict(f"{tmp_path / 'a.pth'}#model_ema")[0])
    assert same(read_state_dict(tmp_path / "a.pth", part="model_ema")[0])
    assert "say which one" in refused(f"{tmp_path / 'a.pth'}#generator")
    torch.save({"model": STATE}, tmp_path / "b.pth")
    assert "no entry 'generator'" in refused(f"{tmp_path / 'b.pth'}#generator")


@pytest.mark.parametrize(
    "prefix", ["module.", "model.", "backbone.", "_orig_mod.", "module.model.", "module._orig_mod."]
)
def test_prefixes(tmp_path, prefix):
    torch.save({prefix + name: value for name, value in STATE.items()}, tmp_path / "a.pth")
    state, file = read_state_dict(tmp_path / "a.pth")
    assert same(state)
    assert sorted(file.prefix.split(".")) == sorted(prefix.split("."))


def test_a_compiled_part_inside(tmp_path):
    torch.save({"backbone._orig_mod.x": torch.ones(1), "head.y": torch.ones(1)}, tmp_path / "a.pth")
    assert set(read_state_dict(tmp_path / "a.pth")[0]) == {"backbone.x", "head.y"}


def test_foreign_or_partial_prefixes_stay(tmp_path):
    torch.save({"xyz.a": torch.ones(1), "backbone.b": torch.ones(1)}, tmp_path / "a.pth")
    assert set(read_state_dict(tmp_path / "a.pth")[0]) == {"xyz.a", "backbone.b"}


@pytest.mark.parametrize(
    "value",
    [
        np.float64(0.5),
        np.int64(3),
        np.bool_(True),
        np.arange(3),
        argparse.Namespace(lr=1e-3, path=pathlib.Path("a/b")),
        pathlib.Path("runs/3"),
        pathlib.PureWindowsPath("c:/runs"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("new_format", [True, False])
def test_harmless_metadata(tmp_path, value, new_format):
    content = {"state_dict": STATE, "meta": {"value": value}}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=new_format)
    state, file = read_state_dict(tmp_path / "a.pth")
    assert same(state)
    assert file.notes == ()
    found = file.values["meta"]["value"]
    if isinstance(value, pathlib.PurePath):
        assert pathlib.PurePosixPath(found) == pathlib.PurePosixPath(*value.parts)
    elif isinstance(value, argparse.Namespace):
        assert found.lr == value.lr
    else:
        assert np.array_equal(found, value)


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("kind", [Own, OwnMapping, lambda: collections.defaultdict(list, a=[1])])
def test_objects_of_foreign_types_are_not_built(tmp_path, kind, new_format):
    content = {"state_dict": STATE, "config": kind()}
    if isinstance(content["config"], dict):
        content["config"]["depth"] = 12
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=new_format)
    state, file = read_state_dict(tmp_path / "a.pth")
    assert same(state)
    assert not isinstance(file.values["config"], Own | OwnMapping)
    assert len(file.notes) == 1
    assert type(content["config"]).__name__ in file.notes[0]


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("function", [os.system, eval, os.mkdir])
def test_code_in_a_file_never_runs(tmp_path, function, new_format):
    trap = tmp_path / "trap"
    argument = {os.system: f"mkdir {trap}", os.mkdir: str(trap)}.get(
        function, f"__import__('os').mkdir({str(trap)!r})"
    )
    content = {"state_dict": STATE, "meta": Runs(function, argument)}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=new_format)
    try:
        state, _ = read_state_dict(tmp_path / "a.pth")
        assert same(state)
    except InputError as error:
        assert "could run code" in str(error)  # noqa: PT017 (either outcome is right)
    assert not trap.exists()


def test_a_whole_pickled_model_is_no_state_dict(tmp_path):
    torch.save(Own(), tmp_path / "a.pth")
    assert "test_files.Own" in refused(tmp_path / "a.pth")


def test_plain_pickle(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"x": 1}, protocol=2))
    refused(tmp_path / "a.pkl")


def _zipped(tmp_path, **entries: bytes):
    path = tmp_path / "download.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("__slash__", "/"), content)
    return path


def _torch_bytes(content) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def test_a_zip_with_one_weights_file(tmp_path):
    path = _zipped(
        tmp_path,
        **{
            "readme.txt": b"hello",
            "__MACOSX/._model.pth.tar": b"junk",
            "folder/model.pth.tar": _torch_bytes({"state_dict": STATE}),
        },
    )
    state, file = read_state_dict(path)
    assert same(state)
    assert file.path == f"{path} (model.pth.tar)"
    assert file.container == ("state_dict",)


def test_a_zip_cannot_write_outside_its_folder(tmp_path):
    path = _zipped(tmp_path, **{"../../../evil.pth": _torch_bytes(STATE), "/etc/evil.txt": b"x"})
    before = sorted(tmp_path.parent.rglob("*"))
    assert same(read_state_dict(path)[0])
    assert sorted(tmp_path.parent.rglob("*")) == before


def test_a_zip_with_several_or_none(tmp_path):
    path = _zipped(tmp_path, **{"a.pth": _torch_bytes(STATE), "b.pth": _torch_bytes(STATE)})
    assert "holds 2 weights files, expected one" in refused(path)
    assert "without a weights file" in refused(_zipped(tmp_path, **{"a.txt": b"hello", "b.txt": b"world"}))
    assert "Git LFS pointer" in refused(
        _zipped(tmp_path, **{"a.pth": b"version https://git-lfs.github.com/spec/v1\n"})
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n", "Git LFS pointer"),
        (b"\n<!DOCTYPE html><html></html>", "web page"),
        (b"\xef\xbb\xbf<HTML>", "web page"),
        (b"\x1f\x8b\x08\x00rest of it", "gzip archive"),
        (b"\x93NUMPY\x01\x00", "numpy array"),
        (json.dumps({"model": 1}).encode(), "JSON"),
        (b"\x89PNG\r\n\x1a\n0000", "not a weights file"),
        (b"PK\x03\x04 no archive", "cut off or damaged"),
        (b"\x80\x02}q\x00.", ""),
    ],
)
@pytest.mark.parametrize("name", ["a.safetensors", "a.pth"])
def test_what_is_no_weights_file(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    assert said in refused(tmp_path / name)


@pytest.mark.parametrize("form", ["safetensors", "torch", "old torch", "zip"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_cut_files(tmp_path, form, share):
    path, state = tmp_path / "a", {f"x{i}": torch.randn(50, 50) for i in range(5)}
    if form == "safetensors":
        save_file(state, path)
    elif form == "zip":
        path = _zipped(tmp_path, **{"a.pth": _torch_bytes(state)})
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "torch")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refused(path)


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [1, 2], "text", {"state_dict": {}}])
def test_no_tensors(tmp_path, content):
    torch.save(content, tmp_path / "a.pth")
    refused(tmp_path / "a.pth")


def test_folders_and_missing_files(tmp_path):
    assert "is a folder" in refused(tmp_path)
    assert "no such file" in refused(tmp_path / "absent.pth")


def test_numpy_weights_are_tensors(tmp_path):
    torch.save({name: value.numpy() for name, value in STATE.items()}, tmp_path / "a.pth")
    assert same(read_state_dict(tmp_path / "a.pth")[0])


def test_names_of_entries_decide_nothing_but_what_is_no_weights(tmp_path):
    torch.save({"example_model": STATE, "optimizer": {"momentum": torch.ones(2)}}, tmp_path / "a.pth")
    state, file = read_state_dict(tmp_path / "a.pth")
    assert same(state)
    assert file.container == ("example_model",)
