"""The one rasteriser: polygons to masks, by COCO's rule (behaviour 136).

COCO's rule for a polygon: corners are rounded to fifths of a pixel; the outline is walked in steps of a fifth;
where it crosses the middle of a pixel column, inside and outside change at the first pixel centre at or below
it. So a square from 0 to 9 covers 81 pixels, one from 0 to 10 covers 100, and parts of an outline that lie
outside the image are cut off.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from vit_adapter.config import InputError

from .run_lengths import RunLengths

FINE = 5  # steps of the outline per pixel
FARTHEST = 1_000_000  # pixels; beyond it walking the outline would take minutes


def polygons_mask(polygons: Sequence[Sequence[float]], size: tuple[int, int]) -> np.ndarray:
    """``polygons_run_lengths`` as bool [H, W]."""
    return polygons_run_lengths(polygons, size).mask()


def polygons_run_lengths(
    polygons: Sequence[Sequence[float] | np.ndarray], size: tuple[int, int]
) -> RunLengths:
    """The union of polygons; one inside another cuts no hole.

    Args:
        polygons: Each one flat: x0, y0, x1, y1 ... in pixels from the top left corner of the image.
        size: (height, width) in pixels.

    Raises:
        InputError: For a polygon of fewer than three points, an odd count, or numbers that are not finite or
            are more than a million.
    """
    places = [_changes(polygon, size) for polygon in polygons]
    if len(places) == 1:
        return RunLengths.between(places[0], size)
    # One more polygon at every change to inside, one less at every change to outside.
    joined = np.concatenate([np.zeros(0, np.int64), *places])
    steps = np.concatenate([np.zeros(0, np.int64), *(1 - 2 * (np.arange(len(some)) % 2) for some in places)])
    order = np.argsort(joined)
    at, first = np.unique(joined[order], return_index=True)
    depth = np.cumsum(np.add.reduceat(steps[order], first)) if len(at) else steps
    covered = depth > 0
    return RunLengths.between(at[covered != np.concatenate([[False], covered[:-1]])], size)


def polygon_mask(polygon: Sequence[float], size: tuple[int, int]) -> np.ndarray:
    """One polygon as bool [H, W]; arguments and errors as for ``polygons_run_lengths``."""
    return polygons_run_lengths([polygon], size).mask()


def _changes(polygon: Sequence[float] | np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pixels, counted down the columns one after the other, at which outside becomes inside, outside ...; ascending."""
    height, width = size
    corners = np.trunc(checked_polygon(polygon).reshape(-1, 2) * FINE + 0.5).astype(np.int64)
    closed = np.concatenate([corners, corners[:1]])
    columns, rows = [], []
    for start, end in pairwise(closed):
        x, y = _walk(start, end)
        columns.append(x)
        rows.append(y)
    x, y = np.concatenate(columns), np.concatenate(rows)  # fine steps, closed
    left = np.minimum(x[1:], x[:-1])
    # A step over the middle of pixel column c leads from fine column 5c + 2 to 5c + 3 or back.
    crosses = (x[1:] != x[:-1]) & (left % FINE == FINE // 2) & (left >= 0) & (left < FINE * width)
    column = left[crosses] // FINE
    upper = np.minimum(y[1:], y[:-1])[crosses]
    row = ((upper + FINE // 2) // FINE).clip(0, height)  # first pixel centre at or below the crossing
    places, count = np.unique(column * height + row, return_counts=True)
    return places[(count % 2 == 1) & (places < height * width)]  # two changes at one place are none


def checked_polygon(polygon: Sequence[float] | np.ndarray) -> np.ndarray:
    """A polygon as float64 [2 N]; errors as for ``polygons_run_lengths``."""
    try:
        numbers = np.asarray(polygon, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("a polygon that is not a list of numbers") from None
    if numbers.ndim != 1:
        raise InputError("a polygon that is not a flat list of numbers x0, y0, x1, y1 ...")
    if numbers.size % 2:
        raise InputError(f"a polygon of {numbers.size} numbers, expected pairs of x and y")
    if numbers.size < 6:
        raise InputError(f"a polygon of {numbers.size // 2} points, expected 3 or more")
    if not np.isfinite(numbers).all():
        raise InputError(f"a polygon with the coordinate {numbers[~np.isfinite(numbers)][0]}")
    if np.abs(numbers).max() > FARTHEST:
        raise InputError(f"a polygon with the coordinate {numbers[np.abs(numbers).argmax()]:g}")
    return numbers


def _walk(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fine points from one corner to the next, both included: one for each step along the longer side.

    Points are the same in both directions, since they are always computed from the smaller end.
    """
    steps = int(np.abs(end - start).max())
    if steps == 0:
        return start[:1], start[1:]
    long, short = (0, 1) if abs(end[0] - start[0]) >= abs(end[1] - start[1]) else (1, 0)
    backwards = start[long] > end[long]
    low, high = (end, start) if backwards else (start, end)
    along = np.arange(steps + 1)
    slope = float(high[short] - low[short]) / float(steps)
    points = np.empty((2, steps + 1), dtype=np.int64)
    points[long] = low[long] + along
    points[short] = np.trunc(low[short] + slope * along + 0.5)
    if backwards:
        points = points[:, ::-1]
    return points[0], points[1]
