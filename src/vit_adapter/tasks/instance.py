"""Instance segmentation: a mask for every object that can be counted."""

import math
from collections.abc import Collection, Sequence

import numpy as np
import torch
import torch.nn.functional as F

from vit_adapter.annotations import Annotation, Instances, RunLengths, Window
from vit_adapter.config import ClassTable, InputError
from vit_adapter.heads import Detections, Objects, Queries, Targets
from vit_adapter.inference.grid import Size
from vit_adapter.inference.joining import Part, join_objects
from vit_adapter.metrics import InstanceEvaluator

from .answers import Answers, DecodeSettings
from .detected import detected_objects
from .instance_result import InstanceResult
from .object_windows import find_in_windows
from .queries import find_instances
from .task import Task, TrainingTruth
from .window_walk import FoundInView, MaskSizes


def things_of(classes: ClassTable) -> np.ndarray:
    """Which classes have objects, bool [K]; all of them where the table does not say."""
    return np.ones(len(classes), bool) if classes.is_thing is None else np.array(classes.is_thing, bool)


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


def objects_of_view(found: FoundInView[Instances], min_area: int) -> Instances:
    """The objects of an image: those of its windows joined, at its own size, none smaller than ``min_area`` pixels."""
    if found.whole is not None:
        return found.whole
    parts = [Part(window, objects) for window, objects in zip(found.windows, found.found, strict=True)]
    joined = join_objects(parts, found.view)
    assert joined.masks is not None
    masks = [resized_mask(mask, found.size) for mask in joined.masks]
    kept = [index for index, mask in enumerate(masks) if mask.area >= max(min_area, 1)]
    assert joined.scores is not None
    return Instances.from_masks(joined.classes[kept], [masks[index] for index in kept], joined.scores[kept])


def resized_mask(mask: RunLengths | np.ndarray, size: Size) -> RunLengths:
    """A mask at another size: bilinear, where it is above one half; made around the object alone."""
    if isinstance(mask, RunLengths) and mask.size == size:
        return mask
    mask = mask if isinstance(mask, RunLengths) else RunLengths.from_mask(mask)
    left, top, right, bottom = mask.box
    rows, new_rows = _aligned(top, bottom, mask.size[0], size[0])
    columns, new_columns = _aligned(left, right, mask.size[1], size[1])
    pixels = mask.part(Window(rows.start, columns.start, len(rows), len(columns)))
    values = torch.from_numpy(pixels.astype(np.float32))[None, None]
    new = Window(new_rows.start, new_columns.start, len(new_rows), len(new_columns))
    larger = F.interpolate(values, size=(new.height, new.width), mode="bilinear", align_corners=False)[0, 0]
    return RunLengths.from_part((larger > 0.5).numpy(), new, size)


def _aligned(first: int, last: int, old: int, new: int) -> tuple[range, range]:
    """Pixels around ``first`` to ``last`` of a side of ``old`` pixels, and those that they become among ``new`` ones.

    Both begin and end where pixels of the two sizes do, so that a resize of the part gives the part of the resize; at
    least a pixel without the object is on either side.
    """
    common = math.gcd(old, new)
    begin, end = max(0, first * common // old - 1), min(common, -(-last * common // old) + 1)
    return range(begin * old // common, end * old // common), range(
        begin * new // common, end * new // common
    )


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
