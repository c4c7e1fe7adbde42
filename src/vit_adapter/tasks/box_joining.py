"""Boxes that were found in windows, at the size of the image. No torch here: exported models are applied without it."""

import numpy as np

from vit_adapter.annotations import Boxes, Instances
from vit_adapter.annotations.suppression import suppressed_by_class
from vit_adapter.config import ObjectConfig
from vit_adapter.inference.grid import Size

from .window_walk import FoundInView, MaskSizes

SAME_BOX = 0.5
"""Of boxes of a class that two windows found, and that overlap more than this (IoU), the better one stays."""


def counted_boxes(
    boxes: Boxes, classes: np.ndarray, scores: np.ndarray, sizes: MaskSizes, wanted: ObjectConfig
) -> Instances:
    """The boxes of one window that are given out.

    Args:
        boxes: [N, 4] in pixels of what the model saw, best first.
        classes: int64 [N].
        scores: float32 [N].
        sizes: Of the window; boxes come out at the last of them.
        wanted: Which objects count.
    """
    kept = (scores >= wanted.score_threshold) & (np.arange(len(scores)) < wanted.max_objects)
    boxes = scaled_boxes(boxes[kept], sizes.valid, sizes.result)
    sides = boxes[:, 2:] - boxes[:, :2]
    large = (sides > 0).all(1) & (sides.prod(1) >= wanted.min_area)
    return Instances(classes[kept][large], boxes[large], None, scores[kept][large])


def joined_boxes(found: FoundInView[Instances]) -> Instances:
    """The boxes of an image: those of its windows, without those that overlap better ones of their class."""
    if found.whole is not None:
        return found.whole
    parts = list(zip(found.windows, found.found, strict=True))
    boxes = np.concatenate(
        [np.zeros((0, 4), np.float32)]
        + [part.boxes + np.array([window.left, window.top] * 2, np.float32) for window, part in parts]
    )
    classes = np.concatenate([np.zeros(0, np.int64)] + [part.classes for _, part in parts])
    scores = np.concatenate([np.zeros(0, np.float32)] + [_scores(part) for _, part in parts])
    kept = suppressed_by_class(boxes, scores, classes, SAME_BOX)
    return Instances(classes[kept], scaled_boxes(boxes[kept], found.view, found.size), None, scores[kept])


def scaled_boxes(boxes: Boxes, old: Size, new: Size) -> Boxes:
    """[N, 4] in pixels of an image of one size as pixels of another, inside of it."""
    factors = np.array([new[1] / old[1], new[0] / old[0]] * 2, np.float32)
    return np.minimum((boxes * factors).clip(min=0), np.array([new[1], new[0]] * 2, np.float32))


def _scores(objects: Instances) -> np.ndarray:
    assert objects.scores is not None
    return objects.scores
