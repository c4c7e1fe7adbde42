"""Scores of a segmentation, by class and as means, with the published rules for absent classes."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vit_adapter.config import InputError


@dataclass(frozen=True)
class ClassScores:
    """One row of the table; scores are 0..1 or NaN.

    Attributes:
        name: Class name.
        iou: Intersection over union.
        accuracy: Share of the class's true pixels that were found (its recall).
        f1: Harmonic mean of precision and recall.
        precision: Share of the pixels predicted as the class that are right.
        recall: Same as ``accuracy``.
        share: Share of the class among all labelled pixels.
    """

    name: str
    iou: float
    accuracy: float
    f1: float
    precision: float
    recall: float
    share: float


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores over a whole data set, 0..1. Arrays are float64 [K].

    NaN means "cannot be said" and is left out of every mean (behaviour 94): a class absent from truth and
    prediction has NaN throughout; a class that is only predicted has IoU, Dice and precision 0 (they count)
    but NaN accuracy, recall and F1; a class that is never predicted has NaN precision and F1. That is the published
    rule; ``counting_missed`` gives the scores in which F1 counts like Dice.

    Attributes:
        aAcc: Share of all labelled pixels that are right.
        iou: Intersection over union.
        accuracy: Intersection over true area (recall).
        dice: Twice the intersection over true plus predicted area.
        f1: Harmonic mean of precision and recall; equals Dice where both are defined.
        precision: Intersection over predicted area.
        label_area: int64, pixels of each class in the truth.
        left_out: Labels of the classes that no mean over classes takes in.
    """

    aAcc: float
    iou: np.ndarray
    accuracy: np.ndarray
    dice: np.ndarray
    f1: np.ndarray
    precision: np.ndarray
    label_area: np.ndarray
    left_out: frozenset[int] = frozenset()

    @classmethod
    def from_areas(
        cls,
        intersection: np.ndarray,
        label: np.ndarray,
        prediction: np.ndarray,
        left_out: Collection[int] = (),
    ) -> "Scores":
        """Scores from pixel counts by class, int64 [K] each, and the labels that no mean takes in."""
        accuracy = _ratio(intersection, label)
        precision = _ratio(intersection, prediction)
        return cls(
            aAcc=float(_ratio(intersection.sum(), label.sum())),
            iou=_ratio(intersection, label + prediction - intersection),
            accuracy=accuracy,
            dice=_ratio(2 * intersection, label + prediction),
            f1=_ratio(2 * precision * accuracy, precision + accuracy),
            precision=precision,
            label_area=label,
            left_out=frozenset(left_out),
        )

    @property
    def recall(self) -> np.ndarray:
        """Recall by class, which is the accuracy by class."""
        return self.accuracy

    @property
    def mIoU(self) -> float:
        """Mean IoU over the classes that have one."""
        return self._mean(self.iou)

    @property
    def mAcc(self) -> float:
        """Mean accuracy over the classes that have one."""
        return self._mean(self.accuracy)

    @property
    def mDice(self) -> float:
        """Mean Dice over the classes that have one; classes that are only predicted count as 0."""
        return self._mean(self.dice)

    @property
    def mF1(self) -> float:
        """Mean F1 over the classes that have one; the published rule leaves out never and only predicted ones."""
        return self._mean(self.f1)

    @property
    def mPrecision(self) -> float:
        """Mean precision over the classes that have one: a class that is never predicted has none."""
        return self._mean(self.precision)

    @property
    def mRecall(self) -> float:
        """Mean recall over the classes that have one."""
        return self._mean(self.recall)

    def counting_missed(self) -> "Scores":
        """The same scores with F1 equal to Dice: 0, not NaN, for a class that is never or only predicted."""
        return replace(self, f1=self.dice)

    def _mean(self, values: np.ndarray) -> float:
        return _mean(np.delete(values, sorted(self.left_out)))

    def rows(self, names: Sequence[str] | None = None) -> list[ClassScores]:
        """One row for each class, in the order of the classes.

        Raises:
            InputError: The number of names is not the number of classes.
        """
        classes = len(self.iou)
        names = [f"class {index}" for index in range(classes)] if names is None else list(names)
        if len(names) != classes:
            raise InputError(f"{len(names)} class names given, expected {classes}")
        share = _ratio(self.label_area, self.label_area.sum())
        columns = (self.iou, self.accuracy, self.f1, self.precision, self.recall, share)
        return [
            ClassScores(name.strip(), *values)
            for name, *values in zip(names, *(column.tolist() for column in columns))
        ]

    def totals(self) -> dict[str, float]:
        """The totals by their usual names; for two classes also those of class 1, the foreground."""
        totals = {
            "aAcc": self.aAcc,
            "mIoU": self.mIoU,
            "mAcc": self.mAcc,
            "mDice": self.mDice,
            "mF1": self.mF1,
            "mPrecision": self.mPrecision,
            "mRecall": self.mRecall,
        }
        if len(self.iou) == 2:
            totals |= {
                "precision": float(self.precision[1]),
                "recall": float(self.recall[1]),
                "F1": float(self.f1[1]),
                "IoU": float(self.iou[1]),
            }
        return totals

    def to_dict(self, names: Sequence[str] | None = None) -> dict[str, Any]:
        """Totals and a list ``classes`` with one entry each, ready for JSON: NaN is None."""
        rows = [{key: _none(value) for key, value in vars(row).items()} for row in self.rows(names)]
        return {**{key: _none(value) for key, value in self.totals().items()}, "classes": rows}


def _ratio(numerator: Any, denominator: Any) -> np.ndarray:
    """Quotient in float64, NaN where the denominator is 0."""
    numerator, denominator = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    quotient = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    return np.divide(numerator, denominator, out=quotient, where=denominator != 0)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def _none(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
