"""Of boxes that overlap, the one with the best score stays."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import nms

from .soft_suppression import Decay, soft_suppress


@dataclass(frozen=True)
class Suppression:
    """Which boxes are suppressed.

    Attributes:
        overlap: A box goes when its IoU with a better one is above this, strictly.
        least_score: Only boxes with a score above it are looked at; 0: all.
        count: Most boxes that stay; None: all.
        class_agnostic: Boxes of other classes suppress, too.
        split: From this many boxes on every class is treated by itself: the same boxes stay, in less time.
        decay: Boxes lose score instead of going; None: they go.
    """

    overlap: float
    least_score: float = 0.0
    count: int | None = None
    class_agnostic: bool = False
    split: int = 10_000
    decay: Decay | None = None


def suppress_by_class(
    boxes: Tensor, scores: Tensor, classes: Tensor, rule: Suppression | None, count: int | None = None
) -> tuple[Tensor, Tensor]:
    """Non-maximum suppression within every class (behaviour 146).

    Args:
        boxes: [N, 4] xyxy.
        scores: [N].
        classes: int64 [N]; any numbers that tell groups apart.
        rule: None: all stay, sorted.
        count: Most boxes that stay, on top of the rule's own limit; None: no further limit.

    Returns:
        int64 [M] indices of the boxes that stay, best first, and their scores [M].
    """
    kept, kept_scores = _suppress_by_class(boxes, scores, classes, rule, count)
    return (kept, kept_scores) if count is None else (kept[:count], kept_scores[:count])


def _suppress_by_class(
    boxes: Tensor, scores: Tensor, classes: Tensor, rule: Suppression | None, count: int | None
) -> tuple[Tensor, Tensor]:
    if not len(boxes):
        return classes.new_zeros(0), scores
    if rule is None:
        kept_scores, kept = scores.sort(descending=True)
        return kept, kept_scores
    if not rule.class_agnostic:
        # Boxes of two classes never touch once each class has a place of its own.
        boxes = boxes + (classes.to(boxes) * (boxes.max() + 1))[:, None]
    if len(boxes) < rule.split:
        return _suppress(boxes, scores, rule, count)
    groups = [(classes == one).nonzero()[:, 0] for one in classes.unique()]
    parts = [(group, *_suppress(boxes[group], scores[group], rule, count)) for group in groups]
    kept = torch.cat([group[places] for group, places, _ in parts])
    kept_scores = torch.cat([values for *_, values in parts])
    order = kept.argsort()  # equal scores stay in the order in which the boxes were given
    kept, kept_scores = kept[order], kept_scores[order]
    kept_scores, order = kept_scores.sort(descending=True)
    kept = kept[order]
    return (kept, kept_scores) if rule.count is None else (kept[: rule.count], kept_scores[: rule.count])


def _suppress(boxes: Tensor, scores: Tensor, rule: Suppression, count: int | None) -> tuple[Tensor, Tensor]:
    """Indices of the boxes that stay, best first, and their scores."""
    limits = [limit for limit in (rule.count, count) if limit is not None and limit > 0]
    most = min(limits) if limits else None
    if rule.decay is not None:
        return soft_suppress(boxes, scores, rule.overlap, rule.decay, most)
    if rule.least_score > 0:
        looked_at = (scores > rule.least_score).nonzero()[:, 0]
        kept = looked_at[nms(boxes[looked_at], scores[looked_at], rule.overlap)]
    else:
        kept = nms(boxes, scores, rule.overlap)
    return kept[:most], scores[kept[:most]]
