"""Overlaps of boxes, and boxes cut to their image.

A box is x1 y1 x2 y2 in pixels, ends exclusive: its width is x2 - x1.
"""

import torch
from torch import Tensor

LEAST_AREA = 1e-6
"""Areas that something is divided by are at least this, in square pixels."""


def box_areas(boxes: Tensor) -> Tensor:
    """[..., 4] -> [...], negative for reversed boxes."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def box_overlaps(
    first: Tensor, second: Tensor, *, of_first: bool = False, generalized: bool = False
) -> Tensor:
    """Overlap of every box with every other one (behaviour 141).

    Args:
        first: [N, 4].
        second: [M, 4].
        of_first: Common area over the area of the first box instead of over that of both.
        generalized: Less the share of the smallest box around both that neither fills (Rezatofighi et al.,
            CVPR 2019), -1..1.

    Returns:
        [N, M].
    """
    return aligned_overlaps(first[:, None], second[None], of_first=of_first, generalized=generalized)


def aligned_overlaps(
    first: Tensor, second: Tensor, *, of_first: bool = False, generalized: bool = False
) -> Tensor:
    """Overlap of boxes at the same place: [..., 4] and [..., 4], which may broadcast; see ``box_overlaps``."""
    # The order of these operations decides which of several anchors inside one box overlap it "equally".
    common = (
        torch.minimum(first[..., 2:], second[..., 2:]) - torch.maximum(first[..., :2], second[..., :2])
    ).clamp(min=0)
    overlap = common[..., 0] * common[..., 1]
    least = overlap.new_tensor(LEAST_AREA)
    area = box_areas(first).expand_as(overlap) if of_first else box_areas(first) + box_areas(second) - overlap
    area = torch.maximum(area, least)
    share = overlap / area
    if not generalized:
        return share
    around = (
        torch.maximum(first[..., 2:], second[..., 2:]) - torch.minimum(first[..., :2], second[..., :2])
    ).clamp(min=0)
    around = torch.maximum(around[..., 0] * around[..., 1], least)
    return share - (around - area) / around


def clip_boxes(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """[..., 4] cut to an image of ``size`` (height, width); a box outside it becomes empty."""
    x, y = boxes[..., 0::2].clamp(0, size[1]), boxes[..., 1::2].clamp(0, size[0])
    return torch.stack([x, y], -1).flatten(-2)
