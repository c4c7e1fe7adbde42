"""What a research engineer stumbled over: words that lead in a circle, and slips that nobody names."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from vit_adapter.config.values import describe
from vit_adapter.training.validation_plan import ValidationPlan

from .annotations import SQUARE
from .making import TINY_FLAGS, command, halves, refusal, save_pairs, varied_model

HEADING = "Words that help"
TITLES = {
    263: "Names in an annotation file that begin further up",
    264: "A dry run of a run that cannot start",
    265: "A settings file that is not there",
    266: "A class that is called void",
    267: "One image, one class, one choice of several",
    381: "A settings file that says nothing, or too much",
    375: "A setting whose name and value are one word",
}


def test_s263_the_folder_above_is_named(tmp_path, capfd):
    """Where a COCO JSON's names hold the folder that `--images` names already, the folder above is proposed."""
    Image.fromarray(np.full((8, 9, 3), 90, np.uint8)).save(_made(tmp_path / "photos" / "train") / "a.png")
    entry = {"id": 1, "file_name": "train/a.png", "height": 8, "width": 9}
    objects = [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [SQUARE]}]
    content = {"images": [entry], "annotations": objects, "categories": [{"id": 1, "name": "cell"}]}
    file = tmp_path / "cells.json"
    file.write_text(json.dumps(content))
    words = ["data", "convert", file, "--out", tmp_path / "out", "--images"]
    line = refusal(capfd, *words, tmp_path / "photos" / "train")
    assert line.endswith(f"begin further up, such as train/a.png: --images {tmp_path / 'photos'}")
    assert command(capfd, *words, tmp_path / "photos")[0] == 0


def test_s264_a_dry_run_tries_the_files(tmp_path, capfd):
    """`--dry-run` says of the files that a run would start from what the run would say: that they are not there, that
    nothing of them fits, or what is taken over."""
    data = save_pairs(tmp_path / "data", {"a": halves(0, 1), "b": halves(1, 0)})
    words = ["train", "--data.root", data, *TINY_FLAGS, "--data.augmentation.crop", "32", "--dry-run"]
    varied_model().save_pretrained(tmp_path / "other")
    code, out, _ = command(capfd, *words, "--init", tmp_path / "other")
    assert code == 0
    assert f"started from {tmp_path / 'other'}: " in " ".join(out.split())
    torch.save({"backbone.vit.cls_token": torch.zeros(1, 1, 7)}, tmp_path / "foreign.pth")
    assert "tensors matched" in refusal(capfd, *words, "--init", tmp_path / "foreign.pth")
    assert "no such file" in refusal(capfd, *words, "--init", tmp_path / "nowhere.pth")
    assert "none.pth: no such file" in refusal(capfd, *words, "--model.vit.pretrained", "none.pth")


def test_s265_a_settings_file_that_is_not_there(tmp_path, capfd):
    """A `--config` that is not there is one line of our own, with a file of a like name."""
    (tmp_path / "settings.yaml").write_text("training: {steps: 3}\n")
    line = refusal(capfd, "train", "--config", tmp_path / "setings.yaml")
    assert line == (
        f"vit-adapter: error: --config {tmp_path / 'setings.yaml'}: there is no such file; did you mean "
        f"{tmp_path / 'settings.yaml'}?"
    )


@pytest.mark.parametrize("name", ["Void", "unlabelled", "ignore"])
def test_s266_a_class_called_void(tmp_path, capfd, name):
    """A class whose name says that nobody labelled its pixels is told of, with the setting that ignores it."""
    data = save_pairs(tmp_path / "data", {"a": halves(0, 1), "b": halves(1, 2)})
    words = ["data", "check", data, "--data.classes", f"[sky, road, {name}]", "--sheet", ""]
    code, out, _ = command(capfd, *words)
    assert code == 0
    assert f"class '{name}' (mask value 2) is learnt and counted like any other" in out
    code, out, _ = command(capfd, *words, "--data.ignored_values", "[2]")
    assert code == 0
    assert "like any other" not in out


def test_s267_one_of_a_thing():
    """Messages count one image as one, and name alternatives with commas."""
    plan = ValidationPlan(steps=4, every=2, images=1, sample=None, image_cost=9.0)
    assert "1 image;" in plan.words()
    assert "1 images" not in plan.words()
    assert describe(bool | None) == "true, false or none"


@pytest.mark.parametrize("text", ["{depth:4}", "depth:4", "depth=4"])
def test_s375_pairs_in_one_word(tmp_path, capfd, text):
    """`depth:4` without a space is a text to YAML, as `depth=4` is: the line says what is missing."""
    advice = "; put a colon and a space after depth"
    assert refusal(capfd, "train", "--model.vit.options", text).endswith(advice)
    file = tmp_path / "settings.yaml"
    file.write_text(f"model:\n  vit: {{options: {text}}}\n")
    assert refusal(capfd, "train", "--config", file).endswith(advice)


@pytest.mark.parametrize("text", ["steps:3", "{steps:3, batch_size: 2}", "steps=3", "{steps=3}"])
def test_s375_sections_in_one_word(tmp_path, capfd, text):
    """So it is with the settings of a section, in a file and behind a flag."""
    assert refusal(capfd, "train", "--training", text).endswith("put a colon and a space after steps")
    file = tmp_path / "settings.yaml"
    for content in (f"training: {text}\n", "training:\n  steps:3\n  batch_size: 2\n"):
        file.write_text(content)
        assert refusal(capfd, "train", "--config", file).endswith("put a colon and a space after steps")
    file.write_text("training:{steps: 3}\n")
    assert refusal(capfd, "train", "--config", file).endswith("put a colon and a space after training")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "holds no settings, expected some such as `training: {steps: 2000}`"),
        ("# training: {steps: 3}\n", "holds no settings, expected some such as `training: {steps: 2000}`"),
        (
            "training:\n  betas: !!python/tuple [0.9, 0.95]\n",
            "line 2: tag:yaml.org,2002:python/tuple is a tag that settings have no use for",
        ),
        ("training: !mine {steps: 3}\n", "line 1: !mine is a tag that settings have no use for"),
    ],
)
def test_s381_files_of_settings_without_settings(tmp_path, capfd, content, expected):
    """A file that is empty or holds comments alone, objects of Python, and a device in place of a file: one line with
    the file."""
    file = tmp_path / "settings.yaml"
    file.write_text(content)
    assert refusal(capfd, "train", "--config", file) == f"vit-adapter: error: {file}: {expected}"
    assert refusal(capfd, "train", "--config", "/dev/null").endswith(
        "is neither a file nor a folder, expected a YAML file"
    )


def _made(folder):
    folder.mkdir(parents=True)
    return folder
