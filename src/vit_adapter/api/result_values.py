"""A result as plain values, for JSON: classes with shares, objects with boxes, scores and run-lengths."""

from typing import TYPE_CHECKING, Any

import numpy as np

from vit_adapter.annotations import Instances, RunLengths
from vit_adapter.tasks import InstanceResult, PanopticResult, SemanticResult
from vit_adapter.tasks.object_files import run_lengths_of

if TYPE_CHECKING:
    from vit_adapter.segmenter.prediction import Prediction


def result_values(result: "Prediction", masks: bool | None = None) -> dict[str, Any]:
    """A result as values that ``json`` writes.

    Keys: "width", "height" in pixels; of labels and segments "classes", those that occur, the largest first: "class"
    (name), "label" (0..K-1), "id" (value in the user's own masks), "pixels", "share" (0..1); of objects "objects", best
    first: "class", "label", "id", "score" (0..1), "box" (left, top, right, bottom in pixels, ends exclusive), and
    "pixels" where there are masks; of segments "segments", the same with "thing" and "share". Masks are COCO's
    compressed run-lengths: "mask": {"size": [height, width], "counts": text}.

    Args:
        result: Of any task.
        masks: Whether they are part of it; None: those of objects and segments are, those of classes are not.
    """
    height, width = result.image.shape[:2]
    values: dict[str, Any] = {"width": width, "height": height}
    if isinstance(result, SemanticResult):
        return {**values, "classes": _classes(result, result.labels, bool(masks))}
    with_masks = masks is not False
    if isinstance(result, PanopticResult):
        return {
            **values,
            "classes": _classes(result, result.labels, False),
            "segments": _segments(result, with_masks),
        }
    return {**values, "objects": _objects(result, result.instances, with_masks)}


def _classes(
    result: "SemanticResult | PanopticResult", labels: np.ndarray, masks: bool
) -> list[dict[str, Any]]:
    found, counts = np.unique(labels, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [
        {
            **_named(result, label),
            "pixels": count,
            "share": round(count / labels.size, 6),
            **({"mask": _mask(RunLengths.from_mask(labels == label))} if masks else {}),
        }
        for label, count in zip(found[order].tolist(), counts[order].tolist(), strict=True)
        if label < len(result.class_names)
    ]


def _objects(result: InstanceResult, objects: Instances, masks: bool) -> list[dict[str, Any]]:
    runs = run_lengths_of(objects)
    values = []
    for index, label in enumerate(objects.classes.tolist()):
        value = {**_named(result, label), **_score(objects.scores, index)}
        value["box"] = [round(side, 2) for side in objects.boxes[index].tolist()]
        if runs:
            value["pixels"] = runs[index].area
            value |= {"mask": _mask(runs[index])} if masks else {}
        values.append(value)
    return values


def _segments(result: PanopticResult, masks: bool) -> list[dict[str, Any]]:
    segments, values = result.segments, []
    for index, (label, area) in enumerate(
        zip(segments.classes.tolist(), segments.areas.tolist(), strict=True)
    ):
        runs = RunLengths.from_mask(segments.ids == index + 1)
        values.append(
            {
                **_named(result, label),
                "thing": result.is_thing[label],
                **_score(segments.scores, index),
                "box": list(runs.box),
                "pixels": area,
                "share": round(area / segments.ids.size, 6),
                **({"mask": _mask(runs)} if masks else {}),
            }
        )
    return values


def _named(result: "Prediction", label: int) -> dict[str, Any]:
    assert result.ids is not None
    return {"class": result.class_names[label], "label": label, "id": result.ids[label]}


def _score(scores: np.ndarray | None, index: int) -> dict[str, float]:
    return {} if scores is None else {"score": round(float(scores[index]), 6)}


def _mask(runs: RunLengths) -> dict[str, Any]:
    return {"size": list(runs.size), "counts": runs.compressed()}
