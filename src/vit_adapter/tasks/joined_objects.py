"""Objects that were found in windows, at the size of the image. No torch here: exported models do without it."""

import math

import numpy as np

from vit_adapter.annotations import Instances, RunLengths, Window
from vit_adapter.config import ClassTable
from vit_adapter.inference.grid import Size
from vit_adapter.inference.joining import Part, join_objects

from .window_walk import FoundInView


def things_of(classes: ClassTable) -> np.ndarray:
    """Which classes have objects, bool [K]; all of them where the table does not say."""
    return np.ones(len(classes), bool) if classes.is_thing is None else np.array(classes.is_thing, bool)


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
    new = Window(new_rows.start, new_columns.start, len(new_rows), len(new_columns))
    larger = _interpolated(_interpolated(pixels.astype(np.float32).T, new.width).T, new.height)
    return RunLengths.from_part(larger > 0.5, new, size)


def _interpolated(rows: np.ndarray, count: int) -> np.ndarray:
    """Values [h, w] at ``count`` rows, half-pixel centres, rounded as torch does: a value of one half decides."""
    old = len(rows)
    # In one rounding, as processors multiply and add.
    position = float(np.float32(old / count)) * (np.arange(count) + 0.5) - 0.5
    position = position.astype(np.float32).clip(min=0)
    upper = position.astype(np.int64).clip(max=old - 1)
    weight = (position - upper.astype(np.float32))[:, None]
    return (1 - weight) * rows[upper] + weight * rows[(upper + 1).clip(max=old - 1)]


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
