"""Boxes as four distances from a point: to the left, the top, the right and the bottom side (behaviour 160)."""

import torch
from torch import Tensor

from .boxes import clip_boxes

ROOM = 0.1
"""How far below the largest distance targets stay, so that there is always a bin above them."""


def boxes_at(points: Tensor, distances: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """Boxes around points.

    Args:
        points: [N, 2] x y.
        distances: [N, 4] to the left, top, right and bottom side.
        size: (height, width) that boxes are clipped to; None: not clipped.

    Returns:
        [N, 4] xyxy.
    """
    boxes = torch.cat([points - distances[:, :2], points + distances[:, 2:]], 1)
    return boxes if size is None else clip_boxes(boxes, size)


def distances_to(points: Tensor, boxes: Tensor, largest: float | None = None) -> Tensor:
    """Distances from points to the sides of boxes, the inverse of ``boxes_at``.

    Args:
        points: [N, 2] x y.
        boxes: [N, 4] xyxy.
        largest: Distances are limited to 0 .. largest - 0.1; None: not limited.

    Returns:
        [N, 4].
    """
    distances = torch.cat([points - boxes[:, :2], boxes[:, 2:] - points], 1)
    return distances if largest is None else distances.clamp(0, largest - ROOM)
