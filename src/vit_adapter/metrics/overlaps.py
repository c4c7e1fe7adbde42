"""How much objects overlap: boxes with boxes, masks with masks, both without a full-size array."""

from collections.abc import Sequence

import numpy as np

from vit_adapter.annotations import Boxes, RunLengths, box_areas
from vit_adapter.config import InputError


def box_overlaps(found: Boxes, true: Boxes, crowd: np.ndarray) -> np.ndarray:
    """Intersection over union of every found box with every true one.

    Args:
        found: float [D, 4], see ``Boxes``.
        true: float [G, 4].
        crowd: bool [G]: of these the intersection is divided by the area of the found box alone, as COCO does.

    Returns:
        float64 [D, G], 0..1.
    """
    found, true = np.asarray(found, np.float64), np.asarray(true, np.float64)
    sides = np.minimum(found[:, None, 2:], true[None, :, 2:]) - np.maximum(
        found[:, None, :2], true[None, :, :2]
    )
    intersection = sides.clip(min=0).prod(axis=2)  # [D, G]
    return _ratios(intersection, box_areas(found), box_areas(true), crowd)


def mask_overlaps(found: Sequence[RunLengths], true: Sequence[RunLengths], crowd: np.ndarray) -> np.ndarray:
    """As ``box_overlaps``, for masks of one image.

    Only masks whose columns meet are compared, run by run.

    Raises:
        InputError: The masks have different sizes.
    """
    sizes = {mask.size for mask in (*found, *true)}
    if len(sizes) > 1:
        described = " and ".join(f"{height}×{width}" for height, width in sorted(sizes))
        raise InputError(f"masks of {described} pixels (height × width) cannot be compared")
    edges_found, edges_true = [mask_edges(mask) for mask in found], [mask_edges(mask) for mask in true]
    intersection = np.zeros((len(found), len(true)))
    for column, edges in enumerate(edges_true):
        near = [row for row, other in enumerate(edges_found) if _meet(edges, other)]
        if near:
            intersection[near, column] = _intersections(edges, [edges_found[row] for row in near])
    found_areas, true_areas = (np.array([mask.area for mask in masks], np.float64) for masks in (found, true))
    return _ratios(intersection, found_areas, true_areas, crowd)


def mask_edges(mask: RunLengths) -> np.ndarray:
    """Begin, end, begin, end ... of the runs inside a mask, down the columns: int64 [2 R], ascending."""
    ends = np.cumsum(np.array(mask.counts, np.int64))
    return ends[: len(ends) // 2 * 2]


def _meet(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(one.size and other.size and one[0] < other[-1] and other[0] < one[-1])


def _intersections(edges: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    """Pixels that one mask shares with each of several."""
    runs = edges[1::2] - edges[::2]
    before = np.concatenate([[0], np.cumsum(runs)])  # pixels inside before each run
    joined = np.concatenate(others)
    run = np.searchsorted(edges[::2], joined, side="right")  # runs that have begun
    last = np.maximum(run - 1, 0)
    inside = before[last] + np.clip(joined - edges[::2][last], 0, runs[last])  # pixels inside up to each edge
    shared = inside[1::2] - inside[::2]
    starts = np.cumsum([0, *(len(other) // 2 for other in others[:-1])])
    return np.add.reduceat(shared, starts).astype(np.float64)


def _ratios(intersection: np.ndarray, found: np.ndarray, true: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """Intersections [D, G] and areas [D] and [G] to intersection over union, over the found area for crowds."""
    union = np.where(crowd, found[:, None], found[:, None] + true - intersection)
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
