"""Objects of overlapping windows: those that are parts of one object are joined."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vit_adapter.annotations import Instances, RunLengths, Window

SAME_OBJECT = 0.5
"""Two objects are one if the intersection over union of what both windows see of them is at least this."""


@dataclass(frozen=True, eq=False)
class Part:
    """What was found in one window.

    Attributes:
        window: Its place in the image.
        objects: Best first, with masks as run-lengths of the size of the window, and scores.
    """

    window: Window
    objects: Instances


def groups_of_parts(parts: Sequence[Part]) -> list[list[tuple[int, int]]]:
    """Which objects are parts of one.

    Objects of the same class, of two windows, are compared where the windows overlap; the best ones first, and each
    with one object of the other window.

    Args:
        parts: What was found in each window.

    Returns:
        For each object of the image its parts: (number of the window, number of the object there). Sorted by the
        first one.
    """
    numbers = [(place, index) for place, part in enumerate(parts) for index in range(len(part.objects))]
    parents = {number: number for number in numbers}

    def root(number: tuple[int, int]) -> tuple[int, int]:
        while parents[number] != number:
            number = parents[number]
        return number

    for second in range(len(parts)):
        for first in range(second):
            for mine, other in _same_objects(parts[first], parts[second]):
                one, two = sorted((root((first, mine)), root((second, other))))
                parents[two] = one
    groups: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for number in numbers:
        groups.setdefault(root(number), []).append(number)
    return list(groups.values())


def join_objects(parts: Sequence[Part], size: tuple[int, int]) -> Instances:
    """The objects of an image, best first; masks are the union of their parts, scores the best of them.

    Args:
        parts: What was found in each window.
        size: (height, width) of the image in pixels.
    """
    classes, masks, scores = [], [], []
    for group in groups_of_parts(parts):
        pieces = [(parts[place], index) for place, index in group]
        classes.append(pieces[0][0].objects.classes[pieces[0][1]])
        scores.append(max(_score(part, index) for part, index in pieces))
        masks.append(_union([(part.window, _mask(part, index)) for part, index in pieces], size))
    order = np.argsort(-np.array(scores, np.float64), kind="stable").tolist()
    return Instances.from_masks(
        np.array(classes, np.int64)[order],
        [masks[index] for index in order],
        np.array(scores, np.float32)[order],
    )


def _same_objects(first: Part, second: Part) -> list[tuple[int, int]]:
    """Pairs of numbers of objects that are one."""
    common = _common(first.window, second.window)
    if common is None:
        return []
    (mine, my_pixels), (others, other_pixels) = (_seen(part, common) for part in (first, second))
    if not mine.size or not others.size:
        return []
    shared = my_pixels @ other_pixels.T  # [n, m]
    union = my_pixels.sum(1)[:, None] + other_pixels.sum(1) - shared
    overlap = shared / union
    overlap[first.objects.classes[mine][:, None] != second.objects.classes[others]] = 0
    pairs = []
    for column in range(len(others)):  # best first
        row = int(overlap[:, column].argmax())
        if overlap[row, column] >= SAME_OBJECT:
            pairs.append((int(mine[row]), int(others[column])))
            overlap[row] = 0
    return pairs


def _seen(part: Part, common: Window) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the objects that have a pixel there, and their pixels, float32 [n, pixels]."""
    top, left = common.top - part.window.top, common.left - part.window.left
    inside = Window(top, left, common.height, common.width)
    boxes = part.objects.boxes
    near = (
        (boxes[:, 0] < inside.right)
        & (boxes[:, 2] > left)
        & (boxes[:, 1] < inside.bottom)
        & (boxes[:, 3] > top)
    )
    numbers, pixels = [], [np.zeros((0, common.height * common.width), np.float32)]
    for number in np.flatnonzero(near).tolist():
        seen = _mask(part, number).part(inside)
        if seen.any():
            numbers.append(number)
            pixels.append(seen.reshape(1, -1).astype(np.float32))
    return np.array(numbers, np.int64), np.concatenate(pixels)


def _common(first: Window, second: Window) -> Window | None:
    top, left = max(first.top, second.top), max(first.left, second.left)
    bottom, right = min(first.bottom, second.bottom), min(first.right, second.right)
    return Window(top, left, bottom - top, right - left) if top < bottom and left < right else None


def _union(pieces: Sequence[tuple[Window, RunLengths]], size: tuple[int, int]) -> RunLengths:
    windows = [window for window, _ in pieces]
    top, left = min(window.top for window in windows), min(window.left for window in windows)
    bottom, right = max(window.bottom for window in windows), max(window.right for window in windows)
    together = Window(top, left, bottom - top, right - left)
    union = np.zeros((together.height, together.width), bool)
    for window, mask in pieces:
        union[Window(window.top - top, window.left - left, *window[2:]).slices] |= mask.mask()
    return RunLengths.from_part(union, together, size)


def _mask(part: Part, index: int) -> RunLengths:
    assert part.objects.masks is not None
    mask = part.objects.masks[index]
    assert isinstance(mask, RunLengths)
    return mask


def _score(part: Part, index: int) -> float:
    assert part.objects.scores is not None
    return float(part.objects.scores[index])
