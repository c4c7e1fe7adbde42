"""Detections of a two-stage head from several views of one image: averaged, or voted on by the size of objects."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from vit_adapter.heads.head import Detections

from ..frame import Frame
from .augmented import View, boxes_from_view, boxes_to_view, mean_masks, merge_proposals
from .class_suppression import select_detections
from .two_stage import TwoStageHead
from .two_stage_settings import DetectionLimits

SizeRange = Literal["s", "m", "m-", "m+", "l", "l-", "l+"]
SIZE_RANGES: dict[SizeRange, tuple[float, float]] = {
    "s": (0, 32**2),
    "m": (32**2, 96**2),
    "m-": (32**2, 64**2),
    "m+": (64**2, 96**2),
    "l": (96**2, math.inf),
    "l-": (96**2, 512**2),
    "l+": (512**2, math.inf),
}
"""Areas in square pixels of the image: above the first number, up to the second."""


@dataclass(frozen=True)
class SeenView:
    """A view, and what the neck made of it.

    Attributes:
        levels: Of a batch of one.
        frame: Where the view lies in its padding.
        view: How it was made.
    """

    levels: Sequence[Tensor]
    frame: Frame
    view: View


@torch.no_grad()
def averaged_boxes(head: TwoStageHead, seen: Sequence[SeenView]) -> Detections:
    """Boxes, without masks: all views judge the same proposals, and their boxes and probabilities are averaged.

    Args:
        head: The detector.
        seen: Views of one image.

    Returns:
        Boxes in pixels of the image.
    """
    limits, views = head.settings.proposals, [one.view for one in seen]
    found = [head.proposals.propose(head.proposals(one.levels), [one.frame], limits)[0] for one in seen]
    proposals, _ = merge_proposals(found, views, limits.suppression, limits.count)
    boxes, scores = [], []
    for one in seen:
        own = boxes_to_view(proposals, one.view)
        ((view_boxes, view_scores),) = head.scored_boxes(
            one.levels, [one.frame], head.context(one.levels), [own]
        )
        boxes.append(_from_view(view_boxes, one.view))
        scores.append(view_scores)
    return _selected(torch.stack(boxes).mean(0), torch.stack(scores).mean(0), head.settings.limits)


@torch.no_grad()
def voted_boxes(
    head: TwoStageHead,
    seen: Sequence[SeenView],
    ranges: Sequence[Sequence[SizeRange]],
    limits: DetectionLimits,
) -> Detections:
    """Boxes, without masks: every view finds objects by itself, and is believed for those of its sizes.

    Args:
        head: The detector; its boxes hold for all classes.
        seen: Views of one image.
        ranges: For each view the sizes of the objects that it is believed for, in pixels of the image.
        limits: Which of all boxes become detections.

    Returns:
        Boxes in pixels of the image.
    """
    boxes, scores = [], []
    for one, sizes in zip(seen, ranges, strict=True):
        ((view_boxes, view_scores),) = head.scored_boxes(one.levels, [one.frame], head.context(one.levels))
        own = boxes_from_view(view_boxes, one.view)
        areas = (own[:, 2] - own[:, 0]) * (own[:, 3] - own[:, 1])
        fits = torch.zeros_like(areas, dtype=torch.bool)
        for low, high in (SIZE_RANGES[size] for size in sizes):
            fits |= (areas > low if low else areas >= 0) & (areas <= high)
        boxes.append(own[fits])
        scores.append(view_scores[fits])
    return _selected(torch.cat(boxes), torch.cat(scores), limits)


@torch.no_grad()
def masks_in_views(head: TwoStageHead, seen: Sequence[SeenView], found: Detections) -> Tensor:
    """The masks [N, 28, 28] inside boxes in pixels of the image, the mean of all views and stages."""
    masks = [
        head.masks_of(
            one.levels, [boxes_to_view(found.boxes, one.view)], [found.classes], head.context(one.levels)
        )[0]
        for one in seen
    ]
    return mean_masks(masks, [one.view for one in seen])


def _from_view(boxes: Tensor, view: View) -> Tensor:
    """[N, 4] or [N, 4 K] in pixels of the view as pixels of the image."""
    return boxes_from_view(boxes.unflatten(1, (boxes.shape[1] // 4, 4)), view).flatten(1)


def _selected(boxes: Tensor, scores: Tensor, limits: DetectionLimits) -> Detections:
    boxes, scores, classes, _ = select_detections(
        boxes, scores, limits.least_score, limits.suppression, limits.count
    )
    return Detections(boxes, classes, scores)
