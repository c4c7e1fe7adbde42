"""Of boxes that overlap, the one with the best score stays."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import nms


@dataclass(frozen=True)
class Suppression:
    """Which boxes are suppressed.

    Attributes:
        overlap: A box goes when its IoU with a better one is above this, strictly.
        least_score: Only boxes with a score above it are looked at; 0: all.
        count: Most boxes that stay; None: all.
        class_agnostic: Boxes of other classes suppress, too.
        split: From this many boxes on every class is treated by itself: the same boxes stay, in less time.
    """

    overlap: float
    least_score: float = 0.0
    count: int | None = None
    class_agnostic: bool = False
    split: int = 10_000


def suppress_by_class(
    boxes: Tensor, scores: Tensor, classes: Tensor, rule: Suppression | None
) -> tuple[Tensor, Tensor]:
    """Non-maximum suppression within every class.

    Args:
        boxes: [N, 4] xyxy.
        scores: [N].
        classes: int64 [N]; any numbers that tell groups apart.
        rule: None: all stay, sorted.

    Returns:
        int64 [M] indices of the boxes that stay, best first, and their scores [M].
    """
    if not len(boxes):
        return classes.new_zeros(0), scores
    if rule is None:
        kept_scores, kept = scores.sort(descending=True)
        return kept, kept_scores
    if not rule.class_agnostic:
        # Boxes of two classes never touch once each class has a place of its own.
        boxes = boxes + (classes.to(boxes) * (boxes.max() + 1))[:, None]
    if len(boxes) < rule.split:
        kept = _suppress(boxes, scores, rule)
    else:
        groups = [(classes == one).nonzero()[:, 0] for one in classes.unique()]
        kept = torch.cat([group[_suppress(boxes[group], scores[group], rule)] for group in groups])
        kept = kept.sort().values
        kept = kept[scores[kept].sort(descending=True).indices]
        kept = kept if rule.count is None else kept[: rule.count]
    return kept, scores[kept]


def _suppress(boxes: Tensor, scores: Tensor, rule: Suppression) -> Tensor:
    """Indices of the boxes that stay, best first."""
    if rule.least_score > 0:
        looked_at = (scores > rule.least_score).nonzero()[:, 0]
        kept = looked_at[nms(boxes[looked_at], scores[looked_at], rule.overlap)]
    else:
        kept = nms(boxes, scores, rule.overlap)
    return kept if rule.count is None or rule.count <= 0 else kept[: rule.count]
