"""Segments that were found in windows, at the size of the image. No torch here: exported models do without it."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from vit_adapter.annotations import Instances, RunLengths, Segments, Window
from vit_adapter.config import ClassTable, InputError
from vit_adapter.images import resize_labels
from vit_adapter.inference.joining import Part, groups_of_parts

from .window_walk import FoundInView


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
