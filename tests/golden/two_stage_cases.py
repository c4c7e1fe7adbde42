"""Areas 34, 35 and 36: whole Mask R-CNN, Cascade Mask R-CNN and HTC++ detectors."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vit_adapter.heads import Detections, Objects
from vit_adapter.heads.detection.cascade import CascadeHead
from vit_adapter.heads.detection.htc import HTCHead
from vit_adapter.heads.detection.mask_rcnn import MaskRCNNHead
from vit_adapter.heads.detection.two_stage import TwoStageHead
from vit_adapter.heads.detection.two_stage_settings import DetectionLimits, RegionTraining, TwoStageSettings
from vit_adapter.heads.detection.two_stage_views import (
    SeenView,
    averaged_boxes,
    masks_in_views,
    voted_boxes,
)
from vit_adapter.ops.mask_paste import paste_masks

from .areas import Runner
from .box_cases import (
    build_assigner,
    build_sampler,
    build_suppression,
    build_view,
    recorded_permutations,
)
from .building import build_backbone
from .case import Case
from .comparison import check_gradients, check_outputs
from .names import load_official
from .neck_building import build_neck
from .roi_cases import build_box_head, build_mask_head, build_semantic_head
from .rpn_cases import build_proposal_head, frames_of, proposal_limits, proposal_training, rows

Config = dict[str, Any]


class Detector(nn.Module):
    """A backbone and a head, named as in a segmenter."""

    def __init__(self, backbone: nn.Module, head: TwoStageHead) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def levels(self, images: Tensor) -> list[Tensor]:
        """What the head looks at."""
        return self.head.neck(self.backbone(images))


def build_detector(model: Config) -> Detector:
    """Our detector for an official one; what is not read here is checked to be the usual."""
    backbone = build_backbone(model["backbone"], model["backbone"]["type"], detection=True)
    regions, training, test = model["roi_head"], model["train_cfg"], model["test_cfg"]
    extractors = [regions["bbox_roi_extractor"], regions["mask_roi_extractor"]]
    for extractor, side in zip(extractors, (7, 14), strict=True):
        assert extractor["roi_layer"] == {"type": "RoIAlign", "output_size": side, "sampling_ratio": 0}
        assert extractor["featmap_strides"] == [4, 8, 16, 32]
    (finest,) = {extractor.get("finest_scale", 56) for extractor in extractors}
    stages = training["rcnn"] if isinstance(training["rcnn"], list) else [training["rcnn"]]
    settings = TwoStageSettings(
        proposal_training(training["rpn"], model["rpn_head"]),
        proposal_limits(training["rpn_proposal"]),
        proposal_limits(test["rpn"]),
        tuple(
            region_training(stage, weight)
            for stage, weight in zip(stages, regions.get("stage_loss_weights", [1]), strict=True)
        ),
        detection_limits(test["rcnn"]),
        finest,
    )
    parts = build_neck(model["neck"]), build_proposal_head(model["rpn_head"])
    boxes, masks = regions["bbox_head"], regions["mask_head"]
    kind = regions["type"]
    if kind == "StandardRoIHead":
        head = MaskRCNNHead(*parts, build_box_head(boxes), build_mask_head(masks), settings)
        return Detector(backbone, head)
    masks = masks if isinstance(masks, list) else [masks] * len(boxes)
    heads = list(map(build_box_head, boxes)), list(map(build_mask_head, masks))
    if kind == "CascadeRoIHead":
        return Detector(backbone, CascadeHead(*parts, *heads, settings))
    assert (kind, regions["interleaved"], regions["mask_info_flow"]) == (
        "HybridTaskCascadeRoIHead",
        True,
        True,
    )
    semantic = None
    if "semantic_head" in regions:
        semantic = build_semantic_head(regions["semantic_head"])
        extractor = regions["semantic_roi_extractor"]
        assert (extractor["featmap_strides"], extractor["roi_layer"]["output_size"]) == ([8], 14)
    return Detector(backbone, HTCHead(*parts, *heads, settings, semantic))


def region_training(config: Config, weight: float) -> RegionTraining:
    """Our settings for an official stage."""
    config = dict(config)
    made = RegionTraining(
        build_assigner(config.pop("assigner")), build_sampler(config.pop("sampler")), weight
    )
    assert config == {"mask_size": 28, "pos_weight": -1, "debug": False}, config
    return made


def detection_limits(config: Config) -> DetectionLimits:
    """Our limits for official ones."""
    assert config.get("mask_thr_binary", 0.5) == 0.5
    return DetectionLimits(config["score_thr"], build_suppression(config["nms"]), config["max_per_img"])


def run_training(case: Case, model: Detector, names: dict[str, str]) -> None:
    """Losses, proposals and gradients."""
    inputs, head = case.inputs, model.head
    frames = frames_of(case.config["img_metas"])
    truths = [
        Objects(inputs[f"gt_labels.{index}"], inputs[f"gt_bboxes.{index}"], inputs[f"gt_masks.{index}"])
        for index in range(len(frames))
    ]
    labels = inputs["gt_semantic_seg"][:, 0].long() if "gt_semantic_seg" in inputs else None
    levels = model.levels(inputs["image"])
    permutation, left = recorded_permutations(case.draws)
    losses = head.detection_losses(
        levels, frames, truths, labels, permutation, case.input_list("gt_bboxes_ignore") or None
    )
    assert next(left, None) is None, "recorded draws that were not asked for"
    total = torch.stack([value for name, value in losses.items() if "loss" in name]).sum()
    total.backward()
    outputs: dict[str, Tensor] = {
        # Some numbers are recorded as lists of one.
        name: value[None] if case.outputs[name].ndim else value
        for name, value in losses.items()
    }
    proposals = head.proposals.propose(head.proposals(levels), frames, head.settings.training_proposals)
    outputs |= {f"proposals.{index}": rows(part) for index, part in enumerate(proposals)}
    for name in case.outputs:
        if name.startswith(("buffers_after.", "after.")):
            outputs[name] = model.get_buffer(names[name.split(".", 1)[1]])
    check_outputs(case, outputs | {"total": total})
    parameters = dict(model.named_parameters())
    check_gradients(
        case, {name: parameters[ours].grad for name, ours in names.items() if ours in parameters}, {}
    )


def compared(name: str, index: int, found: Detections, size: tuple[int, int]) -> dict[str, Tensor]:
    """Detections of an image as recorded, their masks painted into an image of a size."""
    assert found.masks is not None
    masks = paste_masks(found.masks, found.boxes, size)
    if not len(masks):
        masks = masks.new_zeros(0, 1, 1)  # recorded without a size
    return {
        f"{name}.dets.{index}": torch.cat([found.boxes, found.scores[:, None]], 1),
        f"{name}.labels.{index}": found.classes,
        f"{name}.masks.{index}": masks,
    }


def run_test(case: Case, model: Detector) -> None:
    """Detections of a batch, in pixels of the images as they were and as they were tested."""
    metas = case.config["img_metas"]
    factors = [torch.tensor(meta["scale_factor"], dtype=torch.float32) for meta in metas]
    levels, frames = model.levels(case.inputs["image"]), frames_of(metas)
    outputs: dict[str, Tensor] = {}
    for index, found in enumerate(model.head.detect(levels, frames, factors)):
        outputs |= compared("rescale", index, found, tuple(metas[index]["ori_shape"][:2]))
    for index, found in enumerate(model.head.detect(levels, frames)):
        height, width = metas[index]["ori_shape"][:2]
        factor = factors[index]
        size = round(float(height * factor[1])), round(float(width * factor[0]))  # half to even
        outputs |= compared("test_scale", index, found, size)
    check_outputs(case, outputs)


def run_views(case: Case, model: Detector) -> None:
    """Detections from several views of one image."""
    metas, config = case.config["img_metas"], case.config["model"]
    seen = [
        SeenView(model.levels(image), frames_of([meta])[0], build_view(meta))
        for image, meta in zip(case.input_list("image"), metas, strict=True)
    ]
    votes = config["test_cfg"].get("aug") if config["type"].endswith("Aug") else None
    if votes is None:
        found = averaged_boxes(model.head, seen)
    else:
        ranges = [votes["scale_ranges"][index // 2] for index in range(len(seen))]
        found = voted_boxes(model.head, seen, ranges, detection_limits(votes))
    found = replace(found, masks=masks_in_views(model.head, seen, found))
    size = tuple(metas[0]["ori_shape"][:2])
    outputs = compared("rescale", 0, found, size)
    if "test_scale.dets.0" in case.outputs:
        scaled = replace(found, boxes=found.boxes * seen[0].view.factor.to(found.boxes))
        if votes is not None:
            # Boxes that are scaled already are taken for boxes of the image.
            scaled = replace(scaled, masks=masks_in_views(model.head, seen, scaled))
        outputs |= compared("test_scale", 0, scaled, size)
        if votes is None:
            outputs["test_scale.masks.0"] = outputs["rescale.masks.0"]
    check_outputs(case, outputs)


def run(path: Path) -> None:
    """One record."""
    case = Case(path)
    model = build_detector(case.config["model"])
    names = load_official(model, case.weights, "segmenter")
    model.to(case.dtype).train(case.training)
    what = case.spec["official"].rpartition(".")[2]
    if what == "forward_train":
        run_training(case, model, names)
    elif what == "simple_test":
        run_test(case, model)
    else:
        assert what == "aug_test", what
        run_views(case, model)


RUNNERS: dict[str, Runner] = {"": run}
