"""Area 31: anchors, box coders, assigners, samplers, suppression and box losses."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vit_adapter.heads.detection.anchors import base_anchors, grid_anchors, valid_cells
from vit_adapter.heads.detection.atss_assigner import Assignment
from vit_adapter.heads.detection.augmented import (
    View,
    boxes_from_view,
    boxes_to_view,
    mean_masks,
    merge_proposals,
)
from vit_adapter.heads.detection.box_coding import BoxCoding
from vit_adapter.heads.detection.box_losses import giou_loss, smooth_l1_loss
from vit_adapter.heads.detection.box_sampler import BoxSampler
from vit_adapter.heads.detection.boxes import aligned_overlaps, box_overlaps
from vit_adapter.heads.detection.class_suppression import select_detections
from vit_adapter.heads.detection.mask_head import mask_loss
from vit_adapter.heads.detection.overlap_assigner import OverlapAssigner
from vit_adapter.heads.detection.proposals import inside_image, objectness_loss
from vit_adapter.heads.detection.region_features import as_regions
from vit_adapter.heads.detection.soft_suppression import Decay, soft_suppress
from vit_adapter.heads.detection.suppression import Suppression, suppress_by_class

from .areas import Runner
from .case import Case
from .comparison import check_gradients, check_outputs

Config = dict[str, Any]


def build_assigner(config: Config) -> OverlapAssigner:
    """Our assigner for an official one; nothing in it may be left unread."""
    config = dict(config)
    assert config.pop("type") == "MaxIoUAssigner"
    ignore = config.pop("ignore_iof_thr", -1)
    made = OverlapAssigner(
        positive=config.pop("pos_iou_thr"),
        negative=config.pop("neg_iou_thr"),
        least_positive=config.pop("min_pos_iou", 0.0),
        match_low_quality=config.pop("match_low_quality", True),
        all_best=config.pop("gt_max_assign_all", True),
        ignore_overlap=ignore if ignore > 0 else None,
    )
    assert not config, config
    return made


def build_sampler(config: Config) -> BoxSampler:
    """Our sampler for an official one; nothing in it may be left unread."""
    config = dict(config)
    assert config.pop("type") == "RandomSampler"
    most = config.pop("neg_pos_ub", -1)
    made = BoxSampler(
        count=config.pop("num"),
        positive_share=config.pop("pos_fraction"),
        negatives_per_positive=most if most >= 0 else None,
        add_truth=config.pop("add_gt_as_proposals", True),
    )
    assert not config, config
    return made


def build_suppression(config: Config | None) -> Suppression | None:
    """Our rule for an official one; nothing in it may be left unread."""
    if config is None:
        return None
    config = dict(config)
    decay = None
    if config.pop("type") == "soft_nms":
        names = {"method": "method", "sigma": "sigma", "min_score": "least_score"}
        decay = Decay(**{ours: config.pop(theirs) for theirs, ours in names.items() if theirs in config})
    made = Suppression(
        config.pop("iou_threshold"),
        count=config.pop("max_num", None),
        class_agnostic=config.pop("class_agnostic", False),
        split=config.pop("split_thr", 10_000),
        decay=decay,
    )
    assert not config, config
    return made


def recorded_permutations(draws: list[Tensor]) -> tuple[Callable[[int], Tensor], Iterator[Tensor]]:
    """What gives recorded random orders, each once and of the length that is asked for, and what is left of them."""
    source = iter(draws)

    def permutation(count: int) -> Tensor:
        order = next(source, None)
        assert order is not None, "more draws than recorded"
        assert len(order) == count, f"asked for an order of {count}, recorded {len(order)}"
        return order

    return permutation, source


def run_anchors(case: Case) -> None:
    config = case.config
    generator = config["anchor_generator"]
    (scale,), ratios = generator["scales"], generator["ratios"]
    outputs, everything, all_valid = {}, [], []
    for level, (size, stride) in enumerate(zip(config["featmap_sizes"], generator["strides"], strict=True)):
        anchors = grid_anchors(size, stride, scale, ratios)
        valid = valid_cells(size, stride, config["pad_shape"][:2], len(ratios))
        outputs |= {
            f"base_anchors.{level}": base_anchors(stride, scale, ratios),
            f"anchors.{level}": anchors,
            f"valid.{level}": valid,
        }
        everything.append(anchors)
        all_valid.append(valid)
    for border in config["allowed_border"]:
        outputs[f"inside.{border}"] = torch.cat(all_valid) & inside_image(
            torch.cat(everything), config["img_shape"][:2], None if border < 0 else border
        )
    check_outputs(case, outputs)


def run_assigner(case: Case) -> None:
    inputs, config = case.inputs, case.config
    assigner = build_assigner(config.get("assigner", config))
    found = assigner(
        inputs["bboxes"], inputs["gt_bboxes"], inputs.get("gt_labels"), inputs.get("gt_bboxes_ignore")
    )
    outputs = {"gt_inds": found.boxes, "labels": found.classes, "max_overlaps": found.overlaps}
    if "gt_inds_first_only" in case.outputs:
        outputs["gt_inds_first_only"] = replace(assigner, all_best=False)(
            inputs["bboxes"], inputs["gt_bboxes"]
        ).boxes
    if "anchors_at_maximum" in case.outputs:
        overlaps = box_overlaps(inputs["gt_bboxes"], inputs["bboxes"])
        best = overlaps.amax(1, keepdim=True)
        outputs["anchors_at_maximum"] = (overlaps == best).sum(1)
        outputs["anchors_within_1e-5"] = (overlaps > best - 1e-5).sum(1)
    check_outputs(case, outputs)


def run_sampler(case: Case) -> None:
    inputs = case.inputs
    assignment = Assignment(
        inputs["assigned_gt_inds"], torch.zeros(len(inputs["bboxes"])), inputs["assigned_labels"]
    )
    permutation, left = recorded_permutations(case.draws)
    sampler = build_sampler(case.config)
    samples = sampler(
        assignment, inputs["bboxes"][:, :4], inputs["gt_bboxes"], inputs["gt_labels"], permutation
    )
    assert next(left, None) is None, "recorded draws that were not asked for"
    count = samples.positives
    outputs = {
        "bboxes": samples.boxes,
        "pos_bboxes": samples.positive_boxes,
        "neg_bboxes": samples.boxes[count:],
        "pos_inds": samples.indices[:count],
        "neg_inds": samples.indices[count:],
        "pos_assigned_gt_inds": samples.truth_indices,
        "pos_gt_bboxes": samples.truth,
        "pos_gt_labels": samples.classes,
        "pos_is_gt": samples.is_truth.to(torch.uint8),
    }
    # Boxes are stored more coarsely than they are compared: exact but for the type.
    check_outputs(case, {name: value.to(case.outputs[name].dtype) for name, value in outputs.items()})


def run_coder(case: Case) -> None:
    config, inputs = case.config, case.inputs
    coding = BoxCoding(tuple(config["target_stds"]), tuple(config["target_means"]))
    case.require_input_gradients()
    clipped = coding.decode(inputs["rois"], inputs["deltas"], tuple(config["max_shape"][:2]))
    outputs = {
        "encoded": coding.encode(inputs["rois"].float(), inputs["gt"].float()),
        "decoded": coding.decode(inputs["rois"], inputs["deltas"]),
        "decoded_clipped": clipped,
    }
    scalar = sum((outputs[name] * probe).sum() for name, probe in case.probes.items())
    assert isinstance(scalar, Tensor)
    scalar.backward()
    check_gradients(case, {}, {name: inputs[name].grad for name in case.grad_inputs})
    check_outputs(case, outputs | {"probe_loss": scalar})


def run_losses(case: Case) -> None:
    inputs = case.inputs
    leaves = {name: inputs["pred"].clone().requires_grad_() for name in ("l1", "smooth_l1_1", "smooth_l1_9")}
    leaves |= {name: inputs[name].clone().requires_grad_() for name in ("rpn_cls", "cls", "mask")}
    target, weight, label_weight = inputs["target"], inputs["weight"], inputs["rpn_label_weight"]
    outputs = {
        "l1": smooth_l1_loss(leaves["l1"], target, 0, weight).sum() / 7,
        "smooth_l1_1": smooth_l1_loss(leaves["smooth_l1_1"], target, 1, weight).sum() / 7,
        "smooth_l1_9": smooth_l1_loss(leaves["smooth_l1_9"], target, 1 / 9, weight).sum() / 7,
        "rpn_bce": objectness_loss(
            leaves["rpn_cls"][:, 0], inputs["rpn_label"] == 0, inputs["rpn_label_weight"]
        )
        / 11,
        "softmax_ce": (F.cross_entropy(leaves["cls"], inputs["label"], reduction="none") * label_weight).sum()
        / 9,
        "mask_bce": mask_loss(leaves["mask"], inputs["mask_target"], inputs["mask_label"])[None],
    }
    for value in outputs.values():
        value.sum().backward()
    check_outputs(case, outputs)
    check_gradients(case, {}, {name: leaves[name].grad for name in case.grad_inputs})


def run_overlaps(case: Case) -> None:
    first, second = case.inputs["a"], case.inputs["b"]
    kinds: dict[str, Config] = {"iou": {}, "iof": {"of_first": True}, "giou": {"generalized": True}}
    aligned = first[: len(second)].clone().requires_grad_()
    outputs = {f"pairs.{name}": box_overlaps(first, second, **kind) for name, kind in kinds.items()}
    outputs |= {f"aligned.{name}": aligned_overlaps(aligned, second, **kind) for name, kind in kinds.items()}
    outputs["giou_loss"] = 10 * (case.inputs["weights"].mean(1) * giou_loss(aligned, second)).sum() / 13
    outputs["giou_loss"].backward()
    check_outputs(case, outputs)
    check_gradients(case, {}, {"a_aligned": aligned.grad})


def run_suppression(case: Case) -> None:
    boxes, scores, ids = (case.inputs[name] for name in ("boxes", "scores", "ids"))
    config, overlap = case.config, case.config["iou_threshold"]
    same = torch.zeros_like(ids)
    outputs: dict[str, Tensor] = {}

    def take(name: str, kept: Tensor, kept_scores: Tensor) -> None:
        outputs[f"{name}.dets"] = torch.cat([boxes[kept], kept_scores[:, None]], 1)
        outputs[f"{name}.inds"] = kept

    ends = boxes.new_tensor([0, 0, 1, 1])  # whole pixels whose last one belongs to the box
    take("nms", *suppress_by_class(boxes, scores, same, Suppression(overlap)))
    take("nms_offset1", *suppress_by_class(boxes + ends, scores, same, Suppression(overlap)))
    take(
        "nms_score03_max6",
        *suppress_by_class(boxes, scores, same, Suppression(overlap, least_score=0.3, count=6)),
    )
    soft = config["soft_nms"]
    for method in ("linear", "gaussian", "naive"):
        decay = Decay(method, soft["sigma"], soft["min_score"])
        take(f"soft_{method}", *soft_suppress(boxes, scores, overlap, decay))
    take("batched_none", *suppress_by_class(boxes, scores, ids, None))
    for name, rule in config.items():
        if name.startswith("batched"):
            take(name, *suppress_by_class(boxes, scores, ids, build_suppression(rule)))
    check_outputs(case, outputs)


def run_class_suppression(case: Case) -> None:
    config = case.config
    boxes, scores, labels, places = select_detections(
        case.inputs["bboxes"],
        case.inputs["scores"],
        config["score_thr"],
        build_suppression(config["nms"]),
        config["max_num"],
    )
    dets = torch.cat([boxes, scores[:, None]], 1)
    check_outputs(case, {"dets": dets, "labels": labels, "inds": places})


def build_view(meta: Config) -> View:
    """Our view for official image facts."""
    return View(
        tuple(meta["img_shape"][:2]),
        torch.tensor(meta["scale_factor"], dtype=torch.float32),
        meta["flip_direction"] if meta["flip"] else None,
    )


def run_mapping(case: Case) -> None:
    inputs, config = case.inputs, case.config
    size = tuple(config["img_shape"][:2])
    factor = case.stored_inputs["scale_factor"]
    outputs: dict[str, Tensor] = {}
    for flip in ("none", "horizontal", "vertical", "diagonal"):
        view = View(size, factor, None if flip == "none" else flip)
        outputs[f"mapping.{flip}"] = boxes_to_view(inputs["boxes"], view)
        outputs[f"back.{flip}"] = boxes_from_view(inputs["boxes"], view)
    views = [build_view(meta) for meta in config["img_metas"]]
    boxes, scores = case.input_list("aug_boxes"), case.input_list("aug_scores")
    outputs["merged_boxes"] = torch.stack(
        [boxes_from_view(part, view) for part, view in zip(boxes, views, strict=True)]
    ).mean(0)
    outputs["merged_scores"] = torch.stack(scores).mean(0)
    proposals = [(part[:, :4], part[:, 4]) for part in case.input_list("aug_proposals")]
    # The limit is not in the specification; the record has as many.
    merged = merge_proposals(proposals, views, Suppression(0.4), len(case.outputs["merged_proposals"]))
    outputs["merged_proposals"] = torch.cat([merged[0], merged[1][:, None]], 1)
    outputs["merged_masks"] = mean_masks(case.input_list("aug_masks"), views)
    counts = case.outputs["bbox2roi"][:, 0].long().bincount().tolist()
    outputs["bbox2roi"] = as_regions(inputs["boxes"].split(counts))
    check_outputs(case, outputs)


MAKERS: dict[str, Callable[[Case], None]] = {
    "AnchorGenerator.grid_priors": run_anchors,
    "MaxIoUAssigner": run_assigner,
    "RandomSampler": run_sampler,
    "DeltaXYWHBBoxCoder": run_coder,
    "L1Loss": run_losses,
    "bbox_overlaps": run_overlaps,
    "mmcv.ops nms": run_suppression,
    "multiclass_nms": run_class_suppression,
    "bbox_mapping": run_mapping,
}


def run(path: Path) -> None:
    """One record, by the beginning of what made it; in the precision that it was made in."""
    case = Case(path)
    if case.spec["dtype"] == "float32":
        case = Case(path, torch.float32)
        case.dtype = torch.float64  # the tolerances of the record, not those of a run in lower precision
    (maker,) = [made for official, made in MAKERS.items() if case.spec["official"].startswith(official)]
    maker(case)


RUNNERS: dict[str, Runner] = {"": run}
