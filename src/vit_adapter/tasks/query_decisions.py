"""Which of what queries say counts (behaviours 110 and 111). No torch here: exported models are applied without it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vit_adapter.annotations import Instances, RunLengths, Segments
from vit_adapter.config import ObjectConfig


@dataclass(frozen=True, eq=False)
class FoundSegments:
    """Segments in the order of their queries; some may have no pixel.

    Attributes:
        ids: int32 [H, W]: 1..N, 0 for none.
        classes: int64 [N].
        scores: float32 [N], probability of the class.
    """

    ids: np.ndarray
    classes: np.ndarray
    scores: np.ndarray

    def without_empty(self, min_area: int = 0) -> Segments:
        """Those that have a pixel, and at least so many, numbered anew."""
        areas = np.bincount(self.ids.reshape(-1), minlength=len(self.classes) + 1)[1:]
        kept = areas >= max(min_area, 1)
        numbers = np.zeros(len(kept) + 1, np.int32)
        numbers[1:][kept] = np.arange(1, kept.sum() + 1)
        return Segments(numbers[self.ids], self.classes[kept], self.scores[kept])


def counted_masks(
    classes: np.ndarray, masks: Sequence[RunLengths], scores: np.ndarray, settings: ObjectConfig
) -> Instances:
    """Objects that are sure and large enough, best first.

    Args:
        classes: int64 [N].
        masks: Of each of them.
        scores: float64 [N], 0..1.
        settings: Which ones are given out.
    """
    areas = np.array([mask.area for mask in masks], np.int64)
    kept = np.flatnonzero((scores >= settings.score_threshold) & (areas >= settings.min_area))
    kept = kept[np.lexsort((classes[kept], -scores[kept]))]
    return Instances.from_masks(classes[kept], [masks[index] for index in kept], scores[kept])


def decided_segments(
    classes: np.ndarray,
    scores: np.ndarray,
    winner: np.ndarray,
    is_on: np.ndarray,
    areas: np.ndarray,
    is_thing: np.ndarray,
    settings: ObjectConfig,
) -> FoundSegments:
    """Segments of queries that competed for every pixel; those of the same class of stuff are one.

    Args:
        classes: int64 [N], of queries that are sure.
        scores: float32 [N], their probabilities.
        winner: int64 [H, W], which of them has each pixel.
        is_on: bool [H, W], whether its mask is on there.
        areas: int64 [N], pixels of each mask, whoever won them.
        is_thing: bool [K].
        settings: Thresholds.
    """
    won = np.bincount(winner.reshape(-1), minlength=len(classes))
    ids = np.zeros(winner.shape, np.int32)
    numbers = np.zeros(len(classes), np.int32)  # of each query the number of its segment
    kept: list[int] = []  # the first query of each segment
    stuff: dict[int, int] = {}  # class to number
    for query, label in enumerate(classes.tolist()):
        if not won[query] or not areas[query]:
            continue
        if won[query] / areas[query] < settings.overlap_threshold:
            continue
        if not is_thing[label] and label in stuff:
            numbers[query] = stuff[label]
            continue
        kept.append(query)
        numbers[query] = len(kept)
        if not is_thing[label]:
            stuff[label] = len(kept)
    if len(classes):
        ids = np.where(is_on | settings.fill_segments, numbers[winner], 0)
    return FoundSegments(ids, classes[kept].astype(np.int64), scores[kept])
