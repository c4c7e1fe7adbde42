"""Detectors of this package and of others behind one form: what they learn from a batch, and what they find."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vit_adapter.annotations import Instances, InstanceTensors
from vit_adapter.config import AdapterConfig, ClassTable, HeadConfig, InferenceConfig, ModelConfig, ViTConfig
from vit_adapter.segmenter import Segmenter
from vit_adapter.zoo.detection import DETECTION

ANCHOR_SCALE = 2.0
"""Sides of the finest anchors in strides of 4 pixels: the objects of the scenes are small."""
LEAST_SCORE = 0.01


@dataclass(frozen=True)
class Batch:
    """Training images.

    Attributes:
        images: float32 [B, 3, S, S], normalised.
        labels: int64 [B, S, S].
        objects: Of each image.
    """

    images: Tensor
    labels: Tensor
    objects: list[InstanceTensors]


@dataclass(frozen=True)
class Side:
    """A detector.

    Attributes:
        title: What it is.
        module: With parameters.
        loss: The sum of its losses of a batch.
        find: Boxes, classes and scores in one normalised image [1, 3, S, S], of any size.
    """

    title: str
    module: nn.Module
    loss: Callable[[Batch], Tensor]
    find: Callable[[Tensor], Instances]


def ours(title: str, head: HeadConfig, classes: ClassTable) -> Side:
    """A head on ViT-Adapter-T with random weights, as its published recipe has it."""
    vit = ViTConfig(name="vit_tiny_patch16_224", pretrained=False)
    config = ModelConfig(vit, AdapterConfig(vit_feature="last"), head)
    model = Segmenter.from_config(config, classes, InferenceConfig(mode="whole"), task="detection")

    def find(image: Tensor) -> Instances:
        pyramid, _ = model._pyramid(image)  # the walk of ``predict`` without reading and normalising
        answer = model.head.find(pyramid, (image.shape[2], image.shape[3]))
        assert isinstance(answer, list)
        found = answer[0]
        return _instances(found.boxes, found.classes, found.scores)

    return Side(
        title,
        model,
        lambda batch: model.loss(batch.images, batch.labels, objects=batch.objects)["loss"],
        find,
    )


def mask_rcnn(classes: ClassTable) -> Side:
    """Our Mask R-CNN."""
    head = DETECTION["mask_rcnn_deit_adapter_tiny_fpn_3x_coco"].model.head
    head = replace(head, anchor_scale=ANCHOR_SCALE, least_score=LEAST_SCORE)  # pyright: ignore
    return ours("Mask R-CNN, ViT-Adapter-T", head, classes)


def atss(classes: ClassTable) -> Side:
    """Our ATSS, from the finest map on."""
    head = DETECTION["atss_deit_adapter_small_fpn_3x_coco"].model.head
    head = replace(head, finest_stride=4, anchor_scale=4.0)  # pyright: ignore
    return ours("ATSS, ViT-Adapter-T", head, classes)


def torchvision_mask_rcnn(classes: ClassTable) -> Side:
    """Torchvision's Mask R-CNN, with anchors of the same sizes; class 0 is background there."""
    from torchvision.models.detection import maskrcnn_resnet50_fpn
    from torchvision.models.detection.anchor_utils import AnchorGenerator

    strides = (4, 8, 16, 32, 64)
    sizes = tuple((int(ANCHOR_SCALE * stride),) for stride in strides)
    model: Any = maskrcnn_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=len(classes) + 1,
        trainable_backbone_layers=5,
        rpn_anchor_generator=AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes)),
        box_score_thresh=LEAST_SCORE,
        image_mean=[0.0] * 3,
        image_std=[1.0] * 3,
        min_size=32,
        max_size=4096,
    )

    def loss(batch: Batch) -> Tensor:
        model.transform.min_size = (batch.images.shape[2],)
        targets = [
            {"boxes": one.boxes, "labels": one.classes + 1, "masks": _masks(one)} for one in batch.objects
        ]
        return torch.stack(list(model(list(batch.images), targets).values())).sum()

    def find(image: Tensor) -> Instances:
        model.transform.min_size = (min(image.shape[2:]),)
        (found,) = model(list(image))
        return _instances(found["boxes"], found["labels"] - 1, found["scores"])

    return Side("Mask R-CNN, ResNet-50 FPN (torchvision)", model, loss, find)


def d_fine(classes: ClassTable) -> Side:
    """D-FINE in the size that transformers builds by itself (HGNetV2 and 6 decoder layers, about that of "L")."""
    from transformers import DFineConfig, DFineForObjectDetection

    config = DFineConfig(num_labels=len(classes))  # pyright: ignore[reportCallIssue]
    model = DFineForObjectDetection(config)

    def loss(batch: Batch) -> Tensor:
        height, width = batch.images.shape[2:]
        sides = torch.tensor([width, height] * 2)
        labels = [
            {"class_labels": one.classes, "boxes": _centred(one.boxes) / sides} for one in batch.objects
        ]
        return model(pixel_values=batch.images, labels=labels).loss  # pyright: ignore

    def find(image: Tensor) -> Instances:
        height, width = image.shape[2:]
        answer: Any = model(pixel_values=image)
        scores, places = answer.logits[0].sigmoid().flatten().sort(descending=True)
        places = places[:100]
        x, y, across, down = answer.pred_boxes[0][places // len(classes)].unbind(1)
        boxes = torch.stack([x - across / 2, y - down / 2, x + across / 2, y + down / 2], 1)
        boxes = (boxes.clamp(0, 1) * torch.tensor([width, height] * 2)).contiguous()
        return _instances(boxes, places % len(classes), scores[:100])

    return Side("D-FINE (transformers)", model, loss, find)


SIDES: dict[str, Callable[[ClassTable], Side]] = {
    "mask-rcnn": mask_rcnn,
    "atss": atss,
    "torchvision-mask-rcnn": torchvision_mask_rcnn,
    "d-fine": d_fine,
}


def _instances(boxes: Tensor, classes: Tensor, scores: Tensor) -> Instances:
    sides = boxes.detach().float().numpy()
    return Instances(
        classes.numpy(), np.sort(sides.reshape(-1, 2, 2), 1).reshape(-1, 4), None, scores.numpy()
    )


def _masks(objects: InstanceTensors) -> Tensor:
    assert objects.masks is not None
    return objects.masks


def _centred(boxes: Tensor) -> Tensor:
    """Corners as centre, width and height."""
    return torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1)


def batch_of(samples: Sequence[Any]) -> Batch:
    """Samples of a training set as a batch."""
    return Batch(
        torch.stack([one["image"] for one in samples]),
        torch.stack([one["labels"] for one in samples]),
        [one["instances"] for one in samples],
    )
