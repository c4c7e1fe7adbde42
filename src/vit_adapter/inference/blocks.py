"""Large images in blocks: each is labelled by itself, and gives the labels that the whole image would get.

Windows of a whole image lie on a grid. A block reaches from the first window that covers some pixel of its core to the
end of the last one, so that the grid of the block, planned by itself, is that part of the grid of the image: the core's
pixels are covered by the same windows, whose scores are averaged as ever. Only windows at the borders of cores are seen
twice.
"""

from typing import NamedTuple

from vit_adapter.annotations import Window

from .grid import Size, window_starts


class Block(NamedTuple):
    """A part of an image.

    Attributes:
        core: What its labels are taken for; the cores of an image cover it without overlap.
        whole: What is read.
    """

    core: Window
    whole: Window

    @property
    def inner(self) -> Window:
        """The core's place in what is read."""
        top, left = self.core.top - self.whole.top, self.core.left - self.whole.left
        return Window(top, left, self.core.height, self.core.width)


def plan_blocks(size: Size, crop: int, stride: int, side: int) -> list[Block]:
    """The blocks of an image at native resolution, row by row.

    Args:
        size: (height, width) of the image.
        crop: Side of a window.
        stride: Distance between windows, at most ``crop``.
        side: Of a core; those at the right and at the bottom may be smaller.
    """
    rows, columns = (_spans(length, crop, stride, side) for length in size)
    return [
        Block(
            Window(top, left, bottom - top, right - left),
            Window(first_row, first_column, last_row - first_row, last_column - first_column),
        )
        for (top, bottom), (first_row, last_row) in rows
        for (left, right), (first_column, last_column) in columns
    ]


def _spans(length: int, crop: int, stride: int, side: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """(begin, end) of each core along an axis, and of what is read for it."""
    starts = window_starts(length, crop, stride)
    spans = []
    for begin in range(0, length, side):
        end = min(begin + side, length)
        covering = [start for start in starts if start < end and start + crop > begin]
        spans.append(((begin, end), (covering[0], min(covering[-1] + crop, length))))
    return spans
