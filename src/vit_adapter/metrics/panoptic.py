"""Panoptic quality (Kirillov et al., CVPR 2019), as the published evaluation counts it."""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vit_adapter.annotations import Annotation, Segments
from vit_adapter.config import InputError

from .evaluator import State


@dataclass(frozen=True, eq=False)
class SegmentCounts:
    """What became of the segments of each class; sums of images are counts of all of them.

    Attributes:
        iou: float64 [K], sum of the intersections over union of the segments that were found.
        found: int64 [K], segments that were found.
        wrong: int64 [K], predicted segments that are none.
        missed: int64 [K], segments that were not found.
    """

    iou: np.ndarray
    found: np.ndarray
    wrong: np.ndarray
    missed: np.ndarray

    @classmethod
    def zero(cls, num_classes: int) -> "SegmentCounts":
        """Nothing counted yet."""
        none = np.zeros(num_classes, np.int64)
        return cls(np.zeros(num_classes), none, none, none)

    def __add__(self, other: "SegmentCounts") -> "SegmentCounts":
        return SegmentCounts(
            self.iou + other.iou,
            self.found + other.found,
            self.wrong + other.wrong,
            self.missed + other.missed,
        )

    @property
    def seen(self) -> np.ndarray:
        """Of each class whether it has a segment in truth or prediction."""
        return self.found + self.wrong + self.missed > 0

    @property
    def quality(self) -> np.ndarray:
        """PQ float64 [K], 0..1; 0 for classes that were not seen."""
        return _ratio(self.iou, self.found + 0.5 * self.wrong + 0.5 * self.missed)

    @property
    def segmentation_quality(self) -> np.ndarray:
        """SQ float64 [K]: mean intersection over union of the segments that were found; 0 where none was."""
        return _ratio(self.iou, self.found)

    @property
    def recognition_quality(self) -> np.ndarray:
        """RQ float64 [K]: harmonic mean of precision and recall of the segments; 0 for classes that were not seen."""
        return _ratio(self.found, self.found + 0.5 * self.wrong + 0.5 * self.missed)


def compare_segments(prediction: Segments, truth: Segments, num_classes: int) -> SegmentCounts:
    """Counts one image.

    A predicted segment is a true one of its class where their intersection over union, without the pixels that are
    void in the truth, is above one half; there can be only one. True crowds need not be found. A predicted segment
    without a true one does not count as wrong if more than half of it lies on void pixels and on a crowd of its own
    class; of several crowds of a class only the last one counts here, as in the published code.

    Args:
        prediction: What the model says.
        truth: What is true.
        num_classes: K.

    Raises:
        InputError: The sizes differ, or a class is outside 0..K-1.
    """
    if prediction.ids.shape != truth.ids.shape:
        raise InputError(
            f"segments have the size {prediction.ids.shape}, expected the truth's {truth.ids.shape}"
        )
    for segments in (prediction, truth):
        outside = (segments.classes < 0) | (segments.classes >= num_classes)
        if outside.any():
            raise InputError(
                f"a segment has the class {segments.classes[outside][0]}, expected 0 to {num_classes - 1}"
            )
    predicted, true = len(prediction), len(truth)
    pairs = truth.ids.astype(np.int64) * (predicted + 1) + prediction.ids
    overlap = np.bincount(pairs.reshape(-1), minlength=(true + 1) * (predicted + 1))
    overlap = overlap.reshape(true + 1, predicted + 1)  # the first row and column: void
    areas, void = overlap[:, 1:].sum(axis=0), overlap[0, 1:]  # of each predicted segment
    inner = overlap[1:, 1:]  # [true, predicted]
    union = overlap[1:].sum(axis=1)[:, None] + areas - inner - void
    iou = _ratio(inner, union)
    crowd = np.zeros(true, bool) if truth.crowd is None else truth.crowd
    match = (iou > 0.5) & (truth.classes[:, None] == prediction.classes) & ~crowd[:, None]
    was_found, is_right = match.any(axis=1), match.any(axis=0)

    on_nothing = void.copy()
    last_crowd = {int(truth.classes[row]): row for row in np.flatnonzero(crowd)}
    for column, label in enumerate(prediction.classes.tolist()):
        if label in last_crowd:
            on_nothing[column] += inner[last_crowd[label], column]
    is_wrong = ~is_right & (areas > 0) & (on_nothing <= 0.5 * areas)
    is_missed = ~was_found & ~crowd

    def count(labels: np.ndarray) -> np.ndarray:
        return np.bincount(labels, minlength=num_classes)

    return SegmentCounts(
        np.bincount(truth.classes, weights=(iou * match).sum(axis=1), minlength=num_classes),
        count(truth.classes[was_found]),
        count(prediction.classes[is_wrong]),
        count(truth.classes[is_missed]),
    )


class PanopticEvaluator:
    """Compares segments.

    Args:
        is_thing: Of each of the K classes whether it has objects that can be counted.
        segments_of: From an annotation to its segments, where it does not hold any.
        left_out: Labels of the classes that no mean takes in.

    Attributes:
        counts: Of all images.
    """

    headline = "PQ"

    def __init__(
        self,
        is_thing: Sequence[bool],
        segments_of: Callable[[Annotation], Segments] | None = None,
        left_out: Collection[int] = (),
    ) -> None:
        self.is_thing = np.array(is_thing, bool)
        self.left_out = frozenset(left_out)
        self.counts = SegmentCounts.zero(len(is_thing))
        self._segments_of = segments_of

    def update(self, prediction: Annotation, truth: Annotation, image: int | None = None) -> float | None:
        """Count one image, see ``Evaluator``."""
        own = compare_segments(
            self._segments(prediction, "prediction"), self._segments(truth, "truth"), len(self.is_thing)
        )
        self.counts = self.counts + own
        score = self._means(own, np.ones_like(self.is_thing))[0]
        return None if math.isnan(score) else score

    def _segments(self, annotation: Annotation, where: str) -> Segments:
        if annotation.segments is not None:
            return annotation.segments
        if self._segments_of is None:
            raise InputError(f"segments are missing in the {where}")
        return self._segments_of(annotation)

    def state(self) -> State:
        """See ``Evaluator``: "iou" float64 [K], "found", "wrong", "missed" int64 [K]."""
        counts = self.counts
        parts = {"iou": counts.iou, "found": counts.found, "wrong": counts.wrong, "missed": counts.missed}
        return {name: values.copy() for name, values in parts.items()}

    def merge(self, states: Iterable[State]) -> None:
        """See ``Evaluator``."""
        for state in states:
            self.counts = self.counts + SegmentCounts(**state)

    def scores(self) -> dict[str, float]:
        """See ``Evaluator``: "PQ", "SQ", "RQ", and "PQthings", "PQstuff"; means over the classes that were seen."""
        pq, sq, rq = self._means(self.counts, np.ones_like(self.is_thing))
        things, stuff = (self._means(self.counts, group)[0] for group in (self.is_thing, ~self.is_thing))
        return {"PQ": pq, "SQ": sq, "RQ": rq, "PQthings": things, "PQstuff": stuff}

    def figures(self) -> dict[str, float]:
        """See ``Evaluator``: "segments" (true ones), "found" and "wrong"."""
        counts = self.counts
        found, wrong = int(counts.found.sum()), int(counts.wrong.sum())
        return {"segments": found + int(counts.missed.sum()), "found": found, "wrong": wrong}

    def class_values(self) -> list[dict[str, float]]:
        """See ``Evaluator``: of each class "PQ", "SQ", "RQ", NaN where it was not seen, and "segments"."""
        counts = self.counts
        columns = (counts.quality, counts.segmentation_quality, counts.recognition_quality)
        return [
            {
                **{
                    name: float(column[label]) if counts.seen[label] else math.nan
                    for name, column in zip(("PQ", "SQ", "RQ"), columns, strict=True)
                },
                "segments": int(counts.found[label] + counts.missed[label]),
            }
            for label in range(len(self.is_thing))
        ]

    def _means(self, counts: SegmentCounts, group: np.ndarray) -> tuple[float, float, float]:
        """Mean PQ, SQ and RQ over the classes of a group that were seen; NaN if none was."""
        kept = counts.seen & group
        kept[sorted(self.left_out)] = False
        if not kept.any():
            return math.nan, math.nan, math.nan
        means = (counts.quality, counts.segmentation_quality, counts.recognition_quality)
        pq, sq, rq = (float(values[kept].mean()) for values in means)
        return pq, sq, rq


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros(np.shape(above)), where=np.asarray(below) > 0)
