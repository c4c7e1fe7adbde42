"""Prediction of many images: bad files among them, and interruptions."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vit_adapter.api import predict
from vit_adapter.config import InputError

from .image_folders import below, save
from .making import BLUE, RED, colour_model, command, halves, save_pairs, varied_model

HEADING = "Prediction of many images"
TITLES = {
    183: "One bad file among many",
    184: "Half a result",
}


@pytest.fixture
def model():
    return colour_model([RED, BLUE])


def test_s183_a_name_too_long_for_its_result(tmp_path, model, capfd):
    """An image whose name leaves no room for `_labels.png` or `_overlay.png` is named with the reason; nothing of it is
    written, and all others are."""
    photos = tmp_path / "photos"
    for stem in ("a", "m" * 241, "m" * 244, "z"):
        save(photos / f"{stem}.png")
    model.save = None
    failures = predict(model, [photos], tmp_path / "out", quiet=True)
    assert [Path(file).stem for file, _ in failures] == ["m" * 244]
    assert "a name of 256 bytes, more than the 255 that the file system takes" in failures[0][1]
    assert below(tmp_path / "out") == sorted(
        f"{stem}_{kind}.png" for stem in ("a", "m" * 241, "z") for kind in ("labels", "overlay")
    )


def test_s183_a_folder_in_the_place_of_a_result(tmp_path, model):
    """A folder with the name of a result costs this result alone."""
    photos = save(tmp_path / "photos" / "a.png").parent
    save(photos / "b.png")
    (tmp_path / "out" / "a_overlay.png").mkdir(parents=True)
    failures = predict(model, [photos], tmp_path / "out", quiet=True)
    assert [reason for _, reason in failures] == [
        f"{tmp_path / 'out' / 'a_overlay.png'}: cannot be written: a folder of that name exists"
    ]
    assert below(tmp_path / "out") == ["b_labels.png", "b_overlay.png"]


def test_s183_an_image_that_needs_too_much_memory(tmp_path, model, monkeypatch):
    """An image that does not fit into memory costs this image alone, and so do scores that are not finite."""
    photos = save(tmp_path / "photos" / "a.png").parent
    save(photos / "b.png", size=(64, 32))
    save(photos / "c.png", size=(96, 32))
    segment = model.predict

    def limited(pixels, **settings):
        if pixels.shape[1] == 64:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        if pixels.shape[1] == 96:
            raise InputError("the model gave scores that are not finite")
        return segment(pixels, **settings)

    monkeypatch.setattr(model, "predict", limited)
    failures = predict(model, [photos], tmp_path / "out", overlay=False, quiet=True)
    assert failures[0][1].startswith(f"{photos / 'b.png'}: not enough memory")
    assert failures[1][1] == f"{photos / 'c.png'}: the model gave scores that are not finite"
    assert below(tmp_path / "out") == ["a_labels.png"]


def test_s183_a_folder_that_cannot_be_read(tmp_path, model, monkeypatch, capfd):
    """A sub-folder without the right to read it is named; the images of all others are done. Training refuses it."""
    photos = save(tmp_path / "data" / "images" / "a.png").parent
    save(photos / "open" / "b.png")
    save(photos / "shut" / "c.png")
    scan = os.scandir

    def guarded(place="."):
        if str(place).endswith("shut"):
            raise PermissionError(13, "Permission denied", str(place))
        return scan(place)

    monkeypatch.setattr(os, "scandir", guarded)
    failures = predict(model, photos, tmp_path / "out", overlay=False, quiet=True)
    assert failures == [(str(photos), f"{photos / 'shut'}: cannot be read: permission denied")]
    assert below(tmp_path / "out") == ["a_labels.png", "open/b_labels.png"]
    masks = tmp_path / "data" / "masks"
    for name in ("a.png", "open/b.png"):
        save(masks / name, BLUE)
    code, out, _ = command(capfd, "data", "check", tmp_path / "data", "--sheet", "")
    assert code == 2
    assert f"{photos / 'shut'}: cannot be read: permission denied" in " ".join(out.split())


def test_s183_a_full_disk_ends_the_batch(tmp_path, model, monkeypatch):
    """A full disk is no matter of one image: the batch ends with one line, and nothing half-written stays."""
    photos = save(tmp_path / "photos" / "a.png").parent
    save(photos / "b.png")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(InputError, match="the disk is full"):
        predict(model, [photos], tmp_path / "out", quiet=True)
    assert below(tmp_path / "out") == []


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError, OSError(5, "Input/output error")])
def test_s184_half_a_result(tmp_path, model, monkeypatch, interruption):
    """When the overlay cannot be finished, for whatever reason, there is no label map either, and no temporary file; an
    older result stays whole."""
    photo = save(tmp_path / "photos" / "a.png")
    predict(model, [photo], tmp_path / "old", quiet=True)
    older = {name: (tmp_path / "old" / name).read_bytes() for name in below(tmp_path / "old")}
    write, calls = Image.Image.save, []

    def broken(self, path, **settings):
        calls.append(path)
        write(self, path, **settings)
        if len(calls) % 2 == 0:
            raise interruption

    monkeypatch.setattr(Image.Image, "save", broken)
    for folder in ("out", "old"):
        with pytest.raises((KeyboardInterrupt, RuntimeError, AssertionError)):
            assert predict(colour_model([BLUE, RED]), [photo], tmp_path / folder, quiet=True) == []
    assert below(tmp_path / "out") == []
    assert {name: (tmp_path / "old" / name).read_bytes() for name in below(tmp_path / "old")} == older


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_s184_a_signal_between_two_renames_waits(tmp_path, model, monkeypatch, number):
    """Ctrl-C or SIGTERM while the files of a result take their names wait until all have."""
    photos = save(tmp_path / "photos" / "a.png").parent
    save(photos / "b.png")
    model.save_pretrained = None
    rename = os.replace

    def interrupted(source, target):
        rename(source, target)
        if not received:
            received.append(target)
            signal.raise_signal(number)

    class Ended(BaseException):
        pass

    def end(*_):
        raise Ended

    received = []
    monkeypatch.setattr(os, "replace", interrupted)
    previous = signal.signal(number, end)
    try:
        with pytest.raises(Ended):
            predict(model, [photos], tmp_path / "out", quiet=True)
    finally:
        signal.signal(number, previous)
    assert len(received) == 1
    assert below(tmp_path / "out") == ["a_labels.png", "a_overlay.png"]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_s184_a_signal_ends_the_command_cleanly(tmp_path, number, code):
    """Ctrl-C ends `predict` with exit code 130 and SIGTERM with 143: whole results and nothing half-written."""
    varied_model().save_pretrained(tmp_path / "model")
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    (tmp_path / "photos").mkdir()
    for index in range(400):
        Image.fromarray(noise).save(tmp_path / "photos" / f"{index}.png")
    words = ["predict", "model", "photos", "--out", "out", "--device", "cpu", "--quiet"]
    program = [sys.executable, "-m", "vit_adapter.cli.main", *words]
    process = subprocess.Popen(program, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while len(list((tmp_path / "out").glob("*_labels.png"))) < 3:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Traceback" not in err
    written = below(tmp_path / "out")
    stems = {name.split("_")[0] for name in written}
    assert written == sorted(f"{stem}_{kind}.png" for stem in stems for kind in ("labels", "overlay"))
    assert len(stems) < 400


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_s184_other_commands_end_cleanly(tmp_path, monkeypatch, capfd, number, code):
    """A signal in the middle of `data convert` or `eval` leaves nothing half-written either, and the handler of the
    signal is the one that was there before."""
    from vit_adapter.data.conversion.conversion import FolderWriter
    from vit_adapter.segmenter import Segmenter

    folder = tmp_path / "labelme"
    for name in ("a", "b"):
        save(folder / f"{name}.png")
        shape = {"label": "car", "points": [[2, 2], [20, 2], [20, 20]], "shape_type": "polygon"}
        content = {"shapes": [shape], "imagePath": f"{name}.png", "imageHeight": 32, "imageWidth": 32}
        (folder / f"{name}.json").write_text(json.dumps(content))
    before = signal.getsignal(number)
    add, added = FolderWriter.add, []

    def interrupted(self, *arguments):
        add(self, *arguments)
        added.append(arguments)
        signal.raise_signal(number)

    monkeypatch.setattr(FolderWriter, "add", interrupted)
    listing = below(tmp_path)
    assert command(capfd, "data", "convert", folder, "--out", tmp_path / "out")[0] == code
    assert len(added) == 1
    assert below(tmp_path) == listing
    assert not (tmp_path / "out").exists()

    save_pairs(tmp_path / "data", {name: halves(0, 1) for name in ("p", "q")})
    varied_model(classes=2).save_pretrained(tmp_path / "model")
    monkeypatch.setattr(Segmenter, "predict", lambda *_, **__: signal.raise_signal(number))
    listing = below(tmp_path)
    words = [
        "eval",
        tmp_path / "model",
        "--data.root",
        tmp_path / "data",
        "--out",
        tmp_path / "out",
        "--quiet",
    ]
    code_found, _, err = command(capfd, *words)
    assert code_found == code, err
    assert "Traceback" not in err
    assert below(tmp_path) == listing
    assert signal.getsignal(number) == before
