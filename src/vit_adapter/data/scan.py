"""Looking through masks before training: which values, how many pixels, what contradicts what."""

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from vit_adapter.config import InputError
from vit_adapter.images import MAX_PIXELS, Mask

from .codes import NO_DATA, Codes, count_codes, load_mask, mask_codes

Colour = tuple[int, int, int]
Item = TypeVar("Item")
THREADS = 4  # decoding releases Python's lock


@dataclass(frozen=True)
class MaskSummary:
    """What one mask holds.

    Attributes:
        file: The mask.
        size: (height, width) in pixels, in displayed orientation.
        counts: Value or packed colour to number of pixels.
        codes: How they were read; its ``values`` are left out.
        palette: Colour of each palette index that occurs; empty without a palette.
    """

    file: Path
    size: tuple[int, int]
    counts: dict[int, int]
    codes: Codes
    palette: dict[int, Colour] = field(default_factory=dict)


@dataclass(frozen=True)
class MaskReading:
    """How the masks of a data set are read.

    Attributes:
        no_data: Value of missing data in floating-point masks.
        colours: Packed colours of the colour table; None: there is none.
        ignored: Mask values that are ignored.
        palettes_matter: Palettes have to agree with each other.
        reader: How a file is read, where its values are not the stored ones; None: as any mask.
        max_pixels: Largest width x height.
        nearest: Colours, and greys of binary masks, that are not known are read as the nearest one that is.
        binary: Masks hold 0 and 1, or 0 and 255.
    """

    no_data: float | str | None = None
    colours: Collection[int] | None = None
    ignored: Collection[int] = ()
    palettes_matter: bool = True
    reader: Callable[[Path, int], Mask] | None = None
    max_pixels: int = MAX_PIXELS
    nearest: bool = False
    binary: bool = False

    def load(self, file: Path) -> Mask:
        """Reads a mask; pixels of missing data hold ``NO_DATA``.

        Raises:
            InputError: When it cannot be decoded or holds something that is not a class number.
        """
        return (
            load_mask(file, self.no_data, self.max_pixels)
            if self.reader is None
            else self.reader(file, self.max_pixels)
        )

    def summarize(self, file: Path) -> MaskSummary:
        """Reads one mask.

        Raises:
            InputError: When it cannot be decoded or holds something that is not a class number.
        """
        mask = self.load(file)
        codes = mask_codes(
            mask, colours=self.colours, ignored=self.ignored, nearest=self.nearest, binary=self.binary
        )
        height, width = mask.values.shape[:2]
        kind = replace(codes, values=codes.values[:0])
        palette = used_palette(mask) if self.palettes_matter else {}
        return MaskSummary(file, (height, width), count_codes(codes.values), kind, palette)

    def scan(self, files: Sequence[Path]) -> tuple[list[MaskSummary], list[InputError]]:
        """Summaries of the masks that can be read, and the errors of the others, in the order of the files."""

        def attempt(file: Path) -> MaskSummary | InputError:
            try:
                return self.summarize(file)
            except InputError as error:
                return error

        with ThreadPoolExecutor(THREADS) as pool:
            results = list(pool.map(attempt, files))
        summaries = [result for result in results if isinstance(result, MaskSummary)]
        return summaries, [result for result in results if isinstance(result, InputError)]


def evenly(files: Sequence[Item], count: int | None) -> list[Item]:
    """At most ``count`` of the files, spread evenly over them."""
    if count is None or len(files) <= count:
        return list(files)
    return [files[index * len(files) // count] for index in range(count)]


def used_palette(mask: Mask) -> dict[int, Colour]:
    """Colour of each palette index that occurs in a mask."""
    if mask.palette is None or mask.values.ndim != 2:
        return {}
    used = np.flatnonzero(np.bincount(mask.values.ravel()))
    colours = {}
    for index in used[used < len(mask.palette)].tolist():
        red, green, blue = mask.palette[index].tolist()
        colours[index] = (red, green, blue)
    return colours


class Palettes:
    """The colour of every palette index of a data set, to find files whose palettes disagree."""

    def __init__(self) -> None:
        self._first: dict[int, tuple[Colour, Path]] = {}

    def add(self, file: Path, palette: dict[int, Colour]) -> None:
        """Takes the colours of indices that no earlier file had."""
        for index, colour in palette.items():
            self._first.setdefault(index, (colour, file))

    def problem(self, file: Path, palette: dict[int, Colour]) -> str | None:
        """What is wrong when the file's palette gives an index another colour than an earlier file's."""
        for index, colour in palette.items():
            first = self._first.get(index)
            if first is not None and first[0] != colour:
                return (
                    f"{file}: palette index {index} is the colour {colour}, but {first[0]} in {first[1]}; "
                    "palettes that disagree need a colour table: --data.classes FILE with name and colour of each class"
                )
        return None


def found_values(summaries: Iterable[MaskSummary]) -> set[int]:
    """Mask values that occur; colours and no-data pixels left out."""
    return {
        code
        for summary in summaries
        if not summary.codes.coloured
        for code in summary.counts
        if code != NO_DATA
    }


def hidden_foreground(summaries: Sequence[MaskSummary]) -> str | None:
    """What is wrong when 255 seems to be the object of binary masks, while it is read as void.

    That is so when the masks hold nothing but 0 and 255. It is also so when 1 occurs, one mask is exactly 0 and
    255, and none has both 1 and 255 (as masks with a void rim would).
    """
    values = [set(summary.counts) for summary in summaries if not summary.codes.coloured]
    found = set().union(*values)
    if not found <= {0, 1, 255} or any({1, 255} <= some for some in values):
        return None
    suspicious = {0, 255} if 1 in found else {255}
    for summary in summaries:
        if 0 in found and set(summary.counts) >= suspicious:
            held = "0 and 255" if 0 in summary.counts else "255, other masks only 0"
            return (
                f"{summary.file}: holds only {held}, and 255 is read as ignored, so it has no object; set "
                '--data.binary true if 255 is the object, or --data.ignored_values "[255]" if it really is void'
            )
    return None
