"""Instance segmentation: a mask for every object that can be counted."""

from collections.abc import Collection, Sequence

import numpy as np
import torch

from vit_adapter.annotations import Annotation, Instances
from vit_adapter.config import ClassTable, InputError
from vit_adapter.heads import Detections, Objects, Queries, Targets
from vit_adapter.inference.grid import Size
from vit_adapter.metrics import InstanceEvaluator

from .answers import Answers, DecodeSettings
from .detected import detected_objects
from .instance_result import InstanceResult
from .joined_objects import objects_of_view, things_of
from .object_windows import find_in_windows
from .queries import find_instances
from .task import Task, TrainingTruth
from .window_walk import MaskSizes


def instance_targets(truth: TrainingTruth, classes: ClassTable, area: Size) -> Targets:
    """The objects of things, crowds apart, see ``Task.targets``.

    Raises:
        InputError: The images come without objects.
    """
    if truth.objects is None:
        raise InputError("the task instance learns from objects, which these images do not have")
    return Targets(
        truth.labels, classes.ignore_index, area, [counted_objects(one, classes) for one in truth.objects]
    )


def counted_objects(objects: Objects, classes: ClassTable) -> Objects:
    """The objects of things that were annotated one by one."""
    things = torch.from_numpy(things_of(classes)).to(objects.classes.device)
    kept = things[objects.classes]
    if objects.crowd is not None:
        kept = kept & ~objects.crowd
    masks = None if objects.masks is None else objects.masks[kept]
    return Objects(objects.classes[kept], objects.boxes[kept], masks)


def instance_results(
    answers: Answers, images: Sequence[np.ndarray], settings: DecodeSettings
) -> list[InstanceResult]:
    """Objects of every image, see ``Task.decode``."""
    classes, wanted, things = settings.classes, settings.protocol.objects, things_of(settings.classes)

    def decode(answer: Queries | Detections, sizes: MaskSizes) -> Instances:
        if not isinstance(answer, Queries):
            return detected_objects(answer, sizes, wanted, with_masks=True)
        return find_instances(answer.classes[0], answer.masks[0], sizes, things, wanted)

    found = find_in_windows(answers, images, settings, decode)
    return [
        InstanceResult(
            image=image,
            class_names=classes.names,
            palette=None if classes.colours is None else np.array(classes.colours, np.uint8),
            ids=classes.ids,
            instances=objects_of_view(view, wanted.min_area),
        )
        for image, view in zip(images, found, strict=True)
    ]


def instance_evaluator(classes: ClassTable, left_out: Collection[int], limit: int = 100) -> InstanceEvaluator:
    """Average precision, see ``Task.evaluator``; classes without objects are in no mean."""
    stuff = np.flatnonzero(~things_of(classes)).tolist()
    return InstanceEvaluator(len(classes), "masks", limit, {*left_out, *stuff})


def drawn_objects(image: np.ndarray, truth: Annotation, classes: ClassTable) -> InstanceResult:
    """Objects as a result, see ``Task.drawn``.

    Raises:
        InputError: There are none.
    """
    if truth.instances is None:
        raise InputError("objects are missing in the truth")
    palette = None if classes.colours is None else np.array(classes.colours, np.uint8)
    return InstanceResult(
        image=image,
        class_names=classes.names,
        palette=palette,
        ids=classes.ids,
        instances=truth.instances,
    )


INSTANCE = Task(
    "instance",
    instance_targets,
    instance_results,
    instance_evaluator,
    InstanceEvaluator.headline,
    drawn_objects,
    needs_objects=True,
    measured_with={"score_threshold": 0.0, "min_area": 0},
)
