"""Optimiser steps with given gradients, and schedules of detection recipes: parts of areas 37, 39 and 40."""

from pathlib import Path
from typing import Any

import torch

from vit_adapter.config import TrainingConfig
from vit_adapter.training.parameter_groups import settings
from vit_adapter.training.schedule import Schedule

from .areas import Runner
from .case import Case
from .comparison import check_outputs

Config = dict[str, Any]


def detection_training(config: Config, lr_config: Config | None = None, **options: Any) -> TrainingConfig:
    """Our settings for an official optimiser and, if given, schedule."""
    optimizer, clip = config["optimizer"], config["optimizer_config"]["grad_clip"]
    rule = optimizer["paramwise_cfg"]
    keys = rule.get("custom_keys")
    if keys is not None:
        fixed = {name: {"decay_mult": 0.0} for name in ("level_embed", "pos_embed", "norm", "bias")}
        assert keys in (fixed, fixed | {"rpn_head": {"decay_mult": 0.002, "lr_mult": 0.25}})
    assert (optimizer["type"], tuple(optimizer.get("betas", (0.9, 0.999)))) == ("AdamW", (0.9, 0.999))
    if lr_config is not None:
        options |= schedule_options(lr_config)
    return TrainingConfig(
        learning_rate=optimizer["lr"],
        weight_decay=optimizer["weight_decay"],
        layer_decay=rule.get("layer_decay_rate"),
        parameter_rules="layers" if keys is None else "names",
        clip_gradient_norm=clip["max_norm"] if clip else None,
        **options,
    )


def schedule_options(config: Config, per_epoch: int = 1, length: int | None = None) -> Config:
    """Our settings for an official schedule.

    Args:
        config: Its settings.
        per_epoch: Iterations of an epoch, in which milestones are told.
        length: Iterations of the run; None: not set.
    """
    options: Config = {} if length is None else {"steps": length}
    if config.get("warmup"):
        assert config["warmup"] == "linear"
        options |= {"warmup_steps": config["warmup_iters"], "warmup_ratio": config["warmup_ratio"]}
    if config["policy"] == "step":
        assert config.get("gamma", 0.1) == 0.1
        milestones = tuple(step * per_epoch for step in config["step"])
        return options | {"schedule": "steps", "milestones": milestones}
    assert config["policy"] == "CosineAnnealing"
    return options | {"schedule": "cosine", "cosine_every": per_epoch, "cosine_floor": config["min_lr_ratio"]}


def run_schedules(path: Path) -> None:
    """Factors of the published schedules."""
    case = Case(path)
    outputs = {}
    for name, entry in case.config.items():
        per_epoch, runner = entry["iterations_per_epoch"] or 1, entry["runner"]
        length = runner["max_iters"] if "max_iters" in runner else runner["max_epochs"] * per_epoch
        options = schedule_options(entry["lr_config"], per_epoch, length)
        schedule = Schedule.of(TrainingConfig(**options))
        iterations = case.outputs[name][:, 0]
        factors = [schedule.rate(1.0, int(step)) for step in iterations.tolist()]
        outputs[name] = torch.stack([iterations, torch.tensor(factors, dtype=torch.float64)], 1)
    check_outputs(case, outputs)


def run_optimizer_steps(path: Path) -> None:
    """Groups, and parameters after a few steps of the optimiser that training uses."""
    case = Case(path)
    config = detection_training(
        case.config, steps=10**6, warmup_steps=500, warmup_ratio=0.001, schedule="steps"
    )
    parameters = {
        name.removeprefix("group."): torch.nn.Parameter(case.weights[name.removeprefix("group.")])
        for name in case.outputs
        if name.startswith("group.")
    }
    chosen = settings({name: value.ndim for name, value in parameters.items()}, config)
    rates = {name: config.learning_rate * setting.scale for name, setting in chosen.items()}
    outputs = {
        f"group.{name}": torch.tensor([rates[name], setting.weight_decay], dtype=torch.float64)
        for name, setting in chosen.items()
    }
    groups = [
        {"params": [value], "lr": rates[name], "weight_decay": chosen[name].weight_decay}
        for name, value in parameters.items()
    ]
    optimizer = torch.optim.AdamW(groups, betas=config.betas)
    schedule = Schedule.of(config)
    for step, iteration in enumerate(case.spec["iterations"]):
        for name, value in parameters.items():
            value.grad = case.inputs[f"grad.{step}.{name}"].clone()
        if config.clip_gradient_norm is not None:
            norm = torch.nn.utils.clip_grad_norm_(parameters.values(), config.clip_gradient_norm)
            outputs[f"grad_norm.{step}"] = norm
        for group, name in zip(optimizer.param_groups, parameters, strict=True):
            group["lr"] = schedule.rate(rates[name], iteration)
        optimizer.step()
    outputs |= {f"after.{name}": value.detach() for name, value in parameters.items()}
    check_outputs(case, outputs)


RUNNERS: dict[str, Runner] = {
    "37_atss__optimizer_steps": run_optimizer_steps,
    "39_sparse_rcnn__optimizer_steps": run_optimizer_steps,
    "40_detectors__lr_schedules": run_schedules,
}
