"""What several views of one image say together: views are scaled and flipped, and boxes are brought back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .suppression import Suppression, suppress_by_class

Flip = Literal["horizontal", "vertical", "diagonal"]


@dataclass(frozen=True)
class View:
    """How a view was made of its image: scaled, then flipped, then padded.

    Attributes:
        size: (height, width) of the scaled image, without padding.
        factor: float32 [4], by how much it was enlarged in width, height, width, height.
        flip: "diagonal": in both directions.
    """

    size: tuple[int, int]
    factor: Tensor
    flip: Flip | None = None


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
