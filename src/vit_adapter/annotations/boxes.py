"""Boxes around objects, in the one convention of this package."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from vit_adapter.config import InputError

from .run_lengths import RunLengths

Boxes: TypeAlias = np.ndarray
"""float32 [N, 4]: left, top, right, bottom (xyxy) in pixels, ends exclusive.

Pixel (x, y) covers [x, x + 1) x [y, y + 1), so a box around that pixel alone is (x, y, x + 1, y + 1), and width times
height is the area. COCO's (left, top, width, height) is another form: convert it where a file is read.
"""


def checked_boxes(boxes: Any) -> Boxes:
    """Boxes as float32 [N, 4].

    Args:
        boxes: Numbers [N, 4]; an empty list has no boxes.

    Raises:
        InputError: Another shape, numbers that are not finite, or a box that ends before it begins, such as one
            in another convention.
    """
    try:
        checked = np.asarray(boxes, dtype=np.float32)
    except (TypeError, ValueError):
        raise InputError("boxes are not numbers, expected [N, 4]: left, top, right, bottom") from None
    if checked.size == 0:
        return checked.reshape(0, 4)
    if checked.ndim != 2 or checked.shape[1] != 4:
        raise InputError(f"boxes have the shape {checked.shape}, expected [N, 4]: left, top, right, bottom")
    wrong = ~np.isfinite(checked).all(axis=1) | (checked[:, 2:] < checked[:, :2]).any(axis=1)
    if wrong.any():
        raise InputError(
            f"the box {checked[wrong][0].tolist()}: expected left, top, right, bottom with right >= left and "
            "bottom >= top"
        )
    return checked


def box_areas(boxes: Boxes) -> np.ndarray:
    """float64 [N], in pixels."""
    return np.asarray(boxes[:, 2:] - boxes[:, :2], np.float64).prod(axis=1)


def boxes_of_masks(masks: np.ndarray | Sequence[RunLengths]) -> Boxes:
    """The smallest box around each mask.

    Args:
        masks: bool [N, H, W], or the run-lengths of N masks.

    Returns:
        float32 [N, 4]; zeros for a mask without a pixel.
    """
    boxes = np.zeros((len(masks), 4), np.float32)
    for box, mask in zip(boxes, masks):
        if isinstance(mask, RunLengths):
            box[:] = mask.box
            continue
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if rows.size:
            box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes
