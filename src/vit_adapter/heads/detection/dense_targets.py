"""What the anchors of a dense head learn."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..head import Objects
from .dense_types import DenseSettings, DenseTargets, LevelTargets


@dataclass(frozen=True)
class ImageTargets:
    """What the anchors of one image learn, all levels in a row.

    Attributes:
        classes: int64 [A]; K is background.
        weights: [A] weight in the class loss.
        boxes: [A, 4] xyxy in pixels, zeros for background.
        positives: Anchors with an object.
        negatives: Anchors of the background.
    """

    classes: Tensor
    weights: Tensor
    boxes: Tensor
    positives: int
    negatives: int


@torch.no_grad()
def image_targets(
    anchors: Sequence[Tensor],
    valid: Sequence[Tensor],
    truth: Objects,
    num_classes: int,
    settings: DenseSettings,
    ignored: Tensor | None = None,
) -> ImageTargets:
    """Assigns the objects of one image.

    Args:
        anchors: [A_l, 4] xyxy in pixels of each level.
        valid: bool [A_l] of each level: anchors that belong to the image.
        truth: Its objects.
        num_classes: K.
        settings: Assigner and weights.
        ignored: [M, 4] regions that are neither object nor background.
    """
    everything = torch.cat(list(anchors))
    used = torch.cat(list(valid)).to(everything.device)
    boxes = truth.boxes.to(everything)
    found = settings.assigner(
        everything[used],
        [int(flags.sum()) for flags in valid],
        boxes,
        truth.classes,
        None if ignored is None else ignored.to(everything),
    )
    classes = torch.full((len(everything),), num_classes, device=everything.device)
    weights, wanted = everything.new_zeros(len(everything)), torch.zeros_like(everything)
    places, objects = used.nonzero()[:, 0], found.boxes > 0
    classes[places[objects]] = found.classes[objects]
    wanted[places[objects]] = boxes[found.boxes[objects] - 1]
    weights[places[objects]] = settings.positive_weight
    background = places[found.boxes == 0]
    weights[background] = 1.0
    return ImageTargets(classes, weights, wanted, int(objects.sum()), len(background))


def join_targets(
    images: Sequence[ImageTargets], anchors: Sequence[Tensor], strides: Sequence[int]
) -> DenseTargets:
    """The targets of a batch, level by level."""
    counts = [len(part) for part in anchors]
    columns = [
        torch.stack([getattr(one, name) for one in images]) for name in ("classes", "weights", "boxes")
    ]
    by_level = zip(*(column.split(counts, 1) for column in columns), strict=True)
    levels = [
        LevelTargets(part, stride, *values)
        for part, stride, values in zip(anchors, strides, by_level, strict=True)
    ]
    return DenseTargets(
        levels, sum(max(one.positives, 1) for one in images), sum(max(one.negatives, 1) for one in images)
    )
