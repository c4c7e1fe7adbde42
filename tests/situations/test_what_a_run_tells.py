"""Situations around validation, the end of a run and what is written about scores."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from safetensors.torch import load_file

from vit_adapter import Segmenter
from vit_adapter.config import DataConfig
from vit_adapter.data.dataset import open_dataset
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.evaluation import evaluate
from vit_adapter.training import RunResult, run_training
from vit_adapter.training.metrics_table import read_table

from .training_parts import tiny_run, tiny_segmenter

HEADING = "What a run tells"
TITLES = {
    241: "Validation that costs more than the training",
    242: "The score of a few images taken for that of all",
    243: "A best score of other images",
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
        (40, 100, {"validate_every": 1}, "after each step on all 100 images; about 94 % of the run's time"),
    ],
)
def test_s241_validation_that_costs_more_than_the_training(tmp_path, steps, images, settings, told):
    """By default validation takes about a tenth of a run, where need be on a sample; the start says its share."""
    output = io.StringIO()
    train(tmp_path / "run", images, output, dry_run=True, steps=steps, **settings)
    assert told in output.getvalue()
    assert ("training.validation_sample" in output.getvalue()) == bool(settings)


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
    again = evaluate(Segmenter.from_pretrained(out / "best"), open_dataset(data, "val"), progress=False)
    assert score["mIoU"] == again.scores.mIoU == result.best_mIoU == result.evaluation.scores.mIoU
    assert result.evaluation.pictures == len(result.evaluation.images) == 8
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
