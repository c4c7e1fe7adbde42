"""Records of ``detection/``: keys, shapes, parameter groups and settings of the published detectors."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from vit_adapter.api import build
from vit_adapter.config import InferenceConfig, ObjectConfig
from vit_adapter.data.detection.published import training_steps
from vit_adapter.data.detection.steps import FlipOrNot, OneOf, ResizeByFactor, ResizeToOne, ResizeWithin
from vit_adapter.training.parameter_groups import settings
from vit_adapter.weights.official import from_official, to_official
from vit_adapter.zoo.detection import DETECTION, find_detection_recipe
from vit_adapter.zoo.detection_bases import STEPS_PER_EPOCH

from .areas import Runner
from .detection_pipeline_cases import build_step, detection_protocol
from .detection_training_cases import detection_training, schedule_options
from .manifest_cases import check_manifest


def _read(path: Path) -> Any:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as file:
        return json.load(file)


def run_manifest(path: Path) -> None:
    """Names one to one in both directions, shapes, buffers, and the number of parameters of every part."""
    manifest = _read(path)
    recipe = DETECTION[manifest["recipe"]]
    check_manifest(manifest, panoptic=recipe.stuff)
    assert recipe.parameters == manifest["parameters"]


def run_groups(path: Path) -> None:
    """Rate and decay of every parameter."""
    record = _read(path)
    recipe = DETECTION[record["recipe"]]
    with torch.device("meta"):
        model = build(recipe.name)
    state = to_official(dict(model.named_parameters()), panoptic=recipe.stuff)
    shapes = {name: state[name].ndim for name in record["params"]}
    config = recipe.training
    assert config.learning_rate == record["base_lr"]
    for name, setting in settings(shapes, config).items():
        scale, decay = record["params"][name]
        assert setting.scale == pytest.approx(scale, rel=1e-12), name
        assert setting.weight_decay == pytest.approx(decay, rel=1e-12), name


def run_recipes(path: Path) -> None:
    """What every recipe says of model, scores, optimiser, schedule, transforms and tests."""
    records = _read(path)
    ours = set(DETECTION) | {f"{name}_ms" for name, recipe in DETECTION.items() if recipe.multi_scale}
    assert set(records) == ours
    for name, record in records.items():
        recipe = find_detection_recipe(name)
        assert recipe is not None
        multi = recipe.variant == "ms"
        if record["exact_params"] is not None:  # the panoptic one has its manifest
            assert recipe.parameters == record["exact_params"], name
        scores = recipe.multi_scale_ap if multi else (recipe.box_ap, recipe.mask_ap)
        assert scores == (record["box_ap"], record["mask_ap"]), name
        assert multi or recipe.checkpoint_url == record["checkpoint_url"], name
        _check_training(recipe.training, record, name)
        assert recipe.half_precision_training == (record["fp16"] is not None), name
        if record["load_from"]:
            assert recipe.start == record["load_from"]
        assert recipe.test_protocol == _recorded_protocol(recipe, record), name
        _check_transforms(recipe.pipeline, record, name)
        _check_limits(recipe, record, name)
        if not (path.parent / f"{name}.json.gz").exists() and not multi and record["exact_params"]:
            with torch.device("meta"):
                model = build(name)
            assert sum(value.numel() for value in model.parameters()) == record["exact_params"], name
            assert model.state_dict().keys() == from_official(to_official(model.state_dict())).keys()


def _recorded_protocol(recipe: Any, record: Any) -> InferenceConfig:
    """How a test is made, how many objects come out of it, and which sizes its views are believed for."""
    settings = record["test_settings"]
    limits = settings.get("aug" if recipe.variant == "ms" else "rcnn", settings)
    count = 100 if recipe.stuff else limits["max_per_img"]
    return replace(
        detection_protocol(record["test_steps"][-1]),
        objects=ObjectConfig(max_objects=count),
        view_sizes=tuple(map(tuple, limits.get("scale_ranges", ()))),
    )


def _check_training(training: Any, record: Any, name: str) -> None:
    runner = record["runner"]
    per_epoch = 1 if "max_iters" in runner else STEPS_PER_EPOCH
    length = runner.get("max_iters") or runner["max_epochs"] * per_epoch
    options = schedule_options(
        record["lr_config"] if "lr_config" in record else record["lr_schedule"], per_epoch, length
    )
    if options["warmup_ratio"] == 1:  # a warm-up that changes nothing
        options |= {"warmup_steps": 0, "warmup_ratio": training.warmup_ratio}
    expected = detection_training(record, **options)
    for field in (
        *("learning_rate", "weight_decay", "layer_decay", "parameter_rules", "clip_gradient_norm", "steps"),
        *("schedule", "milestones", "warmup_steps", "warmup_ratio"),
    ):
        assert getattr(training, field) == getattr(expected, field), (name, field)
    assert training.batch_size == record["samples_per_gpu"], name
    if training.schedule == "cosine":
        assert (training.cosine_every, training.cosine_floor) == (
            expected.cosine_every,
            expected.cosine_floor,
        )


def _check_transforms(pipeline: Any, record: Any, name: str) -> None:
    """The steps that draw something, in order."""
    drawing = (FlipOrNot, OneOf, ResizeByFactor, ResizeToOne, ResizeWithin)
    left_out = (
        "LoadImageFromFile",
        "LoadAnnotations",
        "LoadPanopticAnnotations",
        "InstaBoost",
        "DefaultFormatBundle",
    )
    theirs = [
        build_step(step, {}) for step in record["train_steps"] if step["type"] not in (*left_out, "Collect")
    ]
    normalization = next(step for step in theirs if type(step).__name__ == "Normalize").normalization  # pyright: ignore
    ours = training_steps(pipeline, normalization)
    if pipeline == "objects365":
        theirs = [step for step in theirs if type(step).__name__ != "ReduceLabels"]
        ours = tuple(step for step in ours if type(step).__name__ != "ReduceLabels")
    assert any(isinstance(step, drawing) for step in ours)
    assert list(ours) == theirs, name


def _check_limits(recipe: Any, record: Any, name: str) -> None:
    """Which boxes become detections in the test of one scale."""
    limits = record["test_settings"].get("rcnn", record["test_settings"])
    head = recipe.model.head
    if recipe.variant == "ms" or not hasattr(head, "detections"):
        return
    assert head.detections == limits["max_per_img"], name
    assert head.least_score == limits["score_thr"], name
    assert head.overlap == limits["nms"]["iou_threshold"], name


RUNNERS: dict[str, Runner] = {
    "": run_manifest,
    "optimizer__": run_groups,
    "detection_recipes": run_recipes,
}
