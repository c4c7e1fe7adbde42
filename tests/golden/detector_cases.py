"""Area 40: whole detectors on a tiny backbone, and the detection BEiT."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vit_adapter.heads.detection.dense_detector import DenseDetector
from vit_adapter.heads.detection.learned_proposals import LearnedProposals
from vit_adapter.heads.detection.sparse_detector import SparseDetector
from vit_adapter.segmenter import Segmenter

from .areas import Runner
from .building import build_backbone
from .case import Case
from .comparison import check_gradients, check_outputs
from .dense_cases import build_dense_head, factors_of, frames_of, listed, selection_of, truths_of
from .names import load_official
from .neck_building import build_neck
from .running import numbered, run_module
from .sparse_rcnn_cases import build_stages, by_class, loss_outputs

Config = dict[str, Any]


def build_detector(config: Config) -> Segmenter:
    """Our model for an official detector."""
    backbone = build_backbone(
        {name: value for name, value in config["backbone"].items() if name != "pretrained"},
        config["backbone"]["type"],
        detection=True,
    )
    neck = build_neck(config["neck"])
    if config["type"] == "SparseRCNN":
        rpn, roi = config["rpn_head"], config["roi_head"]
        stages = build_stages(roi, config["train_cfg"]["rcnn"])
        classes = roi["bbox_head"][0]["num_classes"]
        proposals = LearnedProposals(rpn["num_proposals"], rpn["proposal_feature_channel"])
        head = SparseDetector(neck, proposals, stages, classes, config["test_cfg"]["rcnn"]["max_per_img"])
    else:
        dense = build_dense_head(config["bbox_head"] | {"train_cfg": config["train_cfg"]})
        classes = dense.num_classes
        head = DenseDetector(neck, dense, selection_of(config["test_cfg"]))
    return Segmenter(backbone, head, classes)


def run_training(path: Path) -> None:
    """Losses of images, gradients of all parameters, and buffers afterwards."""
    case = Case(path)
    model = build_detector(case.config)
    names = load_official(model, case.weights, "segmenter")
    model.to(case.dtype).train()
    case.require_input_gradients()
    frames, truths = frames_of(case), truths_of(case)
    pyramid = model.backbone(case.inputs["img"])
    head = model.head
    if isinstance(head, SparseDetector):
        losses = head.refinement.losses(head.predictions(pyramid, frames), truths, frames)
        outputs = loss_outputs(losses, case)
    else:
        assert isinstance(head, DenseDetector)
        predictions = head.dense(head.neck(pyramid))
        losses = head.dense.losses(predictions, head.dense.targets(predictions, truths, frames))
        outputs = listed(losses) | {f"log.{name}": values.sum() for name, values in losses.items()}
    outputs["total"].backward()
    parameters = dict(model.named_parameters())
    grads = {name: parameters[ours].grad for name, ours in names.items() if ours in parameters}
    check_gradients(case, grads, {name: case.inputs[name].grad for name in case.grad_inputs})
    for name in case.outputs:
        if name.startswith("after."):
            outputs[name] = model.get_buffer(names[name.removeprefix("after.")])
    check_outputs(case, outputs)


def run_test(path: Path) -> None:
    """Results of images by class, in pixels of the batch and of the original images."""
    case = Case(path)
    model = build_detector(case.config)
    load_official(model, case.weights, "segmenter")
    model.to(case.dtype).eval()
    frames, outputs, head = frames_of(case), {}, model.head
    with torch.no_grad():
        pyramid = model.backbone(case.inputs["img"])
        for name, factors in (("rescaled", factors_of(case)), ("not_rescaled", None)):
            if isinstance(head, SparseDetector):
                last = head.predictions(pyramid, frames)[-1]
                found = head.refinement.detect(last, factors, head.detections)
            else:
                assert isinstance(head, DenseDetector)
                found = head.dense.detect(head.dense(head.neck(pyramid)), frames, factors, head.selection)
            outputs |= {
                f"{name}.bboxes.{image}.{index}": part
                for image, one in enumerate(found)
                for index, part in enumerate(by_class(one, head.num_classes))
            }
    check_outputs(case, outputs)


def run_beit(path: Path) -> None:
    """The backbone of detection on BEiT."""
    case = Case(path)
    backbone = build_backbone(case.config, case.config["type"], detection=True)

    def forward() -> dict[str, Tensor]:
        return numbered("features", backbone(case.inputs["x"]))

    run_module(case, backbone, "backbone", forward)


RUNNERS: dict[str, Runner] = {
    **{
        f"40_detectors__{name}_{kind}": runner
        for name in ("atss", "gfl", "sparse_rcnn")
        for kind, runner in (("train", run_training), ("test", run_test))
    },
    "40_detectors__beit_adapter": run_beit,
}
