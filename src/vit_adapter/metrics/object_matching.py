"""Which of the objects found in an image are true ones, by COCO's rules, at ten thresholds in four ranges of area."""

from dataclasses import dataclass

import numpy as np

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Smallest intersection over union of an object with a true one that it counts as."""
AREAS = {"all": (0.0, 1e10), "small": (0.0, 1024.0), "medium": (1024.0, 9216.0), "large": (9216.0, 1e10)}
"""Ranges of area in pixels, ends included."""

_LOWER = np.array([low for low, _ in AREAS.values()])[:, None]
_UPPER = np.array([high for _, high in AREAS.values()])[:, None]


@dataclass(frozen=True)
class Matches:
    """What became of the objects of one class in one image.

    Attributes:
        scores: float64 [D], descending.
        matched: bool [D, A, T]: it is a true object, in each range of area and at each threshold.
        ignored: bool [D, A, T]: it counts neither as right nor as wrong.
        true: int64 [A]: true objects that have to be found.
    """

    scores: np.ndarray
    matched: np.ndarray
    ignored: np.ndarray
    true: np.ndarray


def match_objects(
    overlaps: np.ndarray,
    scores: np.ndarray,
    found_areas: np.ndarray,
    true_areas: np.ndarray,
    crowd: np.ndarray,
    limit: int,
) -> Matches:
    """Gives each object found, best score first, the true object that it overlaps most and that nobody has yet.

    True objects outside of a range of area, and crowds, do not have to be found: what is matched with one of them is
    ignored, but an object is only matched with one of them where no other is left for it. A crowd takes any number.
    What is matched with nothing and is itself outside of the range is ignored as well.

    Args:
        overlaps: float64 [D, G], see ``box_overlaps``.
        scores: float [D], in any order; equal ones keep theirs.
        found_areas: float64 [D] in pixels.
        true_areas: float64 [G] in pixels.
        crowd: bool [G].
        limit: Objects that count; the others, of the lowest scores, are left out.
    """
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")[:limit]
    overlaps, scores, found_areas = overlaps[order], np.asarray(scores, np.float64)[order], found_areas[order]
    needless = crowd | (true_areas < _LOWER) | (true_areas > _UPPER)  # [A, G]
    matched = np.zeros((len(order), len(AREAS), len(THRESHOLDS)), bool)
    ignored = np.zeros_like(matched)
    taken = np.zeros((len(AREAS), len(THRESHOLDS), overlaps.shape[1]), bool)
    limits = np.minimum(THRESHOLDS, 1 - 1e-10)
    for row, values in enumerate(overlaps):
        (near,) = np.nonzero(values >= limits[0])
        if not near.size:
            continue
        free = (values[near] >= limits[:, None]) & (crowd[near] | ~taken[:, :, near])  # [A, T, near]
        wanted = free & ~needless[:, None, near]
        some_wanted = wanted.any(axis=2)
        candidates = np.where(some_wanted[:, :, None], wanted, free)
        # Of equal overlaps the last one, as COCO's own code has it.
        ranked = np.where(candidates, values[near], -1.0)[:, :, ::-1]
        best = near.size - 1 - ranked.argmax(axis=2)  # [A, T]
        matched[row] = candidates.any(axis=2)
        ignored[row] = matched[row] & ~some_wanted
        area, threshold = np.nonzero(matched[row])
        taken[area, threshold, near[best[area, threshold]]] = True
    outside = (found_areas[:, None] < _LOWER[:, 0]) | (found_areas[:, None] > _UPPER[:, 0])  # [D, A]
    ignored |= ~matched & outside[:, :, None]
    return Matches(scores, matched, ignored, (~needless).sum(axis=1))
