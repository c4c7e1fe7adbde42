"""Shapes that labelling tools draw beside polygons: their outlines as polygons, and strokes of a width."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from vit_adapter.config import InputError

from .polygons import FARTHEST

ELLIPSE_CORNERS = 128


def rectangle_outline(
    left: float, top: float, width: float, height: float, degrees: float = 0, about: str = "centre"
) -> list[float]:
    """The corners of a rectangle that may be turned, as a flat polygon.

    Args:
        left: Left side before it is turned, in pixels, as all lengths here.
        top: Upper side before it is turned.
        width: From left to right.
        height: From top to bottom.
        degrees: Clockwise turn, as a viewer sees it.
        about: What stays in its place: "centre", or "corner", the upper left one.
    """
    x, y = (left + width / 2, top + height / 2) if about == "centre" else (left, top)
    corners = [(left, top), (left + width, top), (left + width, top + height), (left, top + height)]
    if not degrees:
        return [value for corner in corners for value in corner]
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turned = [
        (x + cosine * (a - x) - sine * (b - y), y + sine * (a - x) + cosine * (b - y)) for a, b in corners
    ]
    return [value for corner in turned for value in corner]


def ellipse_outline(x: float, y: float, across: float, down: float, degrees: float = 0) -> list[float]:
    """An ellipse as a flat polygon of 128 corners.

    Args:
        x: Its centre, in pixels, as all lengths here.
        y: The same, downwards.
        across: Radius along x before it is turned.
        down: Radius along y before it is turned.
        degrees: Clockwise turn about the centre, as a viewer sees it.
    """
    angles = np.arange(ELLIPSE_CORNERS) * (2 * math.pi / ELLIPSE_CORNERS)
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    a, b = across * np.cos(angles), down * np.sin(angles)
    with np.errstate(over="ignore"):  # whoever draws it refuses infinite corners
        corners = np.stack([x + cosine * a - sine * b, y + sine * a + cosine * b], axis=1)
    return corners.ravel().tolist()


def stroke_mask(points: Sequence[float] | np.ndarray, width: float, size: tuple[int, int]) -> np.ndarray:
    """A line drawn with a round pen, bool [H, W]: all pixels whose centre is within half the width of it.

    Args:
        points: Flat: x0, y0, x1, y1 ... in pixels, joined in their order; a single point is a disc.
        width: Of the pen, in pixels.
        size: (height, width) of the image.

    Raises:
        InputError: For no point, an odd count, or numbers that are not finite or are more than a million.
    """
    try:
        corners = np.asarray(points, np.float64)
    except (TypeError, ValueError):
        raise InputError("a line that is not a list of numbers") from None
    if corners.ndim != 1 or corners.size % 2 or not corners.size:
        raise InputError(f"a line of {corners.size} numbers, expected pairs of x and y")
    if not np.isfinite(corners).all() or np.abs(corners).max() > FARTHEST:
        raise InputError(f"a line with the coordinate {corners[np.abs(corners).argmax()]:g}")
    drawn = np.zeros(size, bool)
    corners = corners.reshape(-1, 2)
    for start, end in pairwise(corners) if len(corners) > 1 else [(corners[0], corners[0])]:
        _draw_segment(drawn, start, end, width / 2)
    return drawn


def _draw_segment(drawn: np.ndarray, start: np.ndarray, end: np.ndarray, reach: float) -> None:
    """Adds the pixels whose centre is within reach of the segment from one point to another."""
    low = np.floor(np.minimum(start, end) - reach).astype(int).clip(0)
    high = np.ceil(np.maximum(start, end) + reach).astype(int).clip(0, drawn.shape[::-1])
    if (high <= low).any():
        return
    (left, top), (right, bottom) = low, high
    x, y = np.arange(left, right) + 0.5 - start[0], np.arange(top, bottom)[:, None] + 0.5 - start[1]
    along = end - start
    length = float(along @ along)
    # Place of the nearest point of the segment, as a fraction of its length.
    place = ((x * along[0] + y * along[1]) / length).clip(0, 1) if length else np.zeros((1, 1))
    distance = (x - place * along[0]) ** 2 + (y - place * along[1]) ** 2
    drawn[top:bottom, left:right] |= distance <= reach * reach
