"""Area 33: region features, box, mask and semantic heads, mask targets and pasting."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vit_adapter.heads.detection.box_coding import BoxCoding
from vit_adapter.heads.detection.box_head import BoxHead, BoxLoss
from vit_adapter.heads.detection.box_sampler import Samples
from vit_adapter.heads.detection.class_suppression import select_detections
from vit_adapter.heads.detection.mask_head import MaskHead, mask_targets, soft_mask_targets
from vit_adapter.heads.detection.region_features import region_features, region_levels
from vit_adapter.heads.detection.semantic_head import SemanticHead
from vit_adapter.ops.mask_paste import paste_masks

from .areas import Runner
from .box_cases import build_suppression
from .case import Case
from .comparison import check_gradients, check_outputs
from .neck_building import block_norm
from .rpn_cases import frames_of
from .running import numbered, run_module

Config = dict[str, Any]
SHARED = {"Shared2FCBBoxHead": (0, 2), "Shared4Conv1FCBBoxHead": (4, 1), "ConvFCBBoxHead": (0, 0)}
"""Official box heads, their convolutions and layers where nothing is said."""


def build_box_head(config: Config) -> BoxHead:
    """Our head for an official one; nothing in it may be left unread."""
    config = dict(config)
    convolutions, layers = SHARED[config.pop("type")]
    coder, loss = config.pop("bbox_coder"), config.pop("loss_bbox")
    classes = config.pop("loss_cls")
    assert (classes["use_sigmoid"], classes["loss_weight"]) == (False, 1.0)
    giou = loss["type"] == "GIoULoss"
    assert config.pop("reg_decoded_bbox", False) == giou
    beta = {"L1Loss": 0.0, "SmoothL1Loss": loss.get("beta", 1.0), "GIoULoss": 0.0}[loss["type"]]
    made = BoxHead(
        config.pop("in_channels"),
        config.pop("num_classes"),
        config.pop("num_shared_convs", convolutions),
        config.pop("num_shared_fcs", layers),
        channels=config.pop("conv_out_channels", 256),
        width=config.pop("fc_out_channels", 1024),
        side=config.pop("roi_feat_size", 7),
        class_agnostic=config.pop("reg_class_agnostic", False),
        norm=block_norm(config.pop("norm_cfg", None)),
        coding=BoxCoding(tuple(coder["target_stds"]), tuple(coder["target_means"])),
        loss=BoxLoss("giou" if giou else "smooth_l1", beta, loss["loss_weight"]),
    )
    assert not config, config
    return made


def build_mask_head(config: Config) -> MaskHead:
    """Our head for an official one; nothing in it may be left unread."""
    config = dict(config)
    kind, loss = config.pop("type"), config.pop("loss_mask")
    assert kind in ("FCNMaskHead", "HTCMaskHead")
    assert (loss["use_mask"], loss["loss_weight"]) == (True, 1.0)
    made = MaskHead(
        config.pop("in_channels"),
        config.pop("num_classes"),
        config.pop("conv_out_channels", 256),
        config.pop("num_convs", 4),
        norm=block_norm(config.pop("norm_cfg", None)),
        takes_features=config.pop("with_conv_res", kind == "HTCMaskHead"),
    )
    assert not config, config
    return made


def build_semantic_head(config: Config) -> SemanticHead:
    """Our head for an official one; nothing in it may be left unread."""
    config = dict(config)
    assert config.pop("type") == "FusedSemanticHead"
    loss = config.pop("loss_seg", None) or {
        "ignore_index": config.pop("ignore_label"),
        "loss_weight": config.pop("loss_weight"),
    }
    made = SemanticHead(
        config.pop("in_channels"),
        config.pop("num_classes"),
        config.pop("conv_out_channels"),
        levels=config.pop("num_ins"),
        fused=config.pop("fusion_level"),
        convolutions=config.pop("num_convs"),
        ignore_index=loss["ignore_index"],
        weight=loss["loss_weight"],
    )
    assert not config, config
    return made


def run_extractor(case: Case) -> None:
    config, rois = case.config, case.inputs["rois"]
    case.require_input_gradients()
    maps = case.input_list("features")
    order = rois[:, 0].argsort(stable=True)
    boxes = [rois[rois[:, 0] == index, 1:] for index in range(len(maps[0]))]
    strides, finest = config["featmap_strides"], config.get("finest_scale", 56)
    layer = config["roi_layer"]
    read = region_features(maps, boxes, strides, layer["output_size"], layer["sampling_ratio"], finest)
    features = torch.empty_like(read).index_copy(0, order, read)  # in the order of the record
    outputs = {"roi_feats": features, "levels": region_levels(rois[:, 1:], len(strides), finest)}
    scalar = (features * case.probes["roi_feats"]).sum() if "roi_feats" in case.probes else features.sum()
    scalar.backward()
    check_gradients(case, {}, {name: case.inputs[name].grad for name in case.grad_inputs})
    check_outputs(case, outputs | {"probe_loss": scalar})


def run_box_head(case: Case) -> None:
    head = build_box_head(case.config)

    def forward() -> dict[str, Tensor]:
        logits, offsets = head(case.inputs["roi_feats"])
        return {"cls_score": logits, "bbox_pred": offsets}

    run_module(case, head, "box_head", forward)


def run_mask_head(case: Case) -> None:
    head = build_mask_head(case.config)

    def forward() -> dict[str, Tensor]:
        features = head.features(case.inputs["roi_feats"], case.inputs.get("res_feat"))
        return {"mask_pred": head.logits(features), "res_feat": features}

    run_module(case, head, "mask_head", forward)


def run_semantic_head(case: Case) -> None:
    head = build_semantic_head(case.config)

    def forward() -> dict[str, Tensor]:
        logits, embedding = head(case.input_list("features"))
        loss = head.loss(logits, case.inputs["gt_semantic_seg"][:, 0].long())
        return {
            "logits": logits,
            "embedding": embedding,
            "loss_semantic_seg": loss,
            "probe_loss": loss + (embedding * case.probes["embedding"]).sum(),
        }

    run_module(case, head, "semantic_head", forward, loss="probe_loss")


def run_box_losses(case: Case) -> None:
    config, inputs = case.config, case.inputs
    case.require_input_gradients()
    head = build_box_head(config["head"])
    frames = frames_of([meta | {"pad_shape": meta["img_shape"]} for meta in config["img_metas"]])
    samples = []
    for index in range(len(frames)):
        positive, negative = inputs[f"pos_bboxes.{index}"], inputs[f"neg_bboxes.{index}"]
        count = len(positive)
        samples.append(
            Samples(
                torch.cat([positive, negative]),
                torch.arange(count + len(negative)),
                torch.arange(count),
                inputs[f"pos_gt_bboxes.{index}"],
                inputs[f"pos_gt_labels.{index}"],
                inputs[f"pos_is_gt.{index}"].bool(),
            )
        )
    logits, offsets = inputs["cls_score"], inputs["bbox_pred"]
    targets = head.targets(samples)
    losses = head.losses(logits, offsets, targets)
    (losses["loss_cls"] + losses["loss_bbox"]).backward()
    positive = (targets.classes < head.num_classes)[:, None].float().expand(-1, 4)
    outputs = {
        "loss_cls": losses["loss_cls"],
        "loss_bbox": losses["loss_bbox"],
        "acc": losses["acc"][None],
        "labels": targets.classes,
        "label_weights": torch.ones(len(targets.classes)),
        "bbox_targets": targets.boxes,
        "bbox_weights": positive,
        **numbered("refined", head.refined_samples(samples, logits, offsets, frames)),
    }
    counts = [len(image.boxes) for image in samples]
    outputs["rois"] = torch.cat(
        [torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))[:, None].float(), targets.regions],
        1,
    )
    best = logits[:, :-1].argmax(1)
    outputs["refine_labels"] = torch.where(targets.classes == head.num_classes, best, targets.classes)
    # Of the first image alone.
    number, test = counts[0], config["test_cfg"]
    boxes = head.decoded(targets.regions[:number], offsets[:number].detach(), frames[0].size)
    scores = logits[:number].detach().softmax(1)
    outputs |= {"no_nms_boxes": boxes, "no_nms_scores": scores}
    factor = case.stored_inputs["scale_factor"].to(boxes)
    for name, own in (
        ("plain", boxes),
        ("rescale", (boxes.reshape(number, -1, 4) / factor).reshape(boxes.shape)),
    ):
        found = select_detections(
            own, scores, test["score_thr"], build_suppression(test["nms"]), test["max_per_img"]
        )
        outputs |= {
            f"{name}.dets": torch.cat([found[0], found[1][:, None]], 1),
            f"{name}.labels": found[2],
        }
    check_outputs(case, outputs)
    check_gradients(case, {}, {name: inputs[name].grad for name in case.grad_inputs})


def run_mask_targets(case: Case) -> None:
    boxes, objects, masks = (case.input_list(name) for name in ("pos_boxes", "assigned", "gt_masks"))
    side = case.config["mask_size"]
    parts = [soft_mask_targets(*part, side) for part in zip(boxes, objects, masks, strict=True)]
    none = mask_targets([boxes[0][:0]], [objects[0][:0]], masks[:1], side)
    outputs = {
        "targets": mask_targets(boxes, objects, masks, side).to(torch.uint8),
        "soft": torch.cat(parts),
        "empty": none,
    }
    check_outputs(case, outputs)


def run_paste(case: Case) -> None:
    config, inputs = case.config, case.inputs
    boxes, labels = inputs["dets"][:, :4], inputs["labels"]
    masks = inputs["mask_pred"].sigmoid()[torch.arange(len(labels)), labels]
    factor = case.stored_inputs["scale_factor"]
    height, width = config["ori_shape"][:2]
    # Half to even, as numpy rounds.
    scaled = round(float(height * factor[1])), round(float(width * factor[0]))
    outputs = {}
    for name, own, size in (("rescale", boxes / factor, (height, width)), ("test_scale", boxes, scaled)):
        outputs[name] = paste_masks(masks, own, size, config["mask_thr_binary"])
        outputs[f"{name}_prob"] = paste_masks(masks[:2], own[:2], size, None)
    check_outputs(case, outputs)


MAKERS: dict[str, Callable[[Case], None]] = {
    "ConvFCBBoxHead": run_box_head,
    "Shared2FCBBoxHead": run_box_head,
    "Shared4Conv1FCBBoxHead": run_box_head,
    "Shared2FCBBoxHead.get_targets, loss, refine_bboxes, get_bboxes": run_box_losses,
    "SingleRoIExtractor": run_extractor,
    "FCNMaskHead": run_mask_head,
    "HTCMaskHead": run_mask_head,
    "FCNMaskHead.get_seg_masks": run_paste,
    "mask_target": run_mask_targets,
    "FusedSemanticHead": run_semantic_head,
}


def run(path: Path) -> None:
    """One record, by what made it; in the precision that it was made in."""
    case = Case(path)
    if case.spec["dtype"] == "float32":
        case = Case(path, torch.float32)
        case.dtype = torch.float64  # the tolerances of the record, not those of a run in lower precision
    MAKERS[case.spec["official"]](case)


RUNNERS: dict[str, Runner] = {"": run}
