"""The one confusion matrix: exact counts over a whole data set, and the scores made from them."""

from collections.abc import Collection
from typing import Any

import numpy as np

from vit_adapter.config import InputError

from .scores import Scores

_PIXELS_AT_ONCE = 1 << 20  # bounds the int64 copies to some 30 MB whatever the size of the image


class ConfusionMatrix:
    """Counts of (true class, predicted class) over all pixels of all images.

    Scores are made from the sum over the whole data set, never averaged over images or batches. Counts are
    int64, so they are exact and the order or grouping of the images changes nothing.

    A label outside the classes that is not ``ignore_index`` counts in the predicted area but in no label area
    (behaviour 93): a row beside the matrix holds these pixels.

    Args:
        num_classes: Number of classes K; labels and predictions are 0..K-1.
        ignore_index: Label of pixels that count nowhere; None: every pixel counts.

    Attributes:
        ignored: Pixels seen that count nowhere; not a part of ``state``.
    """

    def __init__(self, num_classes: int, ignore_index: int | None = 255):
        if num_classes < 1:
            raise InputError(f"num_classes is {num_classes}, expected at least 1")
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.ignored = 0
        # [K + 1, K]; the last row: labels outside the classes
        self._counts = np.zeros((num_classes + 1, num_classes), dtype=np.int64)

    def update(self, labels: Any, prediction: Any) -> None:
        """Count one image or batch.

        Args:
            labels: True classes, any shape, any integer dtype (array or tensor in main memory).
            prediction: Predicted classes 0..K-1, same shape, any integer dtype, not necessarily the same.

        Raises:
            InputError: Floating-point input, shapes that differ, or a prediction outside 0..K-1 at a pixel
                that counts. Nothing has been counted then.
        """
        labels = _integers(labels, "labels")
        prediction = _integers(prediction, "prediction")
        if labels.shape != prediction.shape:
            raise InputError(
                f"the prediction has shape {prediction.shape}, expected the labels' {labels.shape}"
            )
        labels, prediction = labels.reshape(-1), prediction.reshape(-1)

        classes = self.num_classes
        counts = np.zeros(self._counts.size, dtype=np.int64)
        ignored = 0
        for start in range(0, labels.size, _PIXELS_AT_ONCE):
            # int64 before any arithmetic: 21 * 20 + 3 does not fit a byte
            row = labels[start : start + _PIXELS_AT_ONCE].astype(np.int64)
            column = prediction[start : start + _PIXELS_AT_ONCE].astype(np.int64)
            if self.ignore_index is not None:
                counted = row != self.ignore_index
                ignored += counted.size - int(counted.sum())
                row, column = row[counted], column[counted]
            wrong = (column < 0) | (column >= classes)
            if wrong.any():
                raise InputError(
                    f"the prediction holds {column[wrong][0]}, expected classes 0 to {classes - 1} "
                    "at every pixel that is not ignored"
                )
            row[(row < 0) | (row >= classes)] = classes
            counts += np.bincount(row * classes + column, minlength=counts.size)
        self._counts += counts.reshape(self._counts.shape)
        self.ignored += ignored

    @property
    def counts(self) -> np.ndarray:
        """int64 [K, K]: row = true class, column = predicted class."""
        return self._counts[:-1].copy()

    @property
    def intersection(self) -> np.ndarray:
        """int64 [K]: pixels predicted rightly, by class."""
        return self._counts.diagonal().copy()

    @property
    def label_area(self) -> np.ndarray:
        """int64 [K]: pixels of each class in the truth."""
        return self._counts[:-1].sum(axis=1)

    @property
    def prediction_area(self) -> np.ndarray:
        """int64 [K]: pixels of each class in the prediction, also where the label is outside the classes."""
        return self._counts.sum(axis=0)

    @property
    def union(self) -> np.ndarray:
        """int64 [K]: pixels of each class in truth or prediction."""
        return self.label_area + self.prediction_area - self.intersection

    def scores(self, left_out: Collection[int] = ()) -> Scores:
        """The scores of everything counted so far, with the labels that no mean takes in."""
        return Scores.from_areas(self.intersection, self.label_area, self.prediction_area, left_out)

    @property
    def state(self) -> np.ndarray:
        """int64 [K + 1, K], a copy: sums over processes are states of the union of their images."""
        return self._counts.copy()

    @classmethod
    def from_state(cls, state: Any, ignore_index: int | None = 255) -> "ConfusionMatrix":
        """A matrix from a (summed) ``state``."""
        state = _integers(state, "state")
        if state.ndim != 2 or state.shape[0] != state.shape[1] + 1:
            raise InputError(f"the state has shape {state.shape}, expected [classes + 1, classes]")
        matrix = cls(state.shape[1], ignore_index)
        matrix._counts += state.astype(np.int64)
        return matrix

    def merge(self, other: "ConfusionMatrix") -> None:
        """Add the counts of another matrix with the same classes and ignored label."""
        mine, others = (self.num_classes, self.ignore_index), (other.num_classes, other.ignore_index)
        if mine != others:
            raise InputError(f"matrices with (classes, ignored label) {mine} and {others} cannot be added")
        self._counts += other._counts
        self.ignored += other.ignored

    def __add__(self, other: "ConfusionMatrix") -> "ConfusionMatrix":
        total = ConfusionMatrix(self.num_classes, self.ignore_index)
        total.merge(self)
        total.merge(other)
        return total


def _integers(values: Any, name: str) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "iub":
        raise InputError(f"{name} has dtype {array.dtype}, expected an integer dtype")
    return array
