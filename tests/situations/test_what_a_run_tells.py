"""Situations around validation, the end of a run and what is written about scores."""

import csv
import io
import json
import re
import shlex
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from safetensors.torch import load_file

from vit_adapter import Segmenter, api
from vit_adapter.cli.main import main
from vit_adapter.cli.termination import Terminated
from vit_adapter.config import AugmentationConfig, DataConfig, InputError, RunConfig
from vit_adapter.config.plain import to_yaml
from vit_adapter.data.dataset import open_dataset
from vit_adapter.data.scenes import SCENE_CLASSES, render_scene
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.evaluation import measure
from vit_adapter.training import RunResult, run_training
from vit_adapter.training.metrics_table import read_table

from .training_parts import SIDE, tiny_run, tiny_segmenter

HEADING = "What a run tells"
TITLES = {
    241: "Validation that costs more than the training",
    242: "The score of a few images taken for that of all",
    243: "A best score of other images",
    244: "A run that ends without a word",
    245: "Scores of which nobody knows what they are",
    246: "A part that is measured in place of another",
    247: "A log file full of bars",
}


def train(
    out: Path, images: int = 8, output: io.StringIO | None = None, dry_run: bool = False, **settings
) -> RunResult | None:
    """A tiny real model on embedded scenes, with as many validation images as are asked for."""
    config = tiny_run(out, **({"learning_rate": 1e-2} | settings))
    data = DataConfig(**(vars(config.data) | {"scenes": (8, images)}))
    sides = [open_dataset(data, side) for side in ("train", "val")]
    model = tiny_segmenter(config, sides[0].classes)
    source = TrainingSet(sides[0], config.data.augmentation, model.protocol.normalization, seed=0)
    console = Console(file=output or io.StringIO(), width=200)
    return run_training(model, source, sides[1], config, console=console, dry_run=dry_run)


@pytest.mark.parametrize(
    ("steps", "images", "settings", "told"),
    [
        (2000, 8, {}, "every 200 steps on all 8 images; less than 1 % of the run's time"),
        (600, 200, {}, "every 60 steps on a fixed sample of 16 images, at the end on all 200; about 9 %"),
        (40, 100, {"validation_sample": 4}, "at the end on all 100; about 31 % of the run's time"),
        (40, 100, {"validate_every": 1}, "after each step on all 100 images; about 94 % of the run's time"),
    ],
)
def test_s241_validation_that_costs_more_than_the_training(tmp_path, steps, images, settings, told):
    """By default validation takes about a tenth of a run, where need be on a sample; the start says its share."""
    output = io.StringIO()
    train(tmp_path / "run", images, output, dry_run=True, steps=steps, **settings)
    assert told in output.getvalue()
    assert ("leave out training.validate_every" in output.getvalue()) == ("validate_every" in settings)
    assert ("the run is short for" in output.getvalue()) == ("validation_sample" in settings)


def test_s242_the_score_of_a_few_images_taken_for_that_of_all(tmp_path):
    """Scores of a sample are named so in tables and curves; at the end the best model is measured on all images."""
    out = tmp_path / "run"
    result = train(out, steps=4, validate_every=2, validation_sample=3)
    _, rows = read_table(out / "metrics.csv")
    sampled = {int(row["step"]): row["mIoU (sample of 3)"] for row in rows if row["mIoU (sample of 3)"]}
    assert sorted(sampled) == [2, 4]
    assert {int(row["step"]) for row in rows if row["mIoU"]} == {result.best_step}
    score = json.loads((out / "best" / "score.json").read_text())
    assert score["step"] == result.best_step
    assert score["sample_mIoU"] == float(sampled[result.best_step]) == max(map(float, sampled.values()))
    data = DataConfig(**(vars(tiny_run(None).data) | {"scenes": (8, 8)}))
    again = measure(Segmenter.from_pretrained(out / "best"), open_dataset(data, "val"), progress=False)
    assert score["mIoU"] == again.scores.mIoU == result.best_mIoU == result.evaluation.scores.mIoU
    assert result.evaluation.measured == len(result.evaluation.images) == 8
    assert score["mIoU"] != score["sample_mIoU"]


class _Interruption(Exception):
    """Stands for a kill."""


@pytest.mark.slow
def test_s242_resuming_with_a_sample(tmp_path, monkeypatch):
    """A run that validates on a sample resumes to the same weights, tables and scores."""
    settings = {"steps": 6, "validate_every": 2, "validation_sample": 3, "checkpoint_every": 3}
    train(tmp_path / "whole", **settings)
    real = Segmenter.loss
    passes = []

    def breaking(self, *arguments, **options):
        passes.append(1)
        if len(passes) == 6:
            raise _Interruption
        return real(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Segmenter, "loss", breaking)
        with pytest.raises(_Interruption):
            train(tmp_path / "broken", **settings)
    train(tmp_path / "broken", resume=True, **settings)
    for name in ("metrics.csv", "best/score.json"):
        assert (tmp_path / "whole" / name).read_text() == (tmp_path / "broken" / name).read_text()
    whole, broken = (load_file(tmp_path / run / "best" / "model.safetensors") for run in ("whole", "broken"))
    assert all(value.equal(broken[name]) for name, value in whole.items())


def test_s243_a_best_score_of_other_images(tmp_path):
    """Where a resumed run validates on other images, the best model is measured on these before it is compared."""
    out = tmp_path / "run"
    train(out, steps=2, validate_every=1, validation_sample=2)
    score = json.loads((out / "best" / "score.json").read_text())
    output = io.StringIO()
    result = train(out, output=output, steps=3, validate_every=3, learning_rate=1e-12, resume=True)
    assert "training.validation_sample: 2 -> None" in output.getvalue()
    _, rows = read_table(out / "metrics.csv")
    last = float(rows[-1]["mIoU"])
    assert result.best_mIoU == max(score["mIoU"], last)  # all images both


def folder_of_scenes(root: Path, counts: dict[str, int]) -> Path:
    """A plain folder with so many scenes in each part."""
    for split, count in counts.items():
        for number in range(count):
            scene = render_scene(number, size=(SIDE, SIDE), split="train" if split == "train" else "val")
            for kind, pixels in (("images", scene.image), ("masks", scene.labels)):
                place = root / kind / split
                place.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(place / f"{split or 'image'} {number}.png")
    (root / "classes.txt").write_text("\n".join(kind.name for kind in SCENE_CLASSES))
    return root


def settings_of(root: Path, out: Path, **training) -> RunConfig:
    config = tiny_run(out, **({"steps": 2, "learning_rate": 1e-2} | training))
    data = DataConfig(root=str(root), workers=0, augmentation=AugmentationConfig(crop=SIDE))
    return replace(config, data=data)


def commands_in(text: str) -> list[list[str]]:
    return [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("  vit-adapter ")]


def test_s244_a_run_that_ends_without_a_word(tmp_path, capsys):
    """A run ends with its scores by class, each image's own, images to look at, and commands that work as printed."""
    root = folder_of_scenes(tmp_path / "my data", {"train": 4, "val": 3})
    api.train(settings_of(root, tmp_path / "run"))
    told = capsys.readouterr().out
    out = tmp_path / "run"
    for name in ("metrics.json", "images.csv", "contact_sheet.png", "confusion.png", "curves.png"):
        assert name in told
        assert (out / name).stat().st_size > 0
    assert f"model      {out / 'best'}" in told
    assert all(kind.name in told for kind in SCENE_CLASSES)
    assert re.search(r"^The best model, of step \d, on 3 validation images:$", told, re.MULTILINE)
    for words in commands_in(told):
        assert main([*words, *(["--device", "cpu"] if words[0] == "predict" else [])]) == 0
    assert (out / "predictions").is_dir()
    again = json.loads((out / "evaluation" / "metrics.json").read_text())
    first = json.loads((out / "metrics.json").read_text())
    assert (again["mIoU"], again["classes"]) == (first["mIoU"], first["classes"])


def test_s244_a_run_that_was_ended_before_its_report(tmp_path, capsys):
    """A finished run without its report gets it when it is called again; one with it stays as it is."""
    root = folder_of_scenes(tmp_path / "data", {"train": 4, "val": 2})
    api.train(settings_of(root, tmp_path / "run"))
    first = json.loads((tmp_path / "run" / "metrics.json").read_text())
    before = (tmp_path / "run" / "metrics.json").stat().st_mtime_ns
    api.train(settings_of(root, tmp_path / "run", resume=True))
    assert (tmp_path / "run" / "metrics.json").stat().st_mtime_ns == before
    (tmp_path / "run" / "metrics.json").unlink()
    capsys.readouterr()
    api.train(settings_of(root, tmp_path / "run", resume=True))
    assert "contact_sheet.png" in capsys.readouterr().out
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["mIoU"] == first["mIoU"]


@pytest.mark.parametrize("end", [KeyboardInterrupt, Terminated, InputError])
def test_s244_a_run_that_was_ended_while_it_was_measured(tmp_path, monkeypatch, capsys, end):
    """Ended in the measurement of all images, a run has its model and says how to measure it; that gives all scores."""
    root = folder_of_scenes(tmp_path / "data", {"train": 4, "val": 5})
    config = settings_of(root, tmp_path / "run", validate_every=1, validation_sample=2)

    def interrupted(*_):
        raise end

    with monkeypatch.context() as patch:
        patch.setattr("vit_adapter.training.run.evaluate_best", interrupted)
        with pytest.raises(end):
            api.train(config)
    assert f"train --resume {tmp_path / 'run'}" in capsys.readouterr().out
    before = json.loads((tmp_path / "run" / "best" / "score.json").read_text())
    assert before["sample"] == 2
    # The report of an earlier, shorter run does not stand for this one's.
    (tmp_path / "run" / "metrics.json").write_text('{"run": {"steps": 1, "best_step": 1, "seed": 0}}')
    assert main(["train", "--resume", str(tmp_path / "run")]) == 0
    score = json.loads((tmp_path / "run" / "best" / "score.json").read_text())
    values = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert score == {"step": before["step"], "mIoU": values["mIoU"], "sample_mIoU": before["mIoU"]}
    assert values["images"] == 5


def test_s245_scores_of_which_nobody_knows_what_they_are(tmp_path, capsys):
    """`metrics.json` names model, data, part, protocol, version and date; `images.csv` has every image's own score."""
    root = folder_of_scenes(tmp_path / "data", {"train": 4, "val": 3, "test": 2})
    api.train(settings_of(root, tmp_path / "run"))
    capsys.readouterr()
    flags = ["--data.root", str(root), "--out", str(tmp_path / "out"), "--quiet", "--protocol.flip", "true"]
    assert main(["eval", str(tmp_path / "run"), *flags]) == 0
    assert (
        f"written to {tmp_path / 'out'}: metrics.json, images.csv, confusion.png, worst/"
        in capsys.readouterr().out
    )
    values = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert values["model"] == {
        "from": str(tmp_path / "run"),
        "vit": "vit_tiny_patch16_224",
        "head": "upernet",
        "backbone": "adapter",
    }
    assert values["data"] == {"root": str(root), "layout": "auto", "split": "val", "images": 3}
    assert values["protocol"]["flip"] is True
    assert values["vit_adapter"]
    assert datetime.fromisoformat(values["date"]).tzinfo is not None
    with open(tmp_path / "out" / "images.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == ["val 0", "val 1", "val 2"]
    right = sum(float(row["aAcc"]) * int(row["labelled"]) for row in rows)
    assert right / sum(int(row["labelled"]) for row in rows) == pytest.approx(values["aAcc"])
    assert all(int(row["pixels"]) == SIDE * SIDE for row in rows)
    worst = min(rows, key=lambda row: float(row["mIoU"]))
    assert values["worst"][0] == {"name": worst["image"], "mIoU": float(worst["mIoU"])}


def test_s246_a_part_that_is_measured_in_place_of_another(tmp_path, capsys):
    """`eval --split` measures the training, validation or test part; a test part without masks is refused by name."""
    root = folder_of_scenes(tmp_path / "data", {"train": 4, "val": 3, "test": 2})
    api.train(settings_of(root, tmp_path / "run"))
    for split, count in (("train", 4), ("val", 3), ("test", 2)):
        out = tmp_path / split
        words = ["--data.root", str(root), "--split", split, "--out", str(out), "--quiet"]
        assert main(["eval", str(tmp_path / "run"), *words]) == 0
        values = json.loads((out / "metrics.json").read_text())
        assert (values["images"], values["data"]["split"]) == (count, split)
        assert (out / "images.csv").read_text().count(f"\n{split} ") == count
    shutil.rmtree(root / "masks" / "test")
    capsys.readouterr()
    assert main(["eval", str(tmp_path / "run"), "--data.root", str(root), "--split", "test"]) == 2
    assert (
        capsys.readouterr()
        .err.strip()
        .endswith("has no test part with masks (folder); its parts are train and val")
    )


def test_s246_a_test_part_by_lists(tmp_path):
    """Lists and CamVid's folders may name a test part as well."""
    root = folder_of_scenes(tmp_path / "data", {"": 5})
    for name, numbers in (("train", (0, 1)), ("val", (2,)), ("test", (3, 4))):
        (root / f"{name}.txt").write_text("".join(f"image {number}\n" for number in numbers))
    assert open_dataset(DataConfig(root=str(root)), "test").names == ["image 3", "image 4"]
    camvid = tmp_path / "camvid"
    for split in ("train", "val", "test"):
        for kind, value in (("", 90), ("annot", 1)):
            (camvid / f"{split}{kind}").mkdir(parents=True)
            shape = (8, 8) if kind else (8, 8, 3)
            Image.fromarray(np.full(shape, value, np.uint8)).save(camvid / f"{split}{kind}" / f"{split}.png")
    assert open_dataset(DataConfig(root=str(camvid)), "test").names == ["test"]


def test_s247_a_log_file_full_of_bars(tmp_path, capsys):
    """Without a terminal a run and an evaluation write plain lines, few of them, and no control characters."""
    root = folder_of_scenes(tmp_path / "data", {"train": 4, "val": 3})
    config = settings_of(root, tmp_path / "run", steps=8, validate_every=4, validation_sample=1, quiet=False)
    (tmp_path / "run.yaml").write_text(to_yaml(config))
    assert main(["train", "--config", str(tmp_path / "run.yaml")]) == 0
    assert main(["eval", str(tmp_path / "run"), "--data.root", str(root)]) == 0
    for text in capsys.readouterr():
        assert all(letter.isprintable() for letter in text.replace("\n", "")), repr(text)
        assert len(text.splitlines()) < 70
