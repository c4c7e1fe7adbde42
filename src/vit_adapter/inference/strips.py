"""Score maps as a stream of rows: resizing, cutting and joining them without ever holding a whole one.

A stream is an iterator of strips [B, K, rows, W] that lie below each other. 150 classes of a 24 megapixel image
are 14 GB of scores and more elements than 32-bit indices count; a stream of them needs a few megabytes.
"""

from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from vit_adapter.annotations import Window

from .grid import Size

STRIP_BYTES = 1 << 24
"""Size of a strip on the CPU: small enough for its caches."""
DEVICE_STRIP_BYTES = 1 << 27
"""Size of a strip on an accelerator: large enough to keep it busy."""


CLASSES_LAST_FROM = 8
"""So many classes and more lie beside each other in memory on the CPU: resizing and arg-max are then several times
faster."""


def classes_last(scores: Tensor) -> Tensor:
    """The same scores [B, K, H, W], in the memory order in which many classes are handled fastest."""
    if scores.device.type != "cpu" or scores.shape[1] < CLASSES_LAST_FROM:
        return scores
    return scores.contiguous(memory_format=torch.channels_last)


def strip_rows(strip: Tensor, width: int | None = None) -> int:
    """How many rows of that ``width`` (None: the strip's own) are handled at once."""
    batch, classes, _, own_width = strip.shape
    row_bytes = batch * classes * (width or own_width) * strip.element_size()
    limit = STRIP_BYTES if strip.device.type == "cpu" else DEVICE_STRIP_BYTES
    return max(1, limit // row_bytes)


def split_rows(scores: Tensor, width: int | None = None) -> Iterator[Tensor]:
    """Strips of scores [B, K, H, W], small enough to be handled at ``width``; views, no copies."""
    yield from scores.split(strip_rows(scores, width), dim=2)


def join_strips(strips: Iterable[Tensor]) -> Tensor:
    """All strips as one tensor [B, K, H, W] of its own."""
    # Strips may be overwritten by the stream that gave them.
    parts = [strip.clone() for strip in strips]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)


def crop_strips(strips: Iterable[Tensor], window: Window) -> Iterator[Tensor]:
    """The part of a stream inside a window."""
    top, left, bottom, right = window.corners
    start = 0
    for strip in strips:
        end = start + strip.shape[2]
        first, last = max(top, start), min(bottom, end)
        if first < last:
            yield strip[:, :, first - start : last - start, left:right]
        if end >= bottom:
            return
        start = end


def resize_strips(strips: Iterable[Tensor], old: Size, new: Size) -> Iterator[Tensor]:
    """Bilinear resize of a stream, half-pixel centres (``align_corners=False``), as torch does it.

    The numbers are those of ``torch.nn.functional.interpolate`` on the whole map: where rows become twice, four times
    ... as many, it is torch's resize of each part and its neighbours; elsewhere rows are resized across by torch, then
    combined downwards with torch's own weights.

    Args:
        strips: [B, K, rows, old width], together ``old[0]`` rows.
        old: (height, width) of the whole map.
        new: (height, width) of the whole result.

    Yields:
        Strips [B, K, rows, new width], together ``new[0]`` rows.
    """
    if old == new:
        yield from strips
        return
    (old_height, old_width), (new_height, new_width) = old, new
    factor, rest = divmod(new_height, old_height)
    if rest == 0 and factor & (factor - 1) == 0 and factor > 1:
        yield from _enlarged(strips, factor, new_width)
        return
    first, done = 0, 0  # rows of the old map before the held ones, rows of the new map that are finished
    held: Tensor | None = None  # [B, K, rows, new width]
    upper = lower = upper_weight = lower_weight = torch.empty(0)
    for strip in strips:
        for part in split_rows(strip, max(old_width, new_width)):
            if part.shape[2] == 0:
                continue
            if old_width != new_width:
                part = _interpolate(part, (part.shape[2], new_width))
            if old_height == new_height:
                yield part
                continue
            if held is None:
                held = part[:, :, :0]
                upper, lower, upper_weight, lower_weight = _vertical_weights(old_height, new_height, part)
            held = torch.cat([held, part], dim=2)
            end = first + held.shape[2]
            ready = int(torch.searchsorted(lower, end))  # rows of the result whose lower neighbour is there
            step = strip_rows(held)
            for start in range(done, ready, step):
                rows = slice(start, min(start + step, ready))
                device = held.device
                result = held.index_select(2, (upper[rows] - first).to(device)) * upper_weight[rows, None]
                result += held.index_select(2, (lower[rows] - first).to(device)) * lower_weight[rows, None]
                yield result
            done = ready
            keep = min(int(upper[done]), end) if done < new_height else end
            held, first = held[:, :, keep - first :], keep


def resize_scores(scores: Tensor, size: Size) -> Tensor:
    """Bilinear resize of whole score maps [B, K, H, W] (behaviours 68 and 70); sizes that fit are returned as they are.

    Done in strips, since some devices count elements in 32 bits and go wrong silently beyond.
    """
    old = (scores.shape[2], scores.shape[3])
    if old == size:
        return scores
    if scores.device.type == "cpu":
        return _interpolate(classes_last(scores), size)
    return join_strips(resize_strips(split_rows(scores), old, size))


def _enlarged(strips: Iterable[Tensor], factor: int, width: int) -> Iterator[Tensor]:
    """A stream with ``factor`` times as many rows, a power of two: positions are then exact wherever a part begins."""
    held: Tensor | None = (
        None  # [B, K, rows, old width], after the first part: one finished row, then the others
    )
    finished = 0
    for strip in strips:
        step = max(1, strip_rows(strip, width) // factor)
        for part in strip.split(step, dim=2):
            part = classes_last(part)
            held = (
                part.clone() if held is None else torch.cat([held, part], dim=2)
            )  # the stream may overwrite parts
            if held.shape[2] - finished < 2:
                continue
            # The last row waits for its lower neighbour.
            result = _interpolate(held, (held.shape[2] * factor, width))
            yield result[:, :, finished * factor : -factor]
            held, finished = held[:, :, -2:].clone(memory_format=torch.preserve_format), 1
    if held is not None and held.shape[2] > finished:
        yield _interpolate(held, (held.shape[2] * factor, width))[:, :, finished * factor :]


class RowReader:
    """Reads a stream in pieces of other heights than it is given out in.

    Args:
        strips: The stream; nothing is asked of it before the first reading.
    """

    def __init__(self, strips: Iterable[Tensor]) -> None:
        self._strips = iter(strips)
        self._rest: Tensor | None = None

    def read(self, rows: int) -> Iterator[Tensor]:
        """Strips that have the next ``rows`` rows together; the stream must have as many."""
        while rows > 0:
            strip = next(self._strips) if self._rest is None else self._rest
            self._rest = strip[:, :, rows:] if strip.shape[2] > rows else None
            rows -= min(rows, strip.shape[2])
            if self._rest is not None:
                strip = strip[:, :, : strip.shape[2] - self._rest.shape[2]]
            yield strip

    def close(self) -> None:
        """Releases the stream and everything it holds."""
        self._strips, self._rest = iter(()), None


def _interpolate(maps: Tensor, size: Size) -> Tensor:
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def _vertical_weights(old: int, new: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Upper and lower row of every row of the result, int64 [new] on the CPU, and their weights on the device.

    torch rounds positions in its own way (fused or not, in the maps' precision): one part in ten thousand of a
    weight for large maps. So the weights are read off from a resize of rows that hold one in every third row.
    """
    rows = torch.arange(old, device=like.device)
    marks = torch.stack([rows % 3 == residue for residue in range(3)]).to(like.dtype)  # [3, old]
    weights = _interpolate(marks[None, :, :, None], (new, 1))[0, :, :, 0]  # [3, new]
    position = (torch.arange(new, dtype=torch.float64) + 0.5) * (old / new) - 0.5
    nearest = position.round().long().clamp(0, old - 1)
    # Rows nearest - 1, nearest and nearest + 1 have different residues, and only two of them weigh anything.
    near, after = (weights.gather(0, ((nearest + offset) % 3)[None].to(like.device))[0] for offset in (0, 1))
    below = (after.cpu() > 0) & (nearest < old - 1)
    upper = torch.where(below, nearest, nearest - 1).clamp(min=0)
    lower = torch.where(below, nearest + 1, nearest)
    same = upper == lower
    before = weights.gather(0, ((nearest - 1) % 3)[None].to(like.device))[0]
    below, same = below.to(like.device), same.to(like.device)
    upper_weight = torch.where(below, near, before).masked_fill(same, 0)
    lower_weight = torch.where(below, after, near)
    return upper, lower, upper_weight, lower_weight
