"""Area 37: ATSS, and the losses, coders and suppression that the one-stage detectors and Sparse R-CNN share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vit_adapter.heads.detection.anchors import base_anchors, grid_anchors, valid_cells
from vit_adapter.heads.detection.box_coding import BoxCoding
from vit_adapter.heads.detection.box_losses import giou_loss
from vit_adapter.heads.detection.boxes import aligned_overlaps, box_overlaps
from vit_adapter.heads.detection.distance_coding import boxes_at, distances_to
from vit_adapter.heads.detection.focal_losses import (
    distribution_focal_loss,
    quality_focal_loss,
    sigmoid_focal_loss,
)
from vit_adapter.heads.detection.gfl import Integral
from vit_adapter.heads.detection.suppression import Suppression, suppress_by_class

from .areas import Runner
from .case import Case
from .comparison import check_gradients, check_outputs
from .dense_cases import DENSE_RUNNERS, build_assigner

Config = dict[str, Any]
Inputs = dict[str, Tensor]


def run_anchors(path: Path) -> None:
    """Anchors of every level, and which of them belong to an image."""
    case = Case(path)
    generator = case.config["anchor_generator"]
    scale, ratios = generator["octave_base_scale"], generator["ratios"]
    outputs = {}
    for level, (size, stride) in enumerate(
        zip(case.spec["featmap_sizes"], generator["strides"], strict=True)
    ):
        outputs[f"base_anchor.{level}"] = base_anchors(stride, scale, ratios)
        outputs[f"anchors.{level}"] = grid_anchors(size, stride, scale, ratios)
        for image, meta in enumerate(case.spec["img_metas"]):
            outputs[f"valid.{image}.{level}"] = valid_cells(size, stride, meta["pad_shape"][:2])
    check_outputs(case, outputs)


def run_assigner(path: Path) -> None:
    """Which anchor learns which box, by several assigners."""
    case = Case(path)
    outputs = {}
    for name, config in case.spec["assigners"].items():
        assigner = build_assigner(config)
        for image, boxes in enumerate(case.input_list("gt_bboxes")):
            found = assigner(
                case.inputs["anchors"],
                case.spec["num_level_anchors"],
                boxes,
                case.inputs[f"gt_labels.{image}"],
                case.inputs.get(f"gt_bboxes_ignore.{image}"),
            )
            outputs[f"{name}.gt_inds.{image}"] = found.boxes
            outputs[f"{name}.labels.{image}"] = found.classes
            outputs[f"{name}.max_overlaps.{image}"] = found.overlaps
    check_outputs(case, outputs)


def run_units(path: Path) -> None:
    """Single functions; each call tells its operation, its settings and its inputs."""
    case = Case(path)
    outputs, grads = {}, {}
    for name, call in case.spec["calls"].items():
        inputs = {key: case.inputs[value].clone() for key, value in call["args"].items()}
        for key in call.get("grad", []):
            inputs[key].requires_grad_(True)
        value = _UNITS[call["op"]](call, inputs)
        if isinstance(value, dict):
            outputs |= {f"{name}.{key}": part for key, part in value.items()}
            continue
        outputs[name] = value
        if call.get("grad"):
            value.sum().backward()
            grads[name] = inputs["pred"].grad
    assert set(grads) == set(case.grad_inputs)
    check_gradients(case, {}, grads)
    check_outputs(case, outputs)


def _loss(call: Config, inputs: Inputs) -> Tensor:
    config, weight = call["cfg"], inputs.get("weight")
    losses = _LOSSES[config["type"]](config, inputs)
    if weight is not None:
        if weight.ndim < losses.ndim:
            weight = weight[:, None]
        elif weight.ndim > losses.ndim:
            weight = weight.mean(-1)
        losses = losses * weight
    divisor = call["extra"].get("avg_factor", losses.numel())
    return config["loss_weight"] * losses.sum() / divisor


_LOSSES: dict[str, Callable[[Config, Inputs], Tensor]] = {
    "FocalLoss": lambda config, inputs: sigmoid_focal_loss(
        inputs["pred"], inputs["target"], config["gamma"], config["alpha"]
    ),
    "QualityFocalLoss": lambda config, inputs: quality_focal_loss(
        inputs["pred"], inputs["label"], inputs["score"], config["beta"]
    ),
    "DistributionFocalLoss": lambda config, inputs: distribution_focal_loss(inputs["pred"], inputs["target"]),
    "GIoULoss": lambda config, inputs: giou_loss(inputs["pred"], inputs["target"]),
    "L1Loss": lambda config, inputs: (inputs["pred"] - inputs["target"]).abs(),
    "CrossEntropyLoss": lambda config, inputs: F.binary_cross_entropy_with_logits(
        inputs["pred"], inputs["target"], reduction="none"
    ),
}


def _decode(call: Config, inputs: Inputs) -> Tensor:
    config, size = call["cfg"], call.get("extra", {}).get("max_shape", [None, None])[:2]
    size = None if size[0] is None or not config.get("clip_border", True) else tuple(size)
    if config["type"] == "DistancePointBBoxCoder":
        return boxes_at(inputs["base"], inputs["pred"], size)
    return _coding(config).decode(inputs["base"], inputs["pred"], size)


def _encode(call: Config, inputs: Inputs) -> Tensor:
    if call["cfg"]["type"] == "DistancePointBBoxCoder":
        return distances_to(inputs["base"], inputs["gt"], call.get("extra", {}).get("max_dis"))
    return _coding(call["cfg"]).encode(inputs["base"], inputs["gt"])


def _coding(config: Config) -> BoxCoding:
    return BoxCoding(tuple(config["target_stds"]), tuple(config["target_means"]))


def _overlaps(call: Config, inputs: Inputs) -> Tensor:
    extra = call["extra"]
    compute = aligned_overlaps if extra.get("is_aligned") else box_overlaps
    mode = extra.get("mode", "iou")
    return compute(inputs["a"], inputs["b"], of_first=mode == "iof", generalized=mode == "giou")


def _suppress(call: Config, inputs: Inputs) -> dict[str, Tensor]:
    config = call["cfg"]
    rule = None
    if config is not None:
        names = {"score_threshold": "least_score", "max_num": "count", "split_thr": "split"}
        options = {ours: config[theirs] for theirs, ours in names.items() if theirs in config}
        rule = Suppression(
            config["iou_threshold"], class_agnostic=config.get("class_agnostic", False), **options
        )
    boxes, scores = inputs["boxes"], inputs["scores"]
    kept, kept_scores = suppress_by_class(boxes, scores, inputs["idxs"], rule)
    return {"keep": kept, "boxes": torch.cat([boxes[kept], kept_scores[:, None]], 1)}


def _integral(call: Config, inputs: Inputs) -> Tensor:
    return Integral(call["reg_max"])(inputs["pred"])


_UNITS: dict[str, Callable[[Config, Inputs], Any]] = {
    "loss": _loss,
    "coder_decode": _decode,
    "coder_encode": _encode,
    "overlaps": _overlaps,
    "batched_nms": _suppress,
    "integral": _integral,
}
RUNNERS: dict[str, Runner] = {
    "37_atss__anchors": run_anchors,
    "37_atss__assigner": run_assigner,
    "37_atss__units": run_units,
} | {f"37_atss__{name}": runner for name, runner in DENSE_RUNNERS.items()}
