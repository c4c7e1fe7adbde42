"""Objects as the files of a data set tell of them, before their classes are known as labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from vit_adapter.annotations import Instances, RunLengths, run_lengths_of_ids
from vit_adapter.config import InputError
from vit_adapter.images import Mask

from .labels import LabelMapping


@dataclass(frozen=True)
class FoundObject:
    """One object whose class the files name.

    Attributes:
        where: What a message calls it, such as "annotation 5".
        mask: Its pixels; None: only its box is known.
        value: Mask value of its class.
        crowd: A region of many objects that were not annotated one by one.
        area: Pixels, as the annotation states them; None: those of the mask.
        box: (left, top, right, bottom) as the annotation states it, which may reach out of the image (behaviour 129);
            None: the smallest around the mask.
    """

    where: str
    mask: RunLengths | None
    value: int
    crowd: bool = False
    area: float | None = None
    box: tuple[float, float, float, float] | None = None

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Its box."""
        if self.box is not None:
            return self.box
        assert self.mask is not None, "an object without box and mask"
        left, top, right, bottom = self.mask.box
        return left, top, right, bottom

    @property
    def pixels(self) -> float:
        """Its area: as stated, else of the mask, else of the box."""
        if self.area is not None:
            return self.area
        left, top, right, bottom = self.extent
        return (right - left) * (bottom - top) if self.mask is None else self.mask.area

    @property
    def is_empty(self) -> bool:
        """It has no pixel."""
        left, top, right, bottom = self.extent
        return not self.mask.area if self.mask is not None else right <= left or bottom <= top


@dataclass(frozen=True)
class IdMap:
    """Objects whose classes are those of the class map in their pixels.

    Attributes:
        ids: Integers [H, W], the number of the object of each pixel; 0: none.
        file: Where the numbers are from, for messages.
    """

    ids: np.ndarray
    file: Path


Found: TypeAlias = Sequence[FoundObject] | IdMap
ObjectReader: TypeAlias = Callable[[Path, Mask, int], Found]
"""From a mask's file, what was read from it, and the largest number of pixels of a further file, to its objects."""


def instances_of(found: Found, labels: np.ndarray, mapping: LabelMapping, file: Path) -> Instances:
    """Objects with contiguous labels; those of classes that are ignored, or are no things, are left out.

    Args:
        found: What the files tell.
        labels: Contiguous labels [H, W].
        mapping: From mask values to labels.
        file: The mask's file, for messages.

    Raises:
        InputError: An object of an unknown class, or one over pixels of two classes.
    """
    if isinstance(found, IdMap):
        return _by_pixels(found, labels, mapping, file)
    kept: list[tuple[int, FoundObject]] = []
    for item in found:
        label = mapping.label(item.value, coloured=False)
        if label is None:
            raise InputError(
                f"{file}: {item.where} has the class {item.value}, which is not in the class list"
            )
        if _is_thing(label, mapping) and not item.is_empty:
            kept.append((label, item))
    masks = [item.mask for item in found if item.mask is not None]
    return Instances(
        np.array([label for label, _ in kept], np.int64),
        np.array([item.extent for _, item in kept], np.float32).reshape(-1, 4),
        # Of a data set of boxes no object has a mask; where there is none at all, that is the reader's to say.
        [item.mask for _, item in kept if item.mask is not None] if len(masks) == len(found) else None,
        crowd=np.array([item.crowd for _, item in kept], bool),
        areas=np.array([item.pixels for _, item in kept], np.float64),
    )


def _by_pixels(found: IdMap, labels: np.ndarray, mapping: LabelMapping, file: Path) -> Instances:
    """Pixels that the class map ignores (such as the rim that VOC draws around objects) are no part of an object.

    Pixels of a thing that no object covers are a crowd, one for each class.
    """
    names, void = mapping.table.names, mapping.table.ignore_index
    if found.ids.shape != labels.shape:
        height, width = found.ids.shape
        raise InputError(
            f"{found.file}: {width}x{height} pixels (width x height), but the class map {file} has "
            f"{labels.shape[1]}x{labels.shape[0]}"
        )
    inside = np.where(labels == void, 0, found.ids)
    covered = inside > 0
    pairs = np.unique(np.stack([inside[covered].astype(np.int64), labels[covered].astype(np.int64)]), axis=1)
    twice = np.flatnonzero(pairs[0, 1:] == pairs[0, :-1])
    if len(twice):
        number, (first, second) = pairs[0, twice[0]], pairs[1, twice[0] : twice[0] + 2]
        raise InputError(
            f"{found.file}: object {number} lies over pixels of two classes of {file}, {names[first]!r} and "
            f"{names[second]!r}; give each object one class, and a number that no other object of the image has, or "
            "train with --task semantic, which does without objects"
        )
    class_of = dict(zip(pairs[0].tolist(), pairs[1].tolist()))
    classes, masks, crowd = [], [], []
    for number, mask in run_lengths_of_ids(inside).items():
        if number and _is_thing(class_of[number], mapping):
            classes.append(class_of[number])
            masks.append(mask)
            crowd.append(False)
    rest = np.where(covered, void, labels)
    for label, mask in run_lengths_of_ids(rest).items():
        if _is_thing(label, mapping):
            classes.append(label)
            masks.append(mask)
            crowd.append(True)
    return Instances.from_masks(np.array(classes, np.int64), masks, crowd=np.array(crowd, bool))


def _is_thing(label: int, mapping: LabelMapping) -> bool:
    things = mapping.table.is_thing
    return label != mapping.table.ignore_index and (things is None or things[label])
