"""From the candidates that an exported file gives to detections, in numpy: what the heads' ``find`` does."""

import numpy as np

from vit_adapter.annotations.suppression import suppressed_by_class
from vit_adapter.config.box_rule import BoxRule, level_sizes
from vit_adapter.inference.grid import Size


def chosen_boxes(
    scores: np.ndarray,
    boxes: np.ndarray,
    centerness: np.ndarray | None,
    rule: BoxRule,
    seen: Size,
    shown: Size,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The detections of one image, best first.

    Args:
        scores: float32 [N, K], of the candidates.
        boxes: float32 [N, 4] xyxy in pixels.
        centerness: float32 [N]; None: the file gives none.
        rule: How they are chosen.
        seen: (height, width) of what the graph was given.
        shown: The part of it, at the top left, that is not padding.

    Returns:
        Boxes [M, 4], classes int64 [M], scores [M].
    """
    lengths = [rows * columns for rows, columns in level_sizes(seen, rule.strides)] or [len(scores)]
    places, labels, values = [], [], []
    start = 0
    for length in lengths:
        part = scores[start : start + length]
        rows, classes = (part > rule.least_score).nonzero()
        order = np.argsort(-part[rows, classes], kind="stable")[: rule.per_level]
        places.append(start + rows[order])
        labels.append(classes[order])
        values.append(part[rows, classes][order])
        start += length
    place, label, value = (np.concatenate(parts) for parts in (places, labels, values))
    if centerness is not None:
        # Only now: neither the threshold nor the choice has seen it.
        value = value * centerness[place]
    chosen = np.minimum(boxes[place], np.array([shown[1], shown[0]] * 2, np.float32))
    kept = suppressed_by_class(chosen, value, label, rule.overlap, rule.count)
    return chosen[kept], label[kept], value[kept]
