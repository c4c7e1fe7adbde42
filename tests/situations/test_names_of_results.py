"""Prediction of many images: which they are, and what their results are called."""

import csv
import io

import numpy as np
import pytest
from PIL import Image

from vit_adapter.api import evaluate, predict
from vit_adapter.config import DataConfig, InferenceConfig, InputError
from vit_adapter.config.own_files import read_mark
from vit_adapter.data.dataset import open_dataset

from .image_folders import below, labels_of, linked, save
from .making import BLUE, RED, colour_model, command, halves, save_pairs

HEADING = "Prediction of many images"
TITLES = {
    181: "Names through links",
    182: "Own results taken as input",
    187: "Files of others in the output folder",
    188: "The same name in two folders",
}


@pytest.fixture
def model():
    return colour_model([RED, BLUE])


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
        assert failures[0][1] == f"{photos / 'gone.png'}: a link to ../annex/SHA256-12, which does not exist"
        assert below(tmp_path / "out") == ["a_labels.png", "more/deep/x_labels.png"]


def test_s181_links_to_themselves(tmp_path, model, capfd):
    """A link that leads to itself is named like any other without a file, by `predict` and by the data check."""
    root = save_pairs(tmp_path / "data", {name: halves(0, 1) for name in ("p", "q")})
    loop = root / "images" / "loop.png"
    loop.symlink_to("loop.png")
    failures = predict(model, [root / "images"], tmp_path / "out", overlay=False, quiet=True)
    assert failures == [(str(loop), f"{loop}: a link to loop.png, which does not exist")]
    code, out, _ = command(capfd, "data", "check", root, "--sheet", "")
    assert code == 2
    assert f"{loop}: has no mask" in " ".join(out.split())
    (root / "masks" / "loop.png").symlink_to("loop.png")
    code, out, _ = command(capfd, "data", "check", root, "--sheet", "")
    assert code == 2
    assert "loop.png" in out


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
    bands = colour_model([RED, BLUE], InferenceConfig(crop=64, stride=42))
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
    """Among the images of a data set results are left out as well, and counted: neither a run whose folder lies there
    nor a sheet of `data check` beside images with their masks spoils anything."""
    root = save_pairs(tmp_path / "data", {name: halves(0, 1) for name in ("p", "q")})
    predict(model, root / "images" / "p.png", root / "images", overlay=False, quiet=True)
    evaluate(model, DataConfig(root=str(root)), out=root / "images" / "measured", quiet=True)
    code, out, _ = command(capfd, "data", "check", root, "--sheet", "")
    assert code == 0
    counted = "results of vit-adapter among the images, which are left out: 3, such as"
    assert f"{counted} {root / 'images' / 'measured' / 'confusion.png'}" in " ".join(out.split())
    beside = tmp_path / "beside"
    beside.mkdir()
    for name in ("p", "q"):
        (root / "images" / f"{name}.png").rename(beside / f"{name}.png")
        (root / "masks" / f"{name}.png").rename(beside / f"{name}_mask.png")
    for _ in range(2):
        code, out, _ = command(capfd, "data", "check", beside, "--sheet", beside / "data_check.png")
        assert code == 0
    assert f"which are left out: 1, such as {beside / 'data_check.png'}" in " ".join(out.split())


def test_s182_own_results_among_images_of_yolo(tmp_path, model, capfd):
    """The same where objects stand in texts: a sheet is not counted as an image whose text is missing."""
    root = tmp_path / "yolo"
    for part in ("train", "val"):
        for name in ("p", "q"):
            save(root / "images" / part / f"{name}.png")
        text = root / "labels" / part / "p.txt"
        text.parent.mkdir(parents=True)
        text.write_text("0 0.5 0.5 0.4 0.4\n")
    (root / "data.yaml").write_text("names: [ant]\n")
    sheet = root / "images" / "train" / "data_check.png"
    for _ in range(2):
        code, out, _ = command(capfd, "data", "check", root, "--sheet", sheet)
        assert code == 0
    assert f"which are left out: 1, such as {sheet}" in " ".join(out.split())
    assert "images without a text, which are left out: 2" in " ".join(out.split())


def test_s187_files_of_others_are_not_overwritten(tmp_path, model):
    """A file that this tool did not write, such as a mask called `a_labels.png` beside `a.png` or a label map that was
    edited, is never overwritten: the image is named, and with `--skip-existing` left alone."""
    photos = save(tmp_path / "photos" / "a.png").parent
    edited = Image.new("L", (32, 32), 1)
    edited.save(photos / "a_labels.png")
    mine = (photos / "a_labels.png").read_bytes()
    failures = predict(model, [photos / "a.png"], photos, quiet=True)
    assert [reason for _, reason in failures] == [
        f"{photos / 'a_labels.png'}: exists already and is not a result of vit-adapter; choose another folder (--out)"
    ]
    assert predict(model, [photos / "a.png"], photos, skip_existing=True, summary=True, quiet=True) == []
    assert (photos / "a_labels.png").read_bytes() == mine
    rows = list(csv.DictReader(io.StringIO((photos / "summary.csv").read_text())))
    assert [(row["class"], row["pixels"]) for row in rows] == [("class 0", "0"), ("class 1", "1024")]
    (photos / "summary.csv").write_text("name,area\n")
    with pytest.raises(InputError, match=r"summary\.csv: exists already and is not a summary"):
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
