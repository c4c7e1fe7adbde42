"""What several views of one image say together: boxes are brought back, proposals merged, masks averaged."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from vit_adapter.config.objects import SizeRange

from ..views import View
from .suppression import Suppression, suppress_by_class

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


def flip_boxes(boxes: Tensor, view: View) -> Tensor:
    """[N, 4] xyxy on the other side of the view; twice is as before."""
    height, width = view.size
    x1, y1, x2, y2 = boxes.unbind(-1)
    if view.flip in ("horizontal", "diagonal"):
        x1, x2 = width - x2, width - x1
    if view.flip in ("vertical", "diagonal"):
        y1, y2 = height - y2, height - y1
    return torch.stack([x1, y1, x2, y2], -1)


def boxes_to_view(boxes: Tensor, view: View) -> Tensor:
    """[N, 4] xyxy in pixels of the image as pixels of the view."""
    return flip_boxes(boxes * view.factor.to(boxes), view)


def boxes_from_view(boxes: Tensor, view: View) -> Tensor:
    """[N, 4] xyxy in pixels of the view as pixels of the image."""
    return flip_boxes(boxes, view) / view.factor.to(boxes)


def merge_proposals(
    proposals: Sequence[tuple[Tensor, Tensor]], views: Sequence[View], rule: Suppression, count: int
) -> tuple[Tensor, Tensor]:
    """Proposals of all views, without those that overlap better ones.

    Args:
        proposals: Of each view boxes [N_v, 4] in its pixels, and scores [N_v].
        views: How they were made.
        rule: Which of overlapping proposals stays.
        count: Most that stay.

    Returns:
        Boxes [M, 4] in pixels of the image, and scores [M], best first.
    """
    boxes = torch.cat([boxes_from_view(part, view) for (part, _), view in zip(proposals, views, strict=True)])
    scores = torch.cat([part for _, part in proposals])
    same = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
    kept, kept_scores = suppress_by_class(boxes, scores, same, rule, count)
    return boxes[kept], kept_scores


def mean_masks(masks: Sequence[Tensor], views: Sequence[View]) -> Tensor:
    """Masks [N, ..., h, w] of the same boxes in every view, flipped back and averaged."""
    axes = {None: [], "horizontal": [-1], "vertical": [-2], "diagonal": [-2, -1]}
    back = [part.flip(axes[view.flip]) for part, view in zip(masks, views, strict=True)]
    return torch.stack(back).mean(0)


def of_sizes(boxes: Tensor, sizes: Sequence[SizeRange]) -> Tensor:
    """Which boxes [..., 4] in pixels of the image have one of some sizes, bool [...]."""
    areas = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    fits = torch.zeros_like(areas, dtype=torch.bool)
    for low, high in (SIZE_RANGES[size] for size in sizes):
        fits |= (areas > low if low else areas >= 0) & (areas <= high)
    return fits
