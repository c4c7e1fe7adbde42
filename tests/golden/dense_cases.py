"""What the runners of ATSS and GFL share: areas 37 and 38."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vit_adapter.heads import Detections, Objects
from vit_adapter.heads.detection.atss import ATSSHead, ATSSSettings
from vit_adapter.heads.detection.atss_assigner import ATSSAssigner
from vit_adapter.heads.detection.dense_head import DenseHead
from vit_adapter.heads.detection.dense_types import DensePredictions, DenseTargets, Selection
from vit_adapter.heads.detection.gfl import GFLHead, GFLSettings
from vit_adapter.heads.detection.suppression import Suppression
from vit_adapter.heads.frame import Frame

from .areas import Runner
from .case import Case
from .comparison import check_gradients, check_outputs
from .initial_values import check_pooled_statistics
from .names import load_official
from .running import numbered, run_module

Config = dict[str, Any]


def build_dense_head(config: Config) -> DenseHead:
    """Our head for an official one.

    Raises:
        ValueError: An argument is not known here.
    """
    config = json.loads(json.dumps(config))
    kind, training = config.pop("type"), config.pop("train_cfg", None)
    config.pop("test_cfg", None)
    assigner = training["assigner"]
    assert (assigner.pop("type"), training["allowed_border"]) == ("ATSSAssigner", -1)
    generator = config.pop("anchor_generator")
    assert (generator["ratios"], generator["octave_base_scale"], generator["scales_per_octave"]) == (
        [1.0],
        8,
        1,
    )
    norm = config.pop("norm_cfg", {"type": "GN", "num_groups": 32})
    assert norm["type"] == "GN"
    box, classes = config.pop("loss_bbox"), config.pop("loss_cls")
    assert box["type"] == "GIoULoss"
    shared: Config = {
        "assigner": build_assigner(assigner),
        "class_weight": classes["loss_weight"],
        "box_weight": box["loss_weight"],
        "positive_weight": 1.0 if training["pos_weight"] <= 0 else training["pos_weight"],
    }
    sizes = [config.pop(name) for name in ("in_channels", "num_classes", "feat_channels", "stacked_convs")]
    options: Config = {"groups": norm["num_groups"], "strides": generator["strides"]}
    if kind == "ATSSHead":
        coder, central = config.pop("bbox_coder"), config.pop("loss_centerness")
        assert (coder["target_means"], coder["target_stds"]) == ([0.0] * 4, [0.1, 0.1, 0.2, 0.2])
        assert classes["type"] == "FocalLoss"
        settings = ATSSSettings(
            **shared,
            gamma=classes["gamma"],
            alpha=classes["alpha"],
            centerness_weight=central["loss_weight"],
        )
        head: DenseHead = ATSSHead(*sizes, settings=settings, **options)
    elif kind == "GFLHead":
        distribution = config.pop("loss_dfl")
        assert classes["type"] == "QualityFocalLoss"
        settings = GFLSettings(
            **shared, beta=classes["beta"], distribution_weight=distribution["loss_weight"]
        )
        head = GFLHead(*sizes, largest=config.pop("reg_max"), settings=settings, **options)
    else:
        raise ValueError(f"no head for the official class {kind}")
    if config:
        raise ValueError(f"arguments of {kind} that are not known here: {config}")
    return head


def build_assigner(config: Config) -> ATSSAssigner:
    """Our assigner for the rest of an official configuration."""
    ignore = config.get("ignore_iof_thr", -1)
    return ATSSAssigner(config["topk"], ignore if ignore > 0 else None)


def frames_of(case: Case) -> list[Frame]:
    """Of the images of a case."""
    return [
        Frame(tuple(meta["img_shape"][:2]), tuple(meta["pad_shape"][:2])) for meta in case.spec["img_metas"]
    ]


def factors_of(case: Case) -> list[Tensor]:
    """Scale factors of the images of a case, which are float32 there."""
    return [torch.from_numpy(np.float32(meta["scale_factor"])) for meta in case.spec["img_metas"]]


def truths_of(case: Case) -> list[Objects]:
    """Objects of the images of a case."""
    return [
        Objects(classes, boxes)
        for boxes, classes in zip(case.input_list("gt_bboxes"), case.input_list("gt_labels"), strict=True)
    ]


def simulated_average(case: Case, others: list[str]) -> Callable[[Tensor], Tensor]:
    """The mean over two processes, one of them recorded: by the order in which means are asked for.

    Args:
        case: Without ``world_size`` there is one process.
        others: Inputs with the numbers of the other process, over and over again.
    """
    if "world_size" not in case.inputs:
        return lambda value: value
    calls = iter(range(10**6))

    def average(value: Tensor) -> Tensor:
        other = case.inputs[others[next(calls) % len(others)]]
        return (value + other.to(value)) / int(case.inputs["world_size"])

    return average


def given_predictions(case: Case) -> DensePredictions:
    """The recorded outputs of a head."""
    centerness = case.input_list("centerness") or None
    return DensePredictions(case.input_list("cls_score"), case.input_list("bbox_pred"), centerness)


def named(predictions: DensePredictions) -> dict[str, Tensor]:
    """Predictions by their official names."""
    outputs = numbered("cls_score", predictions.classes) | numbered("bbox_pred", predictions.boxes)
    return outputs | numbered("centerness", predictions.centerness or [])


def run_forward(path: Path) -> None:
    """Predictions of a pyramid."""
    case = Case(path)
    head = build_dense_head(case.config)
    run_module(case, head, "dense_head", lambda: named(head(case.input_list("feat"))))


def listed(losses: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses by their official names, with their sum."""
    outputs = {
        f"{name}.{level}": value for name, values in losses.items() for level, value in enumerate(values)
    }
    return outputs | {"total": torch.stack([values.sum() for values in losses.values()]).sum()}


def run_losses(path: Path) -> None:
    """Losses of given predictions, and what they are made of."""
    case = Case(path)
    case.require_input_gradients()
    head, predictions = build_dense_head(case.config), given_predictions(case)
    ignored = case.input_list("gt_bboxes_ignore") or None
    targets = head.targets(predictions, truths_of(case), frames_of(case), ignored)
    asked: list[Tensor] = []
    mean = simulated_average(case, ["other_process_num_pos", "other_process_avg_factor"])

    def average(value: Tensor) -> Tensor:
        asked.append(value)
        asked.append(mean(value))
        return asked[-1]

    losses = head.losses(predictions, targets, average)
    outputs = listed(losses) | target_outputs(targets)
    outputs["normaliser_num_total_samples"] = asked[1].clamp(min=1)
    outputs["sum_of_box_weights_before_clamp"] = asked[2]
    outputs["total"].backward()
    check_gradients(case, {}, {name: case.inputs[name].grad for name in case.grad_inputs})
    check_outputs(case, outputs)


def target_outputs(targets: DenseTargets) -> dict[str, Tensor]:
    """Targets by their recorded names."""
    outputs = {
        "num_total_pos": torch.tensor(targets.positives),
        "num_total_neg": torch.tensor(targets.negatives),
    }
    for level, part in enumerate(targets.levels):
        outputs |= {
            f"target_labels.{level}": part.classes,
            f"target_label_weights.{level}": part.weights,
            f"target_bboxes.{level}": part.boxes,
        }
    return outputs


def run_training(path: Path) -> None:
    """Forward, losses and gradients of a head."""
    case = Case(path)
    head = build_dense_head(case.config)
    names = load_official(head, case.weights, "dense_head")
    head.to(case.dtype).train()
    case.require_input_gradients()
    predictions = head(case.input_list("feat"))
    targets = head.targets(predictions, truths_of(case), frames_of(case))
    outputs = listed(head.losses(predictions, targets))
    outputs["total"].backward()
    parameters = dict(head.named_parameters())
    grads = {name: parameters[ours].grad for name, ours in names.items() if ours in parameters}
    check_gradients(case, grads, {name: case.inputs[name].grad for name in case.grad_inputs})
    check_outputs(case, outputs)


def selection_of(config: Config, with_nms: bool = True) -> Selection:
    """Our settings for an official test configuration."""
    rule = config["nms"]
    assert rule["type"] == "nms"
    suppression = Suppression(rule["iou_threshold"]) if with_nms else None
    return Selection(config["score_thr"], config["nms_pre"], suppression, config["max_per_img"])


def run_inference(path: Path) -> None:
    """Results of given predictions under several settings."""
    case = Case(path)
    head, predictions = build_dense_head(case.config), given_predictions(case)
    outputs = {}
    for name, variant in case.spec["variants"].items():
        with_nms = variant.get("with_nms", True)
        selection = selection_of(case.config["test_cfg"] | variant.get("test_cfg", {}), with_nms)
        factors = factors_of(case) if variant["rescale"] else None
        for index, found in enumerate(head.detect(predictions, frames_of(case), factors, selection)):
            outputs[f"{name}.labels.{index}"] = found.classes
            outputs[f"{name}.bboxes.{index}"] = with_scores(found) if with_nms else found.boxes
            outputs[f"{name}.scores.{index}"] = found.scores
    check_outputs(case, outputs)


def with_scores(found: Detections) -> Tensor:
    """[N, 5], the score behind the box."""
    return torch.cat([found.boxes, found.scores[:, None]], 1)


def run_initial_values(path: Path) -> None:
    """How a head starts."""
    case = Case(path)
    heads = [build_dense_head(case.config) for _ in range(case.spec["pooled_seeds"])]
    check_pooled_statistics(case, heads, "dense_head")


DENSE_RUNNERS: dict[str, Runner] = {
    "forward_": run_forward,
    "losses_": run_losses,
    "head_train": run_training,
    "inference": run_inference,
    "init_facts": run_initial_values,
}
"""By what follows the area in a file's name."""
