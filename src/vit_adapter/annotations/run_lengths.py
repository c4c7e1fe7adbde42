"""Masks as run-lengths, in COCO's two forms: a list of counts, and a compressed string."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vit_adapter.config import InputError

from .window import Window


@dataclass(frozen=True)
class RunLengths:
    """A mask as the lengths of its runs, down the columns one after the other.

    Attributes:
        size: (height, width) in pixels.
        counts: Lengths of runs of outside, inside, outside ...; the first may be 0.

    Raises:
        InputError: The counts are not whole numbers, negative, or do not add up to height x width.
    """

    size: tuple[int, int]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        height, width = self.size
        if not {*map(type, self.counts)} <= {int}:
            raise InputError("run lengths that are not whole numbers")
        if min(self.counts, default=0) < 0:
            raise InputError(f"a run of the negative length {min(self.counts)}")
        if sum(self.counts) != height * width:
            raise InputError(
                f"run lengths for {sum(self.counts)} pixels, but height {height} x width {width} = {height * width}"
            )

    @classmethod
    def read(cls, counts: Sequence[int] | str | bytes, size: tuple[int, int]) -> "RunLengths":
        """Run-lengths from either form of COCO.

        Args:
            counts: List of counts, or the compressed string.
            size: (height, width) in pixels.

        Raises:
            InputError: It is neither, or does not fit the size.
        """
        return cls(size, _expanded(counts) if isinstance(counts, (str, bytes)) else tuple(counts))

    @classmethod
    def between(cls, places: np.ndarray, size: tuple[int, int]) -> "RunLengths":
        """Run-lengths from the pixels at which outside becomes inside, outside again ...

        Args:
            places: int64, ascending, none twice, counted down the columns one after the other.
            size: (height, width) in pixels.
        """
        total = size[0] * size[1]
        counts = np.diff(np.concatenate([[0], places, [total]])).tolist()
        return cls(size, tuple(counts if counts[-1] or len(counts) == 1 else counts[:-1]))

    @classmethod
    def from_mask(cls, mask: np.ndarray) -> "RunLengths":
        """Run-lengths of a mask, bool [H, W] (other numbers: everything but 0 is inside)."""
        inside = np.asarray(mask).astype(bool, copy=False)
        height, width = inside.shape
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        if not rows.size:
            return cls((height, width), (height * width,))
        top, left = int(rows[0]), int(columns[0])
        window = Window(top, left, int(rows[-1]) + 1 - top, int(columns[-1]) + 1 - left)
        return cls.from_part(inside[window.slices], window, (height, width))

    @classmethod
    def from_part(cls, mask: np.ndarray, window: Window, size: tuple[int, int]) -> "RunLengths":
        """Run-lengths of a mask that is empty outside of a window; the whole of it is never made.

        Args:
            mask: bool [h, w], the part inside the window.
            window: Its place; it does not leave the mask.
            size: (height, width) of the whole mask in pixels.
        """
        height, width = size
        padded = np.zeros((window.width, window.height + 2), bool)  # a column of the mask is a row here
        padded[:, 1:-1] = mask.T
        column, row = np.nonzero(padded[:, 1:] != padded[:, :-1])  # begin, end, begin, end ...
        edges = (column + window.left) * height + window.top + row
        # A run that ends at the bottom of a column goes on at the top of the next one.
        apart = np.concatenate([[True], edges[1:-1:2] != edges[2::2], [True]])
        edges = edges[np.repeat(apart, 2)[1:-1]] if edges.size else edges
        counts = np.diff(np.concatenate([[0], edges, [height * width]])).tolist()
        return cls(size, tuple(counts if counts[-1] or len(counts) == 1 else counts[:-1]))

    def mask(self) -> np.ndarray:
        """The mask as bool [H, W]."""
        height, width = self.size
        inside = np.arange(len(self.counts)) % 2 == 1
        return np.repeat(inside, self.counts).reshape(width, height).T.copy()

    def part(self, window: Window) -> np.ndarray:
        """The part of the mask inside a window that does not leave it, bool [h, w]; the rest is never made."""
        height = self.size[0]
        first, last = window.left * height, window.right * height
        ends = np.cumsum(self.counts)
        begin, end = np.searchsorted(ends, first, side="right"), np.searchsorted(ends, last, side="left")
        edges = np.concatenate([[first], ends[begin:end], [last]])
        inside = np.arange(begin, end + 1) % 2 == 1
        columns = np.repeat(inside, np.diff(edges)).reshape(window.width, height)
        return columns[:, window.top : window.bottom].T

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The smallest box around the pixels inside: left, top, right, bottom; zeros if there is none."""
        height = self.size[0]
        ends = np.cumsum(self.counts)
        starts, stops = ends[:-1:2], ends[1::2]
        inside = stops > starts
        if not inside.any():
            return 0, 0, 0, 0
        starts, stops = starts[inside], stops[inside]
        left, right = starts // height, (stops - 1) // height
        one_column = left == right
        top = np.where(one_column, starts % height, 0).min()
        bottom = np.where(one_column, (stops - 1) % height + 1, height).max()
        return int(left[0]), int(top), int(right[-1]) + 1, int(bottom)

    @property
    def area(self) -> int:
        """Pixels inside."""
        return sum(self.counts[1::2])

    def compressed(self) -> str:
        """COCO's compressed string: groups of five bits, lowest first, each a character from code 48 on.

        Bit 32 says that more groups follow; bit 16 of the last one is the sign. From the fourth count on, what is
        stored is the difference to the count two before.
        """
        codes: list[int] = []
        for index, count in enumerate(self.counts):
            value = count - self.counts[index - 2] if index > 2 else count
            while True:
                bits, value = value & 31, value >> 5
                ends = value == (-1 if bits & 16 else 0)
                codes.append(48 + (bits if ends else bits | 32))
                if ends:
                    break
        return bytes(codes).decode("ascii")


def _expanded(text: str | bytes) -> tuple[int, ...]:
    """Counts from the compressed string, see ``RunLengths.compressed``."""
    codes = text.encode("ascii", "replace") if isinstance(text, str) else text
    counts: list[int] = []
    value, shift = 0, 0
    for code in codes:
        bits = code - 48
        if not 0 <= bits < 64:
            raise InputError(f"compressed run lengths with the character {chr(code)!r}")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value, shift = 0, 0
    if shift:
        raise InputError("compressed run lengths that end in the middle of a number")
    return tuple(counts)
