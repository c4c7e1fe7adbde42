"""Objects: average precision over all images, as COCO measures it."""

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Literal

import numpy as np

from vit_adapter.annotations import Annotation, Instances, RunLengths, box_areas
from vit_adapter.config import InputError

from .average_precision import Found, mean
from .evaluator import State
from .object_matching import AREAS, THRESHOLDS, match_objects
from .overlaps import box_overlaps, mask_overlaps

By = Literal["masks", "boxes"]

USUAL_LIMIT = 100
"""Objects of an image and class that AP and AR count at most."""


class InstanceEvaluator:
    """Compares objects by their masks or by their boxes (behaviour 167).

    Average precision depends on the order of all scores together, so every object found is remembered: some hundred
    bytes each. Where scores are equal, the order of the images decides, so ``update`` takes their numbers.

    Args:
        num_classes: Number of classes K.
        by: What overlaps: "masks" or "boxes". The size of a true object is that of its mask either way.
        limit: So many objects of an image and class count, those of the highest scores; in AP and AR never more than
            100, as published where the others count 1000.
        left_out: Labels of the classes that no mean takes in.
    """

    headline = "AP"

    def __init__(
        self, num_classes: int, by: By = "masks", limit: int = 100, left_out: Collection[int] = ()
    ) -> None:
        self.num_classes, self.limit = num_classes, limit
        self.by: By = by
        self.left_out = frozenset(left_out)
        self._images = 0
        self._true = np.zeros((num_classes, len(AREAS)), np.int64)
        self._found: list[dict[str, np.ndarray]] = []

    def update(self, prediction: Annotation, truth: Annotation, image: int | None = None) -> float | None:
        """Count one image, see ``Evaluator``; classes outside 0..K-1 are an error.

        The image's own score is 0 where it has no object to find and something was found all the same.
        """
        found, true = _objects(prediction, "prediction"), _objects(truth, "truth")
        if found.scores is None and len(found):
            raise InputError("objects of the prediction have no scores")
        for objects in (found, true):
            outside = (objects.classes < 0) | (objects.classes >= self.num_classes)
            if outside.any():
                raise InputError(
                    f"an object has the class {objects.classes[outside][0]}, expected 0 to {self.num_classes - 1}"
                )
        own = InstanceEvaluator(self.num_classes, self.by, self.limit, self.left_out)
        number = self._images if image is None else image
        for label in np.union1d(found.classes, true.classes).tolist():
            own._count_class(label, found, true, number)
        own._images = 1
        self.merge([own.state()])
        score = own.scores()[self.headline]
        if not math.isnan(score):
            return score
        return 0.0 if own._found else None

    def _count_class(self, label: int, found: Instances, true: Instances, image: int) -> None:
        rows, columns = np.flatnonzero(found.classes == label), np.flatnonzero(true.classes == label)
        crowd = np.zeros(len(columns), bool) if true.crowd is None else true.crowd[columns]
        scores = np.zeros(0) if found.scores is None else found.scores[rows]
        rows, scores = _best(rows, scores, self.limit)
        if self.by == "boxes":
            overlaps = box_overlaps(found.boxes[rows], true.boxes[columns], crowd)
        else:
            overlaps = mask_overlaps(_masks(found, rows), _masks(true, columns), crowd)
        found_areas = _areas(found, rows, self.by == "masks")
        true_areas = _areas(true, columns, true.masks is not None)
        matches = match_objects(overlaps, scores, found_areas, true_areas, crowd, self.limit)
        self._true[label] += matches.true
        if len(rows):
            self._found.append(
                {
                    "classes": np.full(len(rows), label),
                    "images": np.full(len(rows), image),
                    "ranks": np.arange(len(rows)),
                    "scores": matches.scores,
                    "matched": matches.matched,
                    "ignored": matches.ignored,
                }
            )

    def state(self) -> State:
        """See ``Evaluator``: of D objects "classes", "images", "ranks" int64 [D], "scores" float64 [D], "matched" and
        "ignored" bool [D, A, T]; "true" int64 [K, A]; "count" int64 [], the number of images."""
        return {**_joined(self._found), "true": self._true.copy(), "count": np.array(self._images)}

    def merge(self, states: Iterable[State]) -> None:
        """See ``Evaluator``."""
        for state in states:
            self._images += int(state["count"])
            self._true += state["true"]
            if len(state["classes"]):
                self._found.append({name: state[name] for name in _FIELDS})

    def found(self) -> list[Found]:
        """Of each class, all objects that were found."""
        joined = _joined(self._found)
        order = np.argsort(joined["images"], kind="stable")
        joined = {name: values[order] for name, values in joined.items()}
        result = []
        for label in range(self.num_classes):
            own = joined["classes"] == label
            parts = {name: joined[name][own] for name in ("scores", "ranks", "matched", "ignored")}
            result.append(Found(**parts, true=self._true[label]))
        return result

    def scores(self) -> dict[str, float]:
        """See ``Evaluator``: "AP" (mean over thresholds 0.5 to 0.95), "AP50", "AP75", by size "APsmall", "APmedium",
        "APlarge", and "AR" (recall); NaN where there is nothing to find."""
        found = [one for label, one in enumerate(self.found()) if label not in self.left_out]
        precision = {
            area: np.array([one.precision(area, self.limit) for one in found]) for area in AREAS
        }  # each [K, T, 101]
        everything, usual = precision["all"], min(self.limit, USUAL_LIMIT)
        return {
            "AP": mean(np.array([one.precision("all", usual) for one in found])),
            "AP50": mean(everything[:, _threshold(0.5)]),
            "AP75": mean(everything[:, _threshold(0.75)]),
            **{f"AP{area}": mean(values) for area, values in precision.items() if area != "all"},
            "AR": mean(np.array([one.recall("all", usual) for one in found])),
        }

    def figures(self) -> dict[str, float]:
        """See ``Evaluator``: "objects" (true, crowds apart), "found" (in the prediction), "right" (at 0.5)."""
        joined = _joined(self._found)
        right = joined["matched"][:, 0, 0] & ~joined["ignored"][:, 0, 0]
        return {
            "objects": int(self._true[:, 0].sum()),
            "found": len(joined["classes"]),
            "right": int(right.sum()),
        }

    def class_values(self) -> list[dict[str, float]]:
        """See ``Evaluator``: of each class "AP", "AP50", "AP75", "AR" and "objects"."""
        rows, usual = [], min(self.limit, USUAL_LIMIT)
        for one in self.found():
            precision = one.precision("all", self.limit)
            rows.append(
                {
                    "AP": mean(one.precision("all", usual)),
                    "AP50": mean(precision[_threshold(0.5)]),
                    "AP75": mean(precision[_threshold(0.75)]),
                    "AR": mean(one.recall("all", usual)),
                    "objects": int(one.true[0]),
                }
            )
        return rows


_FIELDS: dict[str, np.ndarray] = {
    "classes": np.zeros(0, np.int64),
    "images": np.zeros(0, np.int64),
    "ranks": np.zeros(0, np.int64),
    "scores": np.zeros(0),
    "matched": np.zeros((0, len(AREAS), len(THRESHOLDS)), bool),
    "ignored": np.zeros((0, len(AREAS), len(THRESHOLDS)), bool),
}


def _joined(parts: Sequence[Any]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([empty, *(part[name] for part in parts)]) for name, empty in _FIELDS.items()}


def _best(rows: np.ndarray, scores: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """The objects that count, best score first; so the overlaps of the others are never computed."""
    order = np.argsort(-scores.astype(np.float64), kind="stable")[:limit]
    return rows[order], scores[order]


def _threshold(value: float) -> int:
    return int(np.abs(THRESHOLDS - value).argmin())


def _objects(annotation: Annotation, where: str) -> Instances:
    if annotation.instances is None:
        raise InputError(f"objects are missing in the {where}")
    return annotation.instances


def _masks(objects: Instances, indices: np.ndarray) -> list[RunLengths]:
    if objects.masks is None:
        raise InputError("objects have no masks, which are compared")
    chosen = [objects.masks[index] for index in indices.tolist()]
    return [mask if isinstance(mask, RunLengths) else RunLengths.from_mask(mask) for mask in chosen]


def _areas(objects: Instances, indices: np.ndarray, of_masks: bool) -> np.ndarray:
    """float64 [N], in pixels: as an annotation states them, else of the masks or of the boxes."""
    if objects.areas is not None:
        return objects.areas[indices]
    if of_masks:
        return np.array([mask.area for mask in _masks(objects, indices)], np.float64)
    return box_areas(objects.boxes[indices])
