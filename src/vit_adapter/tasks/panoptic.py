"""Panoptic segmentation: every pixel belongs to one object, or to a class of stuff."""

from collections.abc import Collection, Sequence

import numpy as np
import torch

from vit_adapter.annotations import Annotation, RunLengths, Segments
from vit_adapter.config import ClassTable, InputError
from vit_adapter.heads import Detections, Objects, Queries, Targets
from vit_adapter.inference.grid import Size
from vit_adapter.metrics import PanopticEvaluator

from .answers import Answers, DecodeSettings
from .instance import counted_objects
from .joined_segments import known_things, segments_of_view
from .object_windows import find_in_windows
from .panoptic_result import PanopticResult
from .queries import find_segments
from .task import Task, TrainingTruth
from .window_walk import MaskSizes


def panoptic_targets(truth: TrainingTruth, classes: ClassTable, area: Size) -> Targets:
    """Every object of a thing, and every class of stuff as one mask, see ``Task.targets``.

    Raises:
        InputError: The images come without objects, or the classes do not say which are things.
    """
    if truth.objects is None or truth.labels is None:
        raise InputError("the task panoptic learns from labels and objects, which these images do not have")
    is_thing = torch.from_numpy(known_things(classes)).to(truth.labels.device)
    targets = []
    for labels, objects in zip(truth.labels, truth.objects, strict=True):
        things = counted_objects(objects, classes)
        assert things.masks is not None
        present = labels.unique()
        present = present[(present >= 0) & (present < len(is_thing))]
        stuff = present[~is_thing[present]]
        masks = torch.cat([things.masks.bool(), labels == stuff[:, None, None]])
        boxes = torch.cat([things.boxes, things.boxes.new_zeros(len(stuff), 4)])
        targets.append(Objects(torch.cat([things.classes, stuff]), boxes, masks))
    return Targets(truth.labels, classes.ignore_index, area, targets)


def true_segments(annotation: Annotation, classes: ClassTable) -> Segments:
    """Labels and objects as segments; pixels of a thing that belong to no object are void.

    Where objects overlap, the later one of those whose class the pixel has.

    Raises:
        InputError: Labels or objects are missing.
    """
    if annotation.labels is None or annotation.instances is None or annotation.instances.masks is None:
        raise InputError("panoptic quality needs labels and the masks of objects")
    labels, objects = annotation.labels, annotation.instances
    ids, segments = np.zeros(labels.shape, np.int32), []
    crowd = np.zeros(len(objects), bool) if objects.crowd is None else objects.crowd
    assert objects.masks is not None
    for index, label in enumerate(objects.classes.tolist()):
        mask = objects.masks[index]
        inside = (mask.mask() if isinstance(mask, RunLengths) else mask) & (labels == label)
        segments.append((label, bool(crowd[index])))
        ids[inside] = len(segments)
    for label in np.flatnonzero(~known_things(classes)).tolist():
        inside = labels == label
        if inside.any():
            segments.append((label, False))
            ids[inside & (ids == 0)] = len(segments)
    present = np.bincount(ids.reshape(-1), minlength=len(segments) + 1)[1:] > 0
    numbers = np.concatenate([[0], np.cumsum(present) * present]).astype(np.int32)
    kept = [segment for segment, there in zip(segments, present.tolist(), strict=True) if there]
    return Segments(
        numbers[ids],
        np.array([label for label, _ in kept], np.int64),
        crowd=np.array([is_crowd for _, is_crowd in kept], bool),
    )


def panoptic_results(
    answers: Answers, images: Sequence[np.ndarray], settings: DecodeSettings
) -> list[PanopticResult]:
    """Segments of every image, see ``Task.decode``."""
    classes, wanted = settings.classes, settings.protocol.objects
    things = known_things(classes)

    def decode(answer: Queries | Detections, sizes: MaskSizes) -> Segments:
        if not isinstance(answer, Queries):
            raise InputError("this head finds boxes, which the task panoptic does not take")
        found = find_segments(answer.classes[0], answer.masks[0], sizes, things, wanted)
        return found.without_empty(wanted.min_area)

    found = find_in_windows(answers, images, settings, decode)
    return [
        PanopticResult(
            image=image,
            class_names=classes.names,
            palette=None if classes.colours is None else np.array(classes.colours, np.uint8),
            ids=classes.ids,
            is_thing=tuple(bool(thing) for thing in things),
            segments=segments_of_view(view, things, wanted.min_area),
        )
        for image, view in zip(images, found, strict=True)
    ]


def panoptic_evaluator(classes: ClassTable, left_out: Collection[int], limit: int = 100) -> PanopticEvaluator:
    """Panoptic quality, see ``Task.evaluator``."""
    return PanopticEvaluator(
        known_things(classes).tolist(), lambda truth: true_segments(truth, classes), left_out
    )


def drawn_segments(image: np.ndarray, truth: Annotation, classes: ClassTable) -> PanopticResult:
    """Labels and objects as a result, see ``Task.drawn``.

    Raises:
        InputError: Labels or objects are missing.
    """
    return PanopticResult(
        image=image,
        class_names=classes.names,
        palette=None if classes.colours is None else np.array(classes.colours, np.uint8),
        ids=classes.ids,
        is_thing=tuple(bool(thing) for thing in known_things(classes)),
        segments=true_segments(truth, classes),
    )


PANOPTIC = Task(
    "panoptic",
    panoptic_targets,
    panoptic_results,
    panoptic_evaluator,
    PanopticEvaluator.headline,
    drawn_segments,
    needs_objects=True,
)
