"""Of boxes that overlap, the one with the best score stays: in numpy, for results and for programs without torch."""

import numpy as np

from .boxes import Boxes


def suppressed_by_class(
    boxes: Boxes, scores: np.ndarray, classes: np.ndarray, overlap: float | None, count: int | None = None
) -> np.ndarray:
    """Non-maximum suppression within every class, with the arithmetic of ``heads.detection.suppression``.

    Args:
        boxes: [N, 4].
        scores: float32 [N].
        classes: int64 [N].
        overlap: A box goes when its IoU with a better one of its class is above this, strictly; None: all stay.
        count: Most boxes that stay; None: all.

    Returns:
        int64 [M] indices of the boxes that stay, best first; of equal scores the first.
    """
    order = np.argsort(-scores, kind="stable")
    if overlap is None or not len(order):
        return order[:count]
    # Boxes of two classes never touch once each class has a place of its own.
    placed = boxes + (classes.astype(boxes.dtype) * (boxes.max() + boxes.dtype.type(1)))[:, None]
    areas = (placed[:, 2] - placed[:, 0]) * (placed[:, 3] - placed[:, 1])
    kept: list[int] = []
    while len(order) and (count is None or len(kept) < count):
        best, order = order[0], order[1:]
        kept.append(int(best))
        corners = np.maximum(placed[best, :2], placed[order, :2])
        sides = (np.minimum(placed[best, 2:], placed[order, 2:]) - corners).clip(min=0)
        common = sides[:, 0] * sides[:, 1]
        with np.errstate(invalid="ignore"):  # two empty boxes
            shares = common / (areas[best] + areas[order] - common)
        order = order[~(shares > overlap)]
    return np.array(kept, np.int64)
