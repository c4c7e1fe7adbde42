"""Objects into one mask, with a count of what lies over what."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class DrawnObject:
    """An object before it is painted.

    Attributes:
        where: File and number of the annotation, with its class, for messages.
        value: Mask value.
        shape: Its pixels, bool [H, W].
        counts: It is an object; else a region, such as of the background or of stuff.
        group: Those of an image with the same one are one object; None: it is one by itself.
        crowd: A region of many objects that were not drawn one by one.
    """

    where: str
    value: int
    shape: np.ndarray
    counts: bool = True
    group: Hashable = None
    crowd: bool = False


@dataclass
class Overlaps:
    """What painting found out, of all images together.

    Attributes:
        object_pixels: Pixels with one object or more.
        contested: Pixels with objects of different values.
        over: (value on top, value below) to pixels.
        empty: Objects that cover no pixel of their image.
        hidden: Objects of which no pixel is seen, since others cover them.
        seen: Pixels of each value in the masks that come from objects.
    """

    object_pixels: int = 0
    contested: int = 0
    over: Counter[tuple[int, int]] = field(default_factory=Counter)
    empty: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    seen: Counter[int] = field(default_factory=Counter)


def paint(mask: np.ndarray, objects: Sequence[DrawnObject], overlaps: Overlaps) -> np.ndarray:
    """Paints objects into a mask, later ones over earlier ones.

    Args:
        mask: [H, W], holds the value of pixels without an object; changed in place.
        objects: From the lowest to the one on top.
        overlaps: What is found is added here.

    Returns:
        int32 [H, W]: number of the object that is seen at each pixel, from 1; 0: none.
    """
    owner = np.zeros(mask.shape, np.int32)
    values = np.array([-1, *(item.value for item in objects)], np.int64)
    contested = np.zeros(mask.shape, bool)
    drawn = []
    for number, item in enumerate(objects, start=1):
        below = owner[item.shape]
        if below.size == 0:
            overlaps.empty.append(item.where)
            continue
        drawn.append(number)
        other = (below > 0) & (values[below] != item.value)
        for value, count in zip(*np.unique(values[below[other]], return_counts=True)):
            overlaps.over[item.value, int(value)] += int(count)
        contested[item.shape] |= other
        owner[item.shape] = number
    covered = owner > 0
    mask[covered] = values[owner[covered]]
    overlaps.object_pixels += int(covered.sum())
    overlaps.contested += int(contested.sum())
    visible = np.bincount(owner.ravel(), minlength=len(values))
    for number in drawn:
        if visible[number] == 0:
            overlaps.hidden.append(objects[number - 1].where)
        overlaps.seen[int(values[number])] += int(visible[number])
    return owner
