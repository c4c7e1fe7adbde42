"""The objects of a COCO JSON, drawn into a class map when it is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vit_adapter.annotations import RunLengths
from vit_adapter.images import Mask

from ..conversion.coco_shape import CocoShape
from ..found_objects import FoundObject


@dataclass(frozen=True)
class CocoObject:
    """An annotation whose shape was checked.

    Attributes:
        number: Its id as the file has it, for messages.
        category: Category id, which is the mask value of its class.
        shape: Its pixels; None: only its box is known.
        crowd: Whether ``iscrowd`` says so.
        area: As stated; None: not.
        box: (left, top, right, bottom) as stated; None: not.
    """

    number: Any
    category: int
    shape: CocoShape | None
    crowd: bool
    area: float | None
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class CocoImage:
    """An image of the JSON: (height, width) in pixels, its objects, and the JSON."""

    size: tuple[int, int]
    objects: tuple[CocoObject, ...]
    file: Path


@dataclass(frozen=True)
class ObjectMask(Mask):
    """The classes of an image's objects as a mask, and the objects, in the order of the JSON."""

    objects: Sequence[FoundObject] = ()


@dataclass(frozen=True)
class CocoMasks:
    """Draws the objects of an image into a class map.

    Smaller objects lie on larger ones, and all of them on crowds, since who is on top is not said; an object of a
    class that is no class here (a category "background") is not drawn.

    Attributes:
        images: Image file to its objects.
        nothing: Mask value of pixels without an object.
        classes: Mask values of the classes.
        boxes_alone: Some object of the data set has no shape, so that those of the others count for nothing.
    """

    images: dict[Path, CocoImage]
    nothing: int
    classes: frozenset[int]
    boxes_alone: bool = False

    def __call__(self, file: Path, max_pixels: int) -> ObjectMask:
        """The class map uint16 [H, W] of an image, with its objects."""
        image = self.images[file]
        height, width = image.size
        found = [self._found(item, image.file) for item in image.objects if item.category in self.classes]
        down = np.full(height * width, self.nothing, np.uint16)
        for item in sorted(found, key=lambda item: (not item.crowd, -_drawn_area(item))):
            if item.mask is None:
                left, top, right, bottom = (max(0, round(side)) for side in item.extent)
                down.reshape(width, height)[left:right, top:bottom] = item.value
            else:
                _fill(down, item.mask, item.value)
        return ObjectMask(down.reshape(width, height).T.copy(), objects=found)

    def _found(self, item: CocoObject, file: Path) -> FoundObject:
        where = f"annotation {item.number} of {file}"
        mask = None if item.shape is None else item.shape.run_lengths()
        found = FoundObject(where, mask, item.category, item.crowd, item.area, item.box)
        return replace(found, mask=None, box=found.extent) if self.boxes_alone else found

    def objects(self, file: Path, mask: Mask, max_pixels: int) -> Sequence[FoundObject]:
        """The objects that a class map of ``__call__`` was made of."""
        assert isinstance(mask, ObjectMask)
        return mask.objects


def _drawn_area(item: FoundObject) -> float:
    return item.pixels if item.mask is None else item.mask.area


def _fill(down: np.ndarray, mask: RunLengths, value: int) -> None:
    ends = np.cumsum(mask.counts)
    for start, end in zip(ends[:-1:2].tolist(), ends[1::2].tolist()):
        down[start:end] = value
