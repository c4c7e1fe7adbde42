"""What would stop a run late stops it before anything is written."""

import re

import numpy as np
import pytest
from PIL import Image

from vit_adapter import Segmenter
from vit_adapter.config import DataConfig, InputError
from vit_adapter.data import start_check
from vit_adapter.data.dataset import open_dataset
from vit_adapter.data.start_check import LOOKED_AT, check_before_run

from .making import TRAINING, command, halves, refusal, save_pairs, varied_model

HEADING = "Checks before a run"
TITLES = {
    141: "A mask that does not fit, far back in the folder",
    151: "A sample that lacks what the others hold",
}


def _folder(root, training=6, validation=3, side=32):
    for part, count in (("train", training), ("val", validation)):
        masks = {f"{part}{n:03}": halves(0, 1, side, side) for n in range(count)}
        save_pairs(root / part, masks)
    for seed, file in enumerate(sorted(root.glob("*/images/*.png"))):  # no image twice
        noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
        Image.fromarray(noise).save(file)
    (root / "classes.txt").write_text("ground\nroad\n")
    return root


def _break(root, kind, file="val/masks/val002.png"):
    if kind == "size":
        Image.fromarray(halves(0, 1, 32, 40)).save(root / file)
    elif kind == "value":
        Image.fromarray(halves(0, 7, 32, 32)).save(root / file)
    else:
        (root / file).write_bytes(b"not an image")


@pytest.mark.parametrize(
    ("kind", "words"),
    [("size", "40x32 pixels"), ("value", 'ignored_values "[7]"'), ("damage", "not an image but text")],
)
@pytest.mark.parametrize("file", ["train/masks/train004.png", "val/masks/val002.png"])
def test_s141_training_stops_before_the_start(tmp_path, capfd, kind, words, file):
    """Before anything is written, `train` looks at up to 64 images of each part with their masks."""
    root = _folder(tmp_path / "data")
    _break(root, kind, file)
    out = tmp_path / "runs" / "mine"
    line = refusal(capfd, "train", "--data.root", root, *TRAINING, "--out", out, "--training.steps", 2)
    assert file in line
    assert words in line
    assert not out.parent.exists()


def test_s141_evaluation_stops_before_the_start(tmp_path, capfd):
    """`eval` looks at the part that it measures, and at no other."""
    root = _folder(tmp_path / "data")
    varied_model(classes=2).save_pretrained(tmp_path / "model")
    names = Segmenter.from_pretrained(tmp_path / "model").class_names
    (root / "classes.txt").write_text("".join(f"{name}\n" for name in names))
    _break(root, "size")
    words = ("eval", tmp_path / "model", "--data.root", root, "--out", tmp_path / "scores", "--quiet")
    line = refusal(capfd, *words)
    assert "val002.png: 40x32 pixels" in line
    assert not (tmp_path / "scores").exists()
    code, out, _ = command(capfd, *words, "--limit", 2)
    assert code == 0
    assert "checked 2 of 3 validation images" in out


def test_s141_several_errors_are_one_line(tmp_path):
    """Several errors are one line that names the command which lists them all."""
    root = _folder(tmp_path / "data")
    _break(root, "size", "train/masks/train001.png")
    _break(root, "value", "train/masks/train002.png")
    config = DataConfig(root=str(root))
    with pytest.raises(InputError, match=r"and 1 further error; see vit-adapter data check"):
        check_before_run({"train": open_dataset(config, "train")})


def test_s141_large_sets_are_sampled(tmp_path):
    """The number looked at is told, and does not grow with the data."""
    root = _folder(tmp_path / "data", training=LOOKED_AT * 2, validation=2, side=8)
    config = DataConfig(root=str(root))
    lines = check_before_run({part: open_dataset(config, part) for part in ("train", "val")})
    assert re.search(
        rf"checked {LOOKED_AT} of {LOOKED_AT * 2} training and 2 of 2 validation images", lines[0]
    )
    assert "data check" in lines[0]


def test_s141_large_images_take_seconds_too(tmp_path, monkeypatch):
    """Of large images fewer are looked at, spread over both parts."""
    monkeypatch.setattr(start_check, "MEGAPIXELS", 0.02)
    root = _folder(tmp_path / "data", training=40, validation=40)  # 1024 pixels each
    config = DataConfig(root=str(root))
    parts = {part: open_dataset(config, part) for part in ("train", "val")}
    assert "checked 12 of 40 training and 12 of 40 validation images" in check_before_run(parts)[0]


def test_s141_warnings_do_not_stop(tmp_path, capfd):
    """Warnings, such as images on both sides of the split, are printed with the facts about the run."""
    root = _folder(tmp_path / "data")
    for number in range(3):
        data = (root / f"train/images/train{number:03}.png").read_bytes()
        (root / f"val/images/val{number:03}.png").write_bytes(data)
    lines = check_before_run(
        {part: open_dataset(DataConfig(root=str(root)), part) for part in ("train", "val")}
    )
    assert lines[0].endswith("3 warnings")
    assert sum("is the same file as" in line for line in lines) == 3
    code, out, _ = command(capfd, "train", "--data.root", root, *TRAINING, "--training.steps", 2, "--dry-run")
    assert code == 0
    assert "checked 6 of 6 training and 3 of 3 validation images" in out


def test_s141_classes_of_the_sample_are_those_of_the_set(tmp_path):
    """Values are judged by the classes of the whole set, not by those of the sample."""
    root = _folder(tmp_path / "data", training=LOOKED_AT * 2, validation=2, side=8)
    (root / "classes.txt").unlink()
    sampled = {f"train{index * 2:03}.png" for index in range(LOOKED_AT)}
    for file in (root / "train/masks").iterdir():
        value = 0 if file.name in sampled else 1
        Image.fromarray(np.full((8, 8), value, np.uint8)).save(file)
    for file in (root / "val/masks").iterdir():
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(file)
    config = DataConfig(root=str(root))
    lines = check_before_run({part: open_dataset(config, part) for part in ("train", "val")})
    assert "nothing wrong" in lines[0]


@pytest.mark.parametrize("kind", ["one class", "0 and 255", "ignored"])
def test_s151_a_sample_that_lacks_classes(tmp_path, capfd, kind):
    """`data check --sample` finds no error that only holds for the sample, and does not call rare classes absent."""
    root = _folder(tmp_path / "data", training=8, validation=2)
    (root / "classes.txt").unlink()
    first = {"one class": (0, 0), "0 and 255": (0, 255), "ignored": (255, 255)}[kind]
    for number in range(7):
        Image.fromarray(halves(*first, 32, 32)).save(root / f"train/masks/train{number:03}.png")
    Image.fromarray(halves(1, 2, 32, 32)).save(root / "train/masks/train007.png")
    words = ("data", "check", root, "--sheet", "")
    assert command(capfd, *words)[0] == 0
    code, out, _ = command(capfd, *words, "--sample", 1)
    assert code == 0, out
    assert "of the 1 looked at: " in out
    assert "occur nowhere" not in out
