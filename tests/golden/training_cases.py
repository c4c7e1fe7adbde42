"""Records of area 07: groups, schedules, and traces of a few optimiser steps, run by our own training loop."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from vit_adapter.config import TrainingConfig
from vit_adapter.training.engine import make_fabric, quiet_lightning
from vit_adapter.training.parameter_groups import layer_decay_setting, layer_of, name_rule_setting
from vit_adapter.training.run_state import RunState
from vit_adapter.training.schedule import Schedule
from vit_adapter.training.step import TrainingStep
from vit_adapter.weights.official import our_name

from .building import build_segmenter
from .case import Case
from .comparison import check_outputs
from .names import load_official


def run_lr_groups(path: Path) -> None:
    """Layer, scale and decay of names."""
    case = Case(path)
    config = case.config
    layers = config["num_layers"]
    dimensions = case.inputs["ndim"].tolist()
    settings = [
        layer_decay_setting(name, ndim, config["weight_decay"], config["layer_decay_rate"], layers)
        for name, ndim in zip(config["names"], dimensions, strict=True)
    ]
    layer_ids = [layer_of(name, layers) for name in config["names"]]
    ours = {
        "layer_id": torch.tensor(layer_ids, dtype=case.outputs["layer_id"].dtype),
        "lr_scale": torch.tensor([setting.scale for setting in settings], dtype=torch.float64),
        "weight_decay": torch.tensor([setting.weight_decay for setting in settings], dtype=torch.float64),
    }
    check_outputs(case, ours)


def run_custom_keys(path: Path) -> None:
    """Rate and decay by the rules of AugReg-B."""
    case = Case(path)
    official = case.config["optimizer"]
    factor = official["paramwise_cfg"]["custom_keys"]["head"]["lr_mult"]
    settings = [name_rule_setting(name, official["weight_decay"], factor) for name in case.spec["names"]]
    ours = {
        "lr": torch.tensor([official["lr"] * setting.scale for setting in settings], dtype=torch.float64),
        "weight_decay": torch.tensor([setting.weight_decay for setting in settings], dtype=torch.float64),
    }
    check_outputs(case, ours)


def run_poly_lr(path: Path) -> None:
    """Rates of several schedules."""
    case = Case(path)
    ours = {}
    for number, setting in enumerate(case.config["settings"]):
        schedule = Schedule(
            setting["max_iters"],
            setting["warmup_iters"] if setting["warmup"] else 0,
            setting["warmup_ratio"],
            setting["power"],
            setting["min_lr"],
        )
        steps = case.inputs[f"iters{number}"].tolist()
        rates = [schedule.rate(setting["base_lr"], int(step)) for step in steps]
        ours[f"lr{number}"] = torch.tensor(rates, dtype=torch.float64)
    check_outputs(case, ours)


def run_trace(path: Path) -> None:
    """Losses, rates and final weights of a few steps, in float64."""
    case = Case(path)
    config = case.config
    model = build_segmenter(config["model"])
    names = load_official(model, case.weights, "segmenter")
    model.to(case.dtype)
    trace = _Trace()
    training = _training_config(config)
    state = RunState(0, training.steps)
    with quiet_lightning():
        fabric = make_fabric(training)
        fabric.launch()
        training_step = TrainingStep(model, training, fabric, state)
    batches = [
        {
            "image": case.inputs[f"step{step}.image"],
            "labels": case.inputs[f"step{step}.labels"][:, 0],
            "names": ["recorded"],
            "replaced": {},
        }
        for step in range(config["steps"])
    ]
    model.train()
    for batch in batches:
        trace.note(training_step([batch], training_step.agree([batch])), training_step.optimizer)

    ours = {
        f"log.{name}": torch.tensor(values, dtype=torch.float64) for name, values in trace.figures().items()
    }
    groups = case.spec["groups"]
    for group in groups:
        for name in group["param_names"]:
            rates, decay = trace.groups[our_name(name)]
            assert decay == group["weight_decay"], name
            assert rates == trace.groups[our_name(group["param_names"][0])][0]
    ours["lr"] = torch.tensor(
        [trace.groups[our_name(group["param_names"][0])][0] for group in groups], dtype=torch.float64
    ).T
    ours["grad_norm"] = torch.tensor(trace.column("gradient_norm"), dtype=torch.float64)
    state = model.state_dict()
    ours |= {f"final.{name}": state[key] for name, key in names.items()}
    check_outputs(case, ours)


class _Trace:
    """Keeps what every step did."""

    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []
        self.groups: dict[str, tuple[list[float], float]] = {}

    def note(self, figures: dict[str, float], optimizer: Any) -> None:
        """A step that was done."""
        self.steps.append(figures)
        for group in optimizer.param_groups:
            for name in group["names"]:
                rates, _ = self.groups.setdefault(name, ([], group["weight_decay"]))
                rates.append(group["lr"])

    def column(self, name: str) -> list[float]:
        return [step[name] for step in self.steps]

    def figures(self) -> dict[str, list[float]]:
        """By the official names."""
        theirs = {"loss": "loss", "decode.loss_ce": "loss_ce", "decode.acc_seg": "accuracy"}
        theirs |= {"aux.loss_ce": "auxiliary.loss_ce", "aux.acc_seg": "auxiliary.accuracy"}
        return {name: self.column(ours) for name, ours in theirs.items() if ours in self.steps[0]}


def _training_config(config: dict[str, Any]) -> TrainingConfig:
    optimizer, rates, clip = config["optimizer"], config["lr_config"], config["grad_clip"]
    assert (rates["policy"], optimizer["betas"]) == ("poly", [0.9, 0.999])
    rule = optimizer.get("paramwise_cfg", {})
    head = rule.get("custom_keys", {}).get("head", {"lr_mult": 1.0})
    return TrainingConfig(
        steps=config["max_iters"],
        learning_rate=optimizer["lr"],
        weight_decay=optimizer["weight_decay"],
        layer_decay=rule.get("layer_decay_rate"),
        head_learning_rate_factor=head["lr_mult"],
        warmup_steps=rates["warmup_iters"] if rates.get("warmup") else 0,
        warmup_ratio=rates.get("warmup_ratio", 1.0),
        power=rates["power"],
        minimum_learning_rate=rates["min_lr"],
        clip_gradient_norm=clip["max_norm"] if clip else None,
        accelerator="cpu",
    )


RUNNERS: dict[str, Callable[[Path], None]] = {
    "07_training__lr_groups": run_lr_groups,
    "07_training__custom_keys": run_custom_keys,
    "07_training__poly_lr": run_poly_lr,
    "07_training__trace_": run_trace,
}
