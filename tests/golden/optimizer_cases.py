"""Records of ``optimizer/``: rate and decay of every parameter of a published recipe, and the schedules."""

import gzip
import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vit_adapter.config import InputError, TrainingConfig
from vit_adapter.training.parameter_groups import count_layers, layer_of, settings
from vit_adapter.training.schedule import Schedule
from vit_adapter.weights.official import official_name, our_name


def _read(path: Path) -> Any:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as file:
        return json.load(file)


def _training_config(record: dict[str, Any]) -> TrainingConfig:
    """Our settings for an official optimiser entry."""
    official = record["optimizer"]
    rule = official["paramwise_cfg"]
    keys = {key: value for key, value in rule.get("custom_keys", {}).items() if key != "head"}
    if keys:
        assert keys == {key: {"decay_mult": 0.0} for key in ("level_embed", "pos_embed", "norm", "bias")}
    return TrainingConfig(
        learning_rate=official["lr"],
        weight_decay=official["weight_decay"],
        layer_decay=rule.get("layer_decay_rate"),
        head_learning_rate_factor=rule["custom_keys"]["head"]["lr_mult"] if keys else 1.0,
    )


def run_groups(path: Path) -> None:
    """Every parameter's rate, decay and layer; the sums of every group."""
    record = _read(path)
    manifest = _read(path.parent.parent / "manifests" / path.name)
    shapes = {name: manifest["keys"][name] for name in record["params"]}
    shapes = {name: entry["shape"] if isinstance(entry, dict) else entry for name, entry in shapes.items()}
    config = _training_config(record)
    ours = settings({name: len(shape) for name, shape in shapes.items()}, config)
    layers = count_layers(shapes)
    assert ours.keys() == record["params"].keys()
    for name, theirs in record["params"].items():
        assert ours[name].scale == pytest.approx(theirs["lr_scale"], rel=1e-12), name
        assert config.learning_rate * ours[name].scale == pytest.approx(theirs["lr"], rel=1e-12), name
        assert ours[name].weight_decay == theirs["weight_decay"], name
        if "layer_id" in theirs:
            assert layer_of(name, layers) == theirs["layer_id"], name
    if isinstance(record["groups"], list):
        counts, sizes = Counter(), Counter()
        for name, setting in ours.items():
            key = (round(setting.scale, 12), setting.weight_decay)
            counts[key] += 1
            sizes[key] += math.prod(shapes[name])
        expected = {
            (round(group["lr"] / record["base_lr"], 12), group["weight_decay"]): (
                group["count"],
                group["numel"],
            )
            for group in record["groups"]
        }
        assert {key: (counts[key], sizes[key]) for key in counts} == expected
    assert (record["betas"], record["eps"]) == (
        list(TrainingConfig().betas),
        1e-8,
    )  # eps: that of TrainingStep
    if not record["recipe"].startswith("mask2former"):
        for name in shapes:
            assert official_name(our_name(name)) == name


def run_schedule(path: Path) -> None:
    """Factors of the published lengths."""
    record = _read(path)
    for entry in record["by_max_iters"].values():
        assert entry["warmup"] == "linear"
        config = TrainingConfig(
            steps=entry["max_iters"],
            warmup_steps=entry["warmup_iters"],
            warmup_ratio=entry["warmup_ratio"],
            power=entry["power"],
            minimum_learning_rate=entry["min_lr"],
        )
        schedule = Schedule.of(config)
        for step, factor in entry["points"]:
            assert schedule.rate(1.0, step) == pytest.approx(factor, rel=1e-12, abs=1e-18), step
    assert Schedule.of(TrainingConfig(steps=160_000)).warmup_steps == 1500, "ours without a given warm-up"


def run_index(path: Path) -> None:
    """Every recipe points to a record that is there."""
    index = _read(path)
    for name in index["file_for_recipe"].values():
        file = path.parent / f"{name}.json.gz"
        if file.exists():  # the repository's own root holds a part of the records
            assert _read(file)["recipe"] == name
    with pytest.raises(InputError):
        settings(
            {"decode_head.conv_seg.weight": 4}, TrainingConfig(layer_decay=0.9, head_learning_rate_factor=10)
        )


RUNNERS: dict[str, Callable[[Path], None]] = {
    "": run_groups,
    "lr_schedule": run_schedule,
    "index": run_index,
}
