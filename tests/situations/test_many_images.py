"""Prediction of many images: names, own results, interruptions, whole results."""

import csv
import io
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

from vit_adapter.api import evaluate, predict
from vit_adapter.config import ClassTable, DataConfig, InputError, Protocol
from vit_adapter.config.own_files import read_mark
from vit_adapter.data.dataset import open_dataset

from .making import BLUE, GREEN, RED, colour_model, command, halves, refusal, save_pairs, varied_model

HEADING = "Prediction of many images"
TITLES = {
    181: "Names through links",
    182: "Own results taken as input",
    183: "One bad file among many",
    184: "Half a result",
    185: "A place that cannot be written, found at the end",
    186: "Results that are there already",
    187: "Files of others in the output folder",
    188: "The same name in two folders",
    189: "Areas of classes that do not occur",
    190: "A large image handled whole",
}


def save(path: Path, colour=RED, size=(32, 32)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def below(folder: Path) -> list[str]:
    """Files of a folder and those below it, hidden ones too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def labels_of(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


@pytest.fixture
def model():
    return colour_model([RED, BLUE])


def linked(place: Path, target: Path) -> Path:
    """A link as hub caches, DVC and git-annex make them: to a file whose name is a digest."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(os.path.relpath(target, place.parent))
    return place


def test_s181_results_are_named_after_the_links(tmp_path, model):
    """Results of `a.png -> ../blobs/3f9a` are named `a`, and two links to one file give two results."""
    blob = save(tmp_path / "blobs" / "3f9a.png").rename(tmp_path / "blobs" / "3f9a")
    for name in ("a.png", "b.png"):
        linked(tmp_path / "photos" / name, blob)
    for places in ([tmp_path / "photos"], [tmp_path / "photos" / "a.png", tmp_path / "photos" / "b.png"]):
        out = tmp_path / f"out{len(places)}"
        assert predict(model, places, out, overlay=False, quiet=True) == []
        assert below(out) == ["a_labels.png", "b_labels.png"]


def test_s181_one_image_named_in_two_ways_counts_once(tmp_path, model, monkeypatch):
    """The same file named twice, relative, absolute or by a pattern, counts once."""
    photo = save(tmp_path / "photos" / "a.png")
    monkeypatch.chdir(tmp_path)
    places = [photo, "photos/a.png", "photos/../photos/a.png", "photos", "photos/*.png"]
    assert predict(model, places, "out", overlay=False, quiet=True) == []
    assert below(tmp_path / "out") == ["a_labels.png"]


def test_s181_links_to_folders_and_links_to_nothing(tmp_path, model):
    """Links to folders are followed, but not round and round; a link to a file that is not there is named."""
    save(tmp_path / "elsewhere" / "deep" / "x.png")
    photos = save(tmp_path / "photos" / "a.png").parent
    (photos / "more").symlink_to("../elsewhere")
    (photos / "again").symlink_to(".")
    (photos / "gone.png").symlink_to("../annex/SHA256-12")
    for place in (photos, photos / "**" / "*.png"):
        failures = predict(model, [place], tmp_path / "out", overlay=False, quiet=True)
        assert [file for file, _ in failures] == [str(photos / "gone.png")]
        assert failures[0][1] == f"{photos / 'gone.png'}: a link to ../annex/SHA256-12, which is not there"
        assert below(tmp_path / "out") == ["a_labels.png", "more/deep/x_labels.png"]


def test_s181_data_sets_of_links(tmp_path, capfd):
    """Training pairs, lists, the data check and evaluation's worst images have the names of the links, too."""
    real = save_pairs(tmp_path / "real", {name: halves(0, 1) for name in ("p", "q", "r")})
    root = tmp_path / "data"
    for number, name in enumerate(("p", "q", "r")):
        for kind in ("images", "masks"):
            blob = tmp_path / "blobs" / f"{kind}-3f9a{number}"
            blob.parent.mkdir(exist_ok=True)
            (real / kind / f"{name}.png").rename(blob)
            linked(root / kind / f"{name}.png", blob)
            linked(root / kind / "folder" / f"{name}.png", blob)
    (root / "images" / "loop").symlink_to(".")
    code, out, _ = command(capfd, "data", "check", root, "--sheet", tmp_path / "sheet.png")
    assert code == 0, out
    names = ["folder/p", "folder/q", "folder/r", "p", "q", "r"]
    parts = [open_dataset(DataConfig(root=str(root)), part) for part in ("train", "val")]
    assert sorted(parts[0].names + parts[1].names) == names
    (root / "train.txt").write_text("images/p.png\nimages/folder/q.png\n")
    (root / "val.txt").write_text("images/folder/p.png\n")
    config = DataConfig(root=str(root))
    assert open_dataset(config, "train").names == ["p", "folder/q"]
    evaluate(colour_model([RED, BLUE]), config, out=tmp_path / "measured", quiet=True)
    assert [path.name for path in (tmp_path / "measured" / "worst").iterdir()] == ["01_folder_p.png"]


@pytest.mark.parametrize("place", [".", "results", "deep/down/results"])
def test_s182_own_results_taken_as_input(tmp_path, model, capfd, place):
    """Predicting a folder twice into itself, or into a folder in it, segments the images alone; what was left out is
    counted."""
    photos = save(tmp_path / "photos" / "a.png").parent
    save(photos / "deep" / "b.png")
    arrays = {"scores": True, "palette": "beside"}
    for _ in range(2):
        assert predict(model, [photos], photos / place, summary=True, **arrays) == []
        names = [f"{stem}_{kind}" for stem in ("a", "deep/b") for kind in ("labels", "overlay", "palette")]
        arrays_too = sorted([f"{name}.png" for name in names] + ["a_scores.npy", "deep/b_scores.npy"])
        written = below(photos) if place == "." else below(photos / place)
        assert [name for name in written if "_" in name] == arrays_too
    assert "6 files left out: results of vit-adapter" in capfd.readouterr().out
    with pytest.raises(InputError, match=r"only 1 file that is a result of vit-adapter"):
        predict(model, [photos / place / "a_overlay.png"], tmp_path / "other", quiet=True)


def test_s182_arrays_of_scores(tmp_path):
    """Scores of a model of bands, which takes arrays, are no input either."""
    bands = colour_model([RED, BLUE], Protocol(crop=64, stride=42))
    photos = save(tmp_path / "photos" / "a.png").parent
    predict(bands, [photos], photos, scores=True, quiet=True)
    from vit_adapter.api.prediction_inputs import find_images

    np.save(photos / "measured.npy", np.zeros((4, 4, 5), np.float32))
    found = find_images([photos], channels=5)
    assert [image.path.name for image in found.images] == ["a.png", "measured.npy"]
    assert found.own_results == 3


def test_s182_other_images_that_this_tool_wrote(tmp_path, model):
    """Contact sheets, confusion matrices and worst images in a folder are not taken for photos."""
    root = save_pairs(tmp_path / "data", {name: halves(0, 1) for name in ("p", "q")})
    evaluate(model, DataConfig(root=str(root)), out=root / "images" / "measured", quiet=True)
    written = list((root / "images" / "measured").rglob("*.png"))
    assert len(written) == 2
    assert all(read_mark(path) is not None for path in written)
    assert predict(model, [root / "images"], tmp_path / "out", overlay=False, quiet=True) == []
    assert below(tmp_path / "out") == ["p_labels.png", "q_labels.png"]


def test_s182_own_results_among_training_images(tmp_path, model, capfd):
    """The data check names results among the images as what they are."""
    root = save_pairs(tmp_path / "data", {name: halves(0, 1) for name in ("p", "q")})
    predict(model, root / "images" / "p.png", root / "images", overlay=False, quiet=True)
    code, out, _ = command(capfd, "data", "check", root, "--sheet", "")
    assert code == 2
    text = " ".join(out.split())
    assert f"{root / 'images' / 'p_labels.png'}: is a result of vit-adapter, not an image" in text


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
        f"{tmp_path / 'out' / 'a_overlay.png'}: cannot be written: a folder of that name is there"
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


@pytest.mark.slow
def test_s185_a_place_that_cannot_be_written(tmp_path, capfd, monkeypatch):
    """`--out` below a file, behind a broken link or with a name too long is refused before a model is loaded, data
    are read or anything is made, by every command that has one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("nowhere")
    before = below(tmp_path)
    commands = [
        ["predict", "no-model", "no-image", "--out"],
        ["eval", "no-model", "--data.root", "no-data", "--out"],
        ["train", "--data.root", "no-data", "--out"],
        ["demo", "--out"],
        ["convert", "no-file", "--out"],
        ["convert", "--to-official", "no-folder", "--out"],
        ["data", "convert", "no-file.json", "--out"],
        ["data", "check", "no-data", "--sheet"],
    ]
    for words in commands:
        for place in ("file/x", "file/deep/x", "link/x", "y" * 300, f"new/{'y' * 300}"):
            line = refusal(capfd, *words, place)
            assert place in line, (words, line)
            assert any(text in line for text in ("is a file, expected a folder", "is not there", "300 bytes"))
    assert below(tmp_path) == before
    for words in (*commands[:4], commands[6]):
        line = refusal(capfd, *words, "file")
        assert "file" in line, line
        assert "folder" in line, line
    for words in (commands[5], commands[7]):
        (tmp_path / "folder").mkdir(exist_ok=True)
        assert "a folder of that name is there" in refusal(capfd, *words, "folder")


def test_s185_no_right_to_write(tmp_path, model, monkeypatch):
    """A folder that may not be written is refused before the work, with the system's reason."""
    photo = save(tmp_path / "photos" / "a.png")
    opened = os.open

    def forbidden(path, flags, *mode, **settings):
        if flags & os.O_CREAT and str(path).startswith(str(tmp_path)):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, flags, *mode, **settings)

    monkeypatch.setattr(os, "open", forbidden)
    monkeypatch.setattr(model, "predict", None)
    with pytest.raises(InputError, match=r"--out .*new/out: cannot be written: permission denied"):
        predict(model, [photo], tmp_path / "new" / "out", quiet=True)


def test_s186_only_whole_results_count(tmp_path, model, monkeypatch):
    """`--skip-existing` leaves an image alone when all files of its result are there, made of this image by this model
    with these settings; half a result, another image of the name and another model's result are made anew."""
    photos = save(tmp_path / "photos" / "a.png").parent
    for name, colour in (("b.png", BLUE), ("c.png", RED)):
        save(photos / name, colour)
    out = tmp_path / "out"
    done = []
    segment = model.predict

    def counted(pixels, **settings):
        done.append(tuple(pixels[0, 0].tolist()))
        return segment(pixels, **settings)

    monkeypatch.setattr(model, "predict", counted)

    def again(used=model, **settings):
        done.clear()
        assert predict(used, [photos], out, skip_existing=True, quiet=True, **settings) == []
        return len(done)

    assert again() == 3
    assert again() == 0
    (out / "a_overlay.png").unlink()
    assert again() == 1
    assert again(scores=True) == 3
    assert again(scores=True) == 0
    assert again() == 0  # more than is asked for
    rows = np.asarray(Image.open(photos / "b.png"))
    Image.fromarray(rows[..., ::-1]).save(photos / "b.png", compress_level=0)
    assert again() == 1
    Image.fromarray(rows).save(photos / "b.png", compress_level=0)  # the same name and the same size
    assert again() == 1
    assert (labels_of(out / "b_labels.png") == 1).all()
    assert again(overlay=False, alpha=0.9) == 0
    assert again(alpha=0.9) == 3
    assert again(alpha=0.9, threshold=0.3) == 3
    assert again(ids="contiguous", alpha=0.9, threshold=0.3) == 3
    other = colour_model([BLUE, RED])
    monkeypatch.setattr(other, "predict", other.predict)
    assert predict(other, [photos], out, skip_existing=True, quiet=True) == []
    assert (labels_of(out / "a_labels.png") == 1).all()


def test_s187_files_of_others_are_not_overwritten(tmp_path, model):
    """A file that this tool did not write, such as a mask called `a_labels.png` beside `a.png` or a label map that was
    edited, is never overwritten: the image is named, and with `--skip-existing` left alone."""
    photos = save(tmp_path / "photos" / "a.png").parent
    edited = Image.new("L", (32, 32), 1)
    edited.save(photos / "a_labels.png")
    mine = (photos / "a_labels.png").read_bytes()
    failures = predict(model, [photos / "a.png"], photos, quiet=True)
    assert [reason for _, reason in failures] == [
        f"{photos / 'a_labels.png'}: is there already and is no result of vit-adapter; choose another folder (--out)"
    ]
    assert predict(model, [photos / "a.png"], photos, skip_existing=True, summary=True, quiet=True) == []
    assert (photos / "a_labels.png").read_bytes() == mine
    rows = list(csv.DictReader(io.StringIO((photos / "summary.csv").read_text())))
    assert [(row["class"], row["pixels"]) for row in rows] == [("class 0", "0"), ("class 1", "1024")]
    (photos / "summary.csv").write_text("name,area\n")
    with pytest.raises(InputError, match=r"summary\.csv: is there already and is no summary"):
        predict(model, [photos / "a.png"], tmp_path / "photos", summary=True, quiet=True)


def test_s188_the_same_name_in_two_folders(tmp_path, model, monkeypatch, capfd):
    """Folders are entered and kept in the output; what has the same name in two given folders, or as lines of a list,
    is told apart by the folders."""
    for name, colour in (
        ("one/x.png", RED),
        ("one/s/x.png", BLUE),
        ("two/s/x.png", RED),
        ("two/y.jpg", BLUE),
    ):
        save(tmp_path / name, colour)
    monkeypatch.chdir(tmp_path)
    assert predict(model, ["one"], "first", overlay=False, quiet=True) == []
    assert below(tmp_path / "first") == ["s/x_labels.png", "x_labels.png"]
    assert predict(model, ["one", "two"], "second", overlay=False, quiet=True) == []
    assert below(tmp_path / "second") == [
        "s/one_x_labels.png", "s/two_x_labels.png", "x_labels.png", "y_labels.png",
    ]  # fmt: skip
    assert (labels_of(tmp_path / "second/s/one_x_labels.png") == 1).all()
    assert (labels_of(tmp_path / "second/s/two_x_labels.png") == 0).all()
    assert predict(model, ["o*/**/*.png"], "third", overlay=False, quiet=True) == []
    assert below(tmp_path / "third") == ["one/s/x_labels.png", "one/x_labels.png"]
    for name, text in (
        ("list.txt", "\ufeffone/x.png\r\n\r\none/s/x.png\r\nmissing.png\r\ntwo\r\n".encode()),
        ("list16.txt", "one/x.png\none/s/x.png\nmissing.png\ntwo\n".encode("utf-16")),
    ):
        (tmp_path / name).write_bytes(text)
        failures = predict(model, [], f"out-{name}", list_file=name, overlay=False, quiet=True)
        assert failures == [("missing.png", "missing.png: no such file or folder")]
        assert below(tmp_path / f"out-{name}") == [
            "s/x_labels.png", "s_x_labels.png", "x_labels.png", "y_labels.png",
        ]  # fmt: skip


def test_s189_areas_of_classes_that_do_not_occur(tmp_path, capfd):
    """`summary.csv` has a row for every class of every image, with 0 pixels where it does not occur, so that means over
    images are right; also for images whose result was there already."""
    classes = ClassTable(("road", "sky, blue"), (7, 300))
    model = colour_model([RED, BLUE], classes=classes)
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(halves(RED, BLUE, 32, 64)).save(photos / "half.png")
    save(photos / "s" / "sky.png", BLUE)
    texts = []
    for _ in range(2):
        settings = {"overlay": False, "summary": True, "skip_existing": True, "quiet": True}
        assert predict(model, [photos], tmp_path / "out", **settings) == []
        texts.append((tmp_path / "out" / "summary.csv").read_text())
    assert texts[0] == texts[1]
    rows = [list(row.values()) for row in csv.DictReader(io.StringIO(texts[0]))]
    assert rows == [
        [str(photos / "half.png"), "half_labels.png", "64", "32", "road", "7", "1024", "0.5"],
        [str(photos / "half.png"), "half_labels.png", "64", "32", "sky, blue", "300", "1024", "0.5"],
        [str(photos / "s" / "sky.png"), "s/sky_labels.png", "32", "32", "road", "7", "0", "0"],
        [str(photos / "s" / "sky.png"), "s/sky_labels.png", "32", "32", "sky, blue", "300", "1024", "1"],
    ]


def test_s190_a_large_image_handled_whole(tmp_path, monkeypatch, capfd):
    """A protocol that puts more than four megapixels through the model at once is warned of before it runs, with
    the way out; images within the limit are not."""
    model = colour_model([RED, GREEN], Protocol(mode="whole"))
    photos = save(tmp_path / "photos" / "a.png", size=(64, 64)).parent
    assert predict(model, [photos], tmp_path / "out", overlay=False) == []
    assert capfd.readouterr().err.count("at once") == 0
    for name in ("b.png", "c.png"):
        save(photos / name, size=(2112, 2048))
    assert predict(model, [photos], tmp_path / "out", overlay=False) == []
    out, err = capfd.readouterr()
    assert err.count("at once") == 1
    assert "b.png: 2112x2048 pixels go through the model at once" in err
    assert "--protocol.mode slide" in err
    assert "2 images of more than 4 megapixels handled whole" in out


@pytest.mark.slow
def test_s190_large_images_measured_whole(tmp_path, capfd):
    """Evaluation warns of it, too."""
    masks = {name: np.zeros((2048, 2112), np.uint8) for name in ("p", "q")}
    root = save_pairs(tmp_path / "data", masks)
    mask = halves(0, 1, 2048, 2112)
    Image.fromarray(mask).save(root / "masks" / "p.png")
    model = colour_model([RED, BLUE], Protocol(mode="whole"))
    evaluate(model, DataConfig(root=str(root)), quiet=True)
    err = capfd.readouterr().err
    assert err.count("2112x2048 pixels go through the model at once (protocol.mode whole)") == 1
    evaluate(model, DataConfig(root=str(root)), protocol={"mode": "slide", "crop": 2112}, quiet=True)
    assert "at once" not in capfd.readouterr().err
