"""Semantic segmentation: mean IoU from one confusion matrix over all pixels."""

import math
from collections.abc import Collection, Iterable

import numpy as np

from vit_adapter.annotations import Annotation
from vit_adapter.config import InputError

from .confusion_matrix import ConfusionMatrix
from .evaluator import State
from .scores import Scores


class SemanticEvaluator:
    """Compares label maps pixel by pixel.

    A model of a single class is measured with "nothing there" as a second one, ignored pixels among it: finding the
    object where it is not has to count.

    Args:
        num_classes: Number of classes K of the model.
        ignore_index: Label of pixels that count nowhere, for two classes or more.
        left_out: Labels of the classes that no mean over classes takes in.

    Attributes:
        matrix: Counts, truth by prediction.
        left_out: As given.
    """

    headline = "mIoU"

    def __init__(self, num_classes: int, ignore_index: int, left_out: Collection[int] = ()) -> None:
        self._single = num_classes == 1
        self.left_out = frozenset(left_out)
        self.matrix = ConfusionMatrix(2, None) if self._single else ConfusionMatrix(num_classes, ignore_index)

    def update(self, prediction: Annotation, truth: Annotation, image: int | None = None) -> float | None:
        """Count one image, see ``Evaluator``; the labels of both are compared."""
        if prediction.labels is None or truth.labels is None:
            raise InputError("labels are missing in the prediction or in the truth")
        own = ConfusionMatrix(self.matrix.num_classes, self.matrix.ignore_index)
        if self._single:
            own.update(np.minimum(truth.labels, 1), np.minimum(prediction.labels, 1))
        else:
            own.update(truth.labels, prediction.labels)
        self.matrix.merge(own)
        score = own.scores(self.left_out).mIoU
        return None if math.isnan(score) else score

    def state(self) -> State:
        """See ``Evaluator``: "counts" int64 [K + 1, K], "ignored" int64 []."""
        return {"counts": self.matrix.state, "ignored": np.array(self.matrix.ignored)}

    def merge(self, states: Iterable[State]) -> None:
        """See ``Evaluator``."""
        for state in states:
            other = ConfusionMatrix.from_state(state["counts"], self.matrix.ignore_index)
            other.ignored = int(state["ignored"])
            self.matrix.merge(other)

    def scores(self) -> dict[str, float]:
        """See ``Evaluator``: "mIoU", "mAcc" and "aAcc"; ``class_scores`` has the others."""
        scores = self.class_scores()
        return {"mIoU": float(scores.mIoU), "mAcc": float(scores.mAcc), "aAcc": float(scores.aAcc)}

    def figures(self) -> dict[str, float]:
        """See ``Evaluator``: "aAcc" (share of right pixels), "pixels" (all), "labelled" (those that count)."""
        labelled, right = int(self.matrix.state.sum()), int(self.matrix.intersection.sum())
        return {
            "aAcc": right / labelled if labelled else math.nan,
            "pixels": labelled + self.matrix.ignored,
            "labelled": labelled,
        }

    def class_values(self) -> list[dict[str, float]]:
        """See ``Evaluator``: of each class "IoU", "accuracy" and "F1"."""
        return [
            {"IoU": row.iou, "accuracy": row.accuracy, "F1": row.f1} for row in self.class_scores().rows()
        ]

    def class_scores(self, published: bool = False) -> Scores:
        """All scores, by class and as means.

        Args:
            published: F1 follows the published rule, which leaves out classes that are never predicted; otherwise they
                count as 0, as in Dice.
        """
        scores = self.matrix.scores(self.left_out)
        return scores if published else scores.counting_missed()
