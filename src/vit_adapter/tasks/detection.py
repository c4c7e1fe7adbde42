"""Detection: a box for every object that can be counted."""

from collections.abc import Collection, Sequence

import numpy as np

from vit_adapter.annotations import Annotation, Instances
from vit_adapter.config import ClassTable, InputError
from vit_adapter.heads import Detections, Queries
from vit_adapter.metrics import InstanceEvaluator

from .answers import Answers, DecodeSettings
from .box_joining import joined_boxes
from .detected import detected_objects
from .detection_result import DetectionResult
from .instance import instance_targets
from .joined_objects import things_of
from .object_windows import find_in_windows
from .task import Task
from .window_walk import MaskSizes


def detection_results(
    answers: Answers, images: Sequence[np.ndarray], settings: DecodeSettings
) -> list[DetectionResult]:
    """Boxes of every image, see ``Task.decode``."""
    classes, wanted = settings.classes, settings.protocol.objects

    def decode(answer: Queries | Detections, sizes: MaskSizes) -> Instances:
        if isinstance(answer, Queries):
            raise InputError("this head finds masks, expected one that finds boxes for the task detection")
        return detected_objects(answer, sizes, wanted, with_masks=False)

    found = find_in_windows(answers, images, settings, decode)
    return [
        DetectionResult(
            image=image,
            class_names=classes.names,
            palette=None if classes.colours is None else np.array(classes.colours, np.uint8),
            ids=classes.ids,
            instances=joined_boxes(view),
        )
        for image, view in zip(images, found, strict=True)
    ]


def detection_evaluator(
    classes: ClassTable, left_out: Collection[int], limit: int = 100
) -> InstanceEvaluator:
    """Average precision of boxes, see ``Task.evaluator``; classes without objects are in no mean."""
    stuff = np.flatnonzero(~things_of(classes)).tolist()
    return InstanceEvaluator(len(classes), "boxes", limit, {*left_out, *stuff})


def drawn_boxes(image: np.ndarray, truth: Annotation, classes: ClassTable) -> DetectionResult:
    """The true boxes as predictions are drawn, see ``Task.drawn``.

    Raises:
        InputError: The objects are missing.
    """
    if truth.instances is None:
        raise InputError("objects are missing in the truth")
    return DetectionResult(
        image=image,
        class_names=classes.names,
        palette=None if classes.colours is None else np.array(classes.colours, np.uint8),
        ids=classes.ids,
        instances=truth.instances,
    )


DETECTION = Task(
    "detection",
    instance_targets,
    detection_results,
    detection_evaluator,
    InstanceEvaluator.headline,
    drawn_boxes,
    needs_objects=True,
    measured_with={"score_threshold": 0.0, "min_area": 0},
)
