"""Twelve images with objects of two classes as a new user has them: checked, trained on, measured and applied."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from tiny import TINY_FLAGS
from vit_adapter.cli.main import main

pytestmark = [pytest.mark.cli, pytest.mark.slow]

SIDE = 64
SMALL = [
    *TINY_FLAGS[:-2], "--model.head", "mask2former", "--model.head.queries", "7", "--model.head.channels", "32",
    "--model.head.heads", "4", "--model.head.encoder_layers", "1", "--model.head.decoder_layers", "3",
    "--model.head.encoder_feedforward", "48", "--model.head.decoder_feedforward", "64",
    "--model.head.loss_points", "64", "--data.augmentation.crop", "64", "--data.workers", "0",
    "--training.batch_size", "2", "--training.steps", "2", "--quiet",
]  # fmt: skip


def make_folder(root):
    """images, masks (0 nothing, 1 nucleus, 2 fibre) and instances: numbers beyond a byte, as labelling tools count."""
    for name in ("images", "masks", "instances"):
        (root / name).mkdir(parents=True)
    for number in range(12):
        draws = np.random.default_rng(number)
        image = draws.integers(0, 60, (SIDE, SIDE, 3), np.uint8)
        classes, objects = np.zeros((SIDE, SIDE), np.uint8), np.zeros((SIDE, SIDE), np.uint16)
        for index, (top, left, height, width) in enumerate(((6, 6, 12, 12), (6, 36, 14, 12), (40, 4, 5, 40))):
            top, left = top + draws.integers(0, 4), left + draws.integers(0, 4)
            place = np.s_[top : top + height, left : left + width]
            value = 2 if height < 10 else 1
            image[place], classes[place] = (40, 200, 40) if value == 2 else (60, 60, 240), value
            objects[place] = 300 * (index + 1) + number
        Image.fromarray(image).save(root / "images" / f"cell {number}.png")
        Image.fromarray(classes).save(root / "masks" / f"cell {number}.png")
        Image.fromarray(objects).save(root / "instances" / f"cell {number}.png")
    (root / "classes.txt").write_text("background\nnucleus\nfibre\n")
    return root


def test_a_folder_of_masks_and_object_numbers(tmp_path, capsys):
    data, run, found = make_folder(tmp_path / "my cells"), tmp_path / "run", tmp_path / "found"
    assert main(["data", "check", str(data), "--sheet", str(tmp_path / "sheet.png")]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "everything fits" in told
    assert "objects of in train in val crowds" in told
    sheet = Image.open(tmp_path / "sheet.png")
    assert sheet.width >= 2 * SIDE

    words = ["train", "--data.root", str(data), "--task", "instance", "--out", str(run), *SMALL]
    assert main(words) == 0
    stored = json.loads((run / "best" / "config.json").read_text())
    assert stored["task"] == "instance"
    assert stored["classes"]["names"] == ["nucleus", "fibre"]
    scores = tmp_path / "scores"
    assert main(["eval", str(run), "--data.root", str(data), "--out", str(scores), "--quiet"]) == 0
    assert json.loads((scores / "metrics.json").read_text())["AP"] is not None

    image = data / "images" / "cell 3.png"
    words = ["predict", str(run), str(image), "--out", str(found), "--score-threshold", "0", "--summary"]
    assert main([*words, "--quiet"]) == 0
    table = json.loads((found / "cell 3_objects.json").read_text())
    assert [(one["id"], one["name"]) for one in table["categories"]] == [(1, "nucleus"), (2, "fibre")]
    with (found / "objects.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(table["annotations"])
    assert {row["class"] for row in rows} <= {"nucleus", "fibre"}
    assert np.asarray(Image.open(found / "cell 3_objects.png")).shape == (SIDE, SIDE)
