"""Average precision and recall, from what became of every object that was found, by COCO's rules."""

from dataclasses import dataclass

import numpy as np

from .object_matching import AREAS, THRESHOLDS

RECALLS = np.linspace(0.0, 1.0, 101)
"""Where the precision is read."""


@dataclass(frozen=True)
class Found:
    """All objects of one class that were found, in all images, in the order of the images.

    Attributes:
        scores: float64 [D].
        ranks: int64 [D], the place of each among those of its image, from 0, best score first.
        matched: bool [D, A, T], see ``Matches``.
        ignored: bool [D, A, T].
        true: int64 [A], true objects that had to be found.
    """

    scores: np.ndarray
    ranks: np.ndarray
    matched: np.ndarray
    ignored: np.ndarray
    true: np.ndarray

    def precision(self, area: str, limit: int) -> np.ndarray:
        """Precision at each recall and threshold.

        Args:
            area: Range of area, a key of ``AREAS``.
            limit: So many objects of each image count.

        Returns:
            float64 [T, 101]; NaN where there is nothing to find.
        """
        number = list(AREAS).index(area)
        true = int(self.true[number])
        if not true:
            return np.full((len(THRESHOLDS), len(RECALLS)), np.nan)
        right, wrong = self._sums(number, limit)
        precision = np.zeros((len(THRESHOLDS), len(RECALLS)))
        for row, hits, misses in zip(precision, right, wrong, strict=True):
            # The precision at a recall is the best at that recall or any higher one.
            curve = np.maximum.accumulate((hits / (hits + misses + np.spacing(1)))[::-1])[::-1]
            places = np.searchsorted(hits / true, RECALLS, side="left")
            reached = places < len(curve)
            row[reached] = curve[places[reached]]
        return precision

    def recall(self, area: str, limit: int) -> np.ndarray:
        """Share of true objects that were found at all, at each threshold: float64 [T]; arguments as ``precision``."""
        number = list(AREAS).index(area)
        true = int(self.true[number])
        if not true:
            return np.full(len(THRESHOLDS), np.nan)
        right, _ = self._sums(number, limit)
        return right[:, -1] / true if right.shape[1] else np.zeros(len(THRESHOLDS))

    def _sums(self, area: int, limit: int) -> tuple[np.ndarray, np.ndarray]:
        """Right and wrong objects up to each one, best score first: float64 [T, D]."""
        counted = np.flatnonzero(self.ranks < limit)
        order = counted[np.argsort(-self.scores[counted], kind="stable")]
        matched, ignored = self.matched[order, area].T, self.ignored[order, area].T  # [T, D]
        right = np.cumsum(matched & ~ignored, axis=1, dtype=np.float64)
        wrong = np.cumsum(~matched & ~ignored, axis=1, dtype=np.float64)
        return right, wrong


def mean(values: np.ndarray) -> float:
    """Mean of what can be said; NaN where nothing can."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
