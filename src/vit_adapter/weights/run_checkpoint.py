"""Checkpoints of this program's own training runs (``last.ckpt``): which weights are in them, and of what model."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from vit_adapter.config import InputError
from vit_adapter.config.model_versions import upgrade_model

AVERAGE, MODEL = "average", "model"
"""Names of the two sets of weights: the exponential average, and those of the last step."""

_MODULE = "segmenter."  # the average is kept under the names of the training module


def is_run_checkpoint(content: Any) -> bool:
    """Whether the content of a file was written by a training run."""
    return isinstance(content, Mapping) and {"version", "step", "model", "optimizer", "run"} <= content.keys()


def run_weights(
    content: Mapping[str, Any], name: str, part: str | None
) -> tuple[dict[str, Tensor], list[str], dict[str, Any], list[str]]:
    """The weights of a run's checkpoint.

    Args:
        content: What was read.
        name: How messages name the file.
        part: "average" or "model"; None: the average where the run kept one, as its validation does.

    Returns:
        Tensors by our names; where they were; "run", "step" and "segmenter" (what ``config.json`` holds; None in
        older files); notes for the report.

    Raises:
        InputError: There is no such part.
    """
    average = content.get("average")
    has_average = isinstance(average, Mapping) and bool(average.get("weights"))
    part = part or (AVERAGE if has_average else MODEL)
    if part.split("/")[0] not in ((AVERAGE, MODEL) if has_average else (MODEL,)):
        held = f"'#{AVERAGE}' (averaged weights) and '#{MODEL}'" if has_average else f"'#{MODEL}' alone"
        raise InputError(f"{name}: a run's checkpoint that holds {held}; '#{part}' names none of its weights")
    averaged = part.split("/")[0] == AVERAGE
    if averaged:
        assert isinstance(average, Mapping)
        weights = {key.removeprefix(_MODULE): value for key, value in average["weights"].items()}
        notes = [f"averaged weights of step {content['step']} (those of the last step alone: {name}#{MODEL})"]
    else:
        weights = dict(content["model"])
        other = f" (averaged ones: {name}#{AVERAGE})" if has_average else ""
        notes = [f"weights of step {content['step']}{other}"]
    values = {key: content.get(key) for key in ("run", "step", "segmenter")} | {"averaged": averaged}
    return weights, [AVERAGE, "weights"] if averaged else [MODEL], values, notes


def run_description(values: Mapping[str, Any], file: str) -> dict[str, Any]:
    """What ``config.json`` would hold for a checkpoint's model.

    Args:
        values: From ``run_weights``.
        file: The checkpoint; of older ones the description is in the folders beside it.

    Raises:
        InputError: Nothing describes the model.
    """
    description = values.get("segmenter")
    if description is None:
        for folder in ("best", "last"):
            config = Path(file).parent / folder / "config.json"
            if config.is_file():
                description = json.loads(config.read_text(encoding="utf-8"))
                break
    if description is None:
        raise InputError(
            f"{file}: holds weights, but not what model they belong to, and there is no best/config.json beside it; "
            "start a run from it with --init"
        )
    description = {**description, "model": upgrade_model(description["model"])}
    facts = dict(description.get("training") or {}) | {"step": values.get("step")}
    for score in ("mIoU", "AP", "PQ"):  # of an earlier step
        facts.pop(score, None)
    facts.pop("images", None)
    if not values.get("averaged"):
        facts["ema_decay"] = None
    return {**description, "training": facts}
