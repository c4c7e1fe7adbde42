"""Area 39: Sparse R-CNN."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vit_adapter.heads import Detections
from vit_adapter.heads.detection.box_matching import BoxCosts, box_costs, match_boxes
from vit_adapter.heads.detection.dynamic_convolution import DynamicConvolution
from vit_adapter.heads.detection.learned_proposals import LearnedProposals, frame_sizes
from vit_adapter.heads.detection.region_features import region_features, region_levels
from vit_adapter.heads.detection.sparse_rcnn import SparseSettings, SparseStages
from vit_adapter.heads.detection.sparse_stage import SparseStage

from .areas import Runner
from .case import Case
from .comparison import check_gradients, check_outputs
from .dense_cases import factors_of, frames_of, simulated_average, truths_of, with_scores
from .initial_values import check_pooled_statistics
from .names import load_official
from .running import run_module

Config = dict[str, Any]


def build_stage(config: Config) -> SparseStage:
    """Our stage for an official head of one."""
    dynamic = config["dynamic_conv_cfg"]
    assert (config["num_ffn_fcs"], config["dropout"], config["ffn_act_cfg"]["type"]) == (2, 0.0, "ReLU")
    assert (config["bbox_coder"]["target_stds"], config["bbox_coder"]["clip_border"]) == (
        [0.5, 0.5, 1, 1],
        False,
    )
    assert (dynamic["in_channels"], dynamic["out_channels"]) == (config["in_channels"], config["in_channels"])
    return SparseStage(
        config["num_classes"],
        config["in_channels"],
        config["num_heads"],
        config["feedforward_channels"],
        dynamic["feat_channels"],
        dynamic["input_feat_shape"],
        config["num_cls_fcs"],
        config["num_reg_fcs"],
    )


def build_costs(config: Config) -> BoxCosts:
    """Our weights for an official assigner."""
    classes, corners, overlap = (config[f"{name}_cost"] for name in ("cls", "reg", "iou"))
    kinds = [part["type"] for part in (classes, corners, overlap)]
    assert kinds == ["FocalLossCost", "BBoxL1Cost", "IoUCost"]
    assert (corners.get("box_format", "xyxy"), overlap["iou_mode"]) == ("xyxy", "giou")
    return BoxCosts(
        classes["weight"],
        corners["weight"],
        overlap["weight"],
        classes.get("gamma", 2.0),
        classes.get("alpha", 0.25),
    )


def build_stages(config: Config, training: list[Config] | None = None) -> SparseStages:
    """Our stages for an official head.

    Args:
        config: Of the head.
        training: One entry a stage; None: those in ``config``.
    """
    heads: list[Config] = config["bbox_head"]
    training = training or list(config["train_cfg"])
    first, extractor = heads[0], config["bbox_roi_extractor"]
    assert len({str([head[f"loss_{name}"] for name in ("cls", "bbox", "iou")]) for head in heads}) == 1
    assert len({str(entry["assigner"]) for entry in training}) == 1
    classes = first["loss_cls"]
    settings = SparseSettings(
        build_costs(training[0]["assigner"]),
        classes["loss_weight"],
        first["loss_bbox"]["loss_weight"],
        first["loss_iou"]["loss_weight"],
        classes["gamma"],
        classes["alpha"],
        tuple(config["stage_loss_weights"]),
        tuple(entry["pos_weight"] for entry in training),
    )
    align = extractor["roi_layer"]
    return SparseStages(
        [build_stage(head) for head in heads],
        extractor["featmap_strides"],
        align["output_size"],
        align["sampling_ratio"],
        settings,
    )


def run_dynamic_convolution(path: Path) -> None:
    """Regions read with weights made from proposals."""
    case = Case(path)
    names = ("in_channels", "feat_channels", "out_channels", "input_feat_shape")
    module = DynamicConvolution(*(case.config[name] for name in names))
    inputs = case.inputs["param_feature"], case.inputs["roi_feature"]
    run_module(case, module, "dynamic_convolution", lambda: {"features": module(*inputs)})


def run_stage(path: Path) -> None:
    """One stage."""
    case = Case(path)
    stage = build_stage(case.config)
    names = ("cls_score", "bbox_delta", "object_feats", "attn_feats")
    inputs = case.inputs["proposal_feat"], case.inputs["roi_feat"]
    run_module(case, stage, "sparse_stage", lambda: dict(zip(names, stage(*inputs), strict=True)))


def run_matching(path: Path) -> None:
    """Costs and assignment."""
    case = Case(path)
    weights = build_costs(case.config)
    outputs = {}
    for index, truth in enumerate(truths_of(case)):
        logits, boxes = case.inputs[f"cls.{index}"], case.inputs[f"boxes.{index}"]
        size = frame_sizes(frames_of(case), boxes)[index]
        if len(truth.classes):
            costs = box_costs(logits, boxes, truth, size, weights)
            theirs = {"class": "cls", "corners": "reg", "overlap": "iou"}
            outputs |= {f"cost_{theirs[name]}.{index}": cost for name, cost in costs.items()}
            outputs[f"cost.{index}"] = torch.stack(list(costs.values())).sum(0)
        matched = match_boxes(logits, boxes, truth, size, weights)
        outputs[f"gt_inds.{index}"] = matched
        outputs[f"labels.{index}"] = torch.cat([truth.classes.new_full((1,), -1), truth.classes])[matched]
    check_outputs(case, outputs)


def run_regions(path: Path) -> None:
    """Features of boxes."""
    case = Case(path)
    case.require_input_gradients()
    rois, pyramid = case.inputs["rois"], case.input_list("feat")
    align = case.config["roi_layer"]
    order = rois[:, 0].argsort(stable=True)
    boxes = [rois[rois[:, 0] == image, 1:] for image in range(len(pyramid[0]))]
    strides = case.config["featmap_strides"]
    read = region_features(pyramid, boxes, strides, align["output_size"], align["sampling_ratio"])
    features = torch.empty_like(read).index_copy(0, order, read)
    outputs = {"roi_feats": features, "level": region_levels(rois[:, 1:], len(strides))}
    outputs["probe_loss"] = (features * case.probes["roi_feats"]).sum()
    outputs["probe_loss"].backward()
    check_gradients(case, {}, {name: case.inputs[name].grad for name in case.grad_inputs})
    check_outputs(case, outputs)


def run_proposals(path: Path) -> None:
    """Learned proposals of images of several sizes."""
    case = Case(path)
    proposals = LearnedProposals(case.config["num_proposals"], case.config["proposal_feature_channel"])
    frames = frames_of(case)

    def forward() -> dict[str, Tensor]:
        boxes, features = proposals(frames)
        sizes = frame_sizes(frames, boxes)[:, None]
        return {"proposals": boxes, "proposal_features": features, "imgs_whwh": sizes}

    run_module(case, proposals, "learned_proposals", forward)


def loss_outputs(losses: dict[str, Tensor], case: Case) -> dict[str, Tensor]:
    """Losses in the recorded shapes, with their sum."""
    outputs = {name: value.reshape(case.outputs[name].shape) for name, value in losses.items()}
    total = torch.stack([value for name, value in losses.items() if "loss" in name]).sum()
    return outputs | {"total": total}


def run_training(path: Path) -> None:
    """All stages: predictions, matching, losses, gradients."""
    case = Case(path)
    stages = build_stages(case.config)
    names = load_official(stages.stages, _without_prefix(case.weights), "sparse_stages")
    stages.to(case.dtype).train()
    case.require_input_gradients()
    frames, truths = frames_of(case), truths_of(case)
    predictions = stages(case.input_list("feat"), case.inputs["proposals"], case.inputs["proposal_features"])
    losses = stages.losses(predictions, truths, frames, simulated_average(case, ["other_process_num_pos"]))
    outputs = loss_outputs(losses, case)
    for number, prediction in enumerate(predictions):
        outputs |= {
            f"stage{number}.boxes": prediction.boxes.flatten(0, 1),
            f"stage{number}.cls_score": prediction.classes,
            f"stage{number}.object_feats": prediction.features,
        }
        matched = stages.match(prediction, truths, frames)
        outputs |= {f"gt_inds.{number}.{image}": own for image, own in enumerate(matched)}
    if case.grads or case.grad_inputs:
        outputs["total"].backward()
        parameters = dict(stages.stages.named_parameters())
        grads = {f"bbox_head.{name}": parameters[ours].grad for name, ours in names.items()}
        check_gradients(case, grads, {name: case.inputs[name].grad for name in case.grad_inputs})
    check_outputs(case, outputs)


def run_inference(path: Path) -> None:
    """Results by class; sorted, since the official order is that of an unsorted search."""
    case = Case(path)
    stages = build_stages(case.config)
    load_official(stages.stages, _without_prefix(case.weights), "sparse_stages")
    stages.to(case.dtype).eval()
    with torch.no_grad():
        last = stages(case.input_list("feat"), case.inputs["proposals"], case.inputs["proposal_features"])[-1]
    outputs = {}
    for name, variant in case.spec["variants"].items():
        factors = factors_of(case) if variant["rescale"] else None
        found = stages.detect(last, factors, variant["max_per_img"])
        number = last.classes.shape[2]
        outputs |= {
            f"{name}.{image}.{index}": part
            for image, one in enumerate(found)
            for index, part in enumerate(by_class(one, number))
        }
    check_outputs(case, outputs)


def by_class(found: Detections, number: int) -> list[Tensor]:
    """[N, 5] of every class, best first."""
    rows = with_scores(found)[found.scores.argsort(descending=True, stable=True)]
    classes = found.classes[found.scores.argsort(descending=True, stable=True)]
    return [rows[classes == index] for index in range(number)]


def run_initial_values(path: Path) -> None:
    """How a stage, or the proposals, start."""
    case = Case(path)
    config, count = case.config, case.spec["pooled_seeds"]
    if config["type"] == "EmbeddingRPNHead":
        sizes = config["num_proposals"], config["proposal_feature_channel"]
        check_pooled_statistics(case, [LearnedProposals(*sizes) for _ in range(count)], "learned_proposals")
    else:
        check_pooled_statistics(case, [build_stage(config) for _ in range(count)], "sparse_stage")


def _without_prefix(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix("bbox_head."): value for name, value in weights.items()}


RUNNERS: dict[str, Runner] = {
    f"39_sparse_rcnn__{name}": runner
    for name, runner in {
        "dynamic_conv": run_dynamic_convolution,
        "dii_head": run_stage,
        "matching": run_matching,
        "roi_extractor": run_regions,
        "rpn_head": run_proposals,
        "train_": run_training,
        "inference": run_inference,
        "init_facts": run_initial_values,
    }.items()
}
