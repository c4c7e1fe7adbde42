"""From boxes with scores for every class to detections."""

import torch
from torch import Tensor

from .suppression import Suppression, suppress_by_class


def select_detections(
    boxes: Tensor, scores: Tensor, least_score: float, rule: Suppression | None, count: int | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The best boxes of all classes (behaviour 148).

    Args:
        boxes: [N, 4], or [N, 4 K] with a box for each class, xyxy.
        scores: [N, K + 1]; the last column is background.
        least_score: Scores have to be above it, strictly.
        rule: Which of overlapping boxes of a class stays; None: all stay, sorted.
        count: Most detections; None: all.

    Returns:
        Boxes [M, 4], scores [M], classes int64 [M], best first; and where each came from, int64 [M], counted box by box
        and class by class.
    """
    classes = scores.shape[1] - 1
    candidates = (scores[:, :-1] > least_score).nonzero()  # box by box, class by class
    rows, labels = candidates.unbind(1)
    chosen = boxes.unflatten(1, (boxes.shape[1] // 4, 4))
    chosen = chosen[rows, labels] if boxes.shape[1] > 4 else chosen[rows, 0]
    kept, kept_scores = suppress_by_class(chosen, scores[rows, labels], labels, rule, count)
    return chosen[kept], kept_scores, labels[kept], (rows * classes + labels)[kept]


def empty_detections(like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """No box, no score, no class, in the type of ``like``."""
    return like.new_zeros(0, 4), like.new_zeros(0), torch.zeros(0, dtype=torch.int64, device=like.device)
