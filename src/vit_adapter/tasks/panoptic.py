"""Panoptic segmentation: every pixel belongs to one object, or to a class of stuff."""

from collections.abc import Collection, Sequence
from itertools import pairwise

import numpy as np
import torch

from vit_adapter.annotations import Annotation, Instances, RunLengths, Segments, Window
from vit_adapter.config import ClassTable, InputError
from vit_adapter.heads import Detections, Objects, Queries, Targets
from vit_adapter.images import resize_labels
from vit_adapter.inference.grid import Size
from vit_adapter.inference.joining import Part, groups_of_parts
from vit_adapter.metrics import PanopticEvaluator

from .answers import Answers, DecodeSettings
from .instance import counted_objects
from .object_windows import find_in_windows
from .panoptic_result import PanopticResult
from .queries import find_segments
from .task import Task, TrainingTruth
from .window_walk import FoundInView, MaskSizes


def known_things(classes: ClassTable) -> np.ndarray:
    """Which classes have objects, bool [K].

    Raises:
        InputError: The table does not say.
    """
    if classes.is_thing is None:
        raise InputError(
            "the task panoptic needs to know which classes are things (objects that can be counted) and which are "
            "stuff; these classes do not say"
        )
    return np.array(classes.is_thing, bool)


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


def segments_of_view(found: FoundInView[Segments], things: np.ndarray, min_area: int) -> Segments:
    """The segments of an image: those of its windows joined, at its own size.

    Every pixel is taken from the window in whose border it lies least; objects are joined as
    ``inference.joining`` says, stuff by its class.
    """
    if found.whole is not None:
        return found.whole
    numbers: list[np.ndarray] = []  # of each window: number of its segments in the image
    classes: list[int] = []
    scores: list[float] = []
    stuff: dict[int, int] = {}
    for segments in found.found:
        own = np.zeros(len(segments) + 1, np.int32)
        for index, label in enumerate(segments.classes.tolist(), start=1):
            if not things[label]:
                if label not in stuff:
                    classes.append(label)
                    scores.append(0.0)
                    stuff[label] = len(classes)
                own[index] = stuff[label]
                scores[stuff[label] - 1] = max(scores[stuff[label] - 1], _score(segments, index))
        numbers.append(own)
    parts, indices = [], []
    for window, segments in zip(found.windows, found.found, strict=True):
        part, own = _things_of(window, segments, things)
        parts.append(part)
        indices.append(own)
    for group in groups_of_parts(parts):
        place, index = group[0]
        classes.append(int(parts[place].objects.classes[index]))
        scores.append(max(_score(found.found[place], int(indices[place][index])) for place, index in group))
        for place, index in group:
            numbers[place][indices[place][index]] = len(classes)
    ids = np.zeros(found.view, np.int32)
    for number, (window, owned) in enumerate(zip(found.windows, owned_parts(found.windows), strict=True)):
        inside = Window(owned.top - window.top, owned.left - window.left, owned.height, owned.width)
        ids[owned.slices] = numbers[number][found.found[number].ids[inside.slices]]
    if found.view != found.size:
        ids = resize_labels(ids, found.size)
    areas = np.bincount(ids.reshape(-1), minlength=len(classes) + 1)[1:]
    kept = areas >= max(min_area, 1)
    renumbered = np.zeros(len(classes) + 1, np.int32)
    renumbered[1:][kept] = np.arange(1, kept.sum() + 1)
    labels, values = np.array(classes, np.int64), np.array(scores, np.float32)
    return Segments(renumbered[ids], labels[kept], values[kept])


def owned_parts(windows: Sequence[Window]) -> list[Window]:
    """Of each window of a grid the part that is its own: borders lie in the middle of what two windows share."""
    rows = _owned_spans(sorted({(window.top, window.bottom) for window in windows}))
    columns = _owned_spans(sorted({(window.left, window.right) for window in windows}))
    owned = []
    for window in windows:
        (top, bottom), (left, right) = rows[window.top], columns[window.left]
        owned.append(Window(top, left, bottom - top, right - left))
    return owned


def _owned_spans(spans: Sequence[tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """From the start of each span to what of it is its own."""
    borders = [spans[0][0], *((one[1] + two[0]) // 2 for one, two in pairwise(spans)), spans[-1][1]]
    return {span[0]: (borders[index], borders[index + 1]) for index, span in enumerate(spans)}


def _things_of(window: Window, segments: Segments, things: np.ndarray) -> tuple[Part, np.ndarray]:
    """The objects among the segments of a window, and the number of each among the segments."""
    numbers = np.flatnonzero(things[segments.classes]) + 1
    scores = np.array([_score(segments, number) for number in numbers.tolist()], np.float32)
    order = np.argsort(-scores, kind="stable")
    numbers = numbers[order]
    masks = [RunLengths.from_mask(segments.ids == number) for number in numbers.tolist()]
    return Part(window, Instances.from_masks(segments.classes[numbers - 1], masks, scores[order])), numbers


def _score(segments: Segments, number: int) -> float:
    assert segments.scores is not None
    return float(segments.scores[number - 1])


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
