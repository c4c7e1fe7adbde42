"""The one mapping of label ids: mask values to contiguous labels, and back to the user's own ids."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from vit_adapter.config import ClassTable, InputError
from vit_adapter.images import Mask

from .classes import label_dtype
from .codes import NO_DATA, Codes, count_codes, mask_codes, unpack_colour

_UNKNOWN = 65534  # label that no table reaches: at most 65533 classes would
FEW = 8  # unknown values of one mask; more of them look like smoothing


@dataclass(frozen=True)
class LabelMapping:
    """How the masks of a data set become labels 0..K-1; all values are exchanged at once.

    Attributes:
        table: The classes.
        values: Mask value to contiguous label; ignored values to ``table.ignore_index``.
        colours: Packed colour to contiguous label; None: no colour table.
        shared_colours: Packed colours that several classes have, so that no mask can be read by them.
        binary: Every mask holds 0 and 1, or 0 and 255; both second values are class 1.
        nearest: Colours, and greys of binary masks, that are not known are read as the nearest one that is.
    """

    table: ClassTable
    values: dict[int, int]
    colours: dict[int, int] | None = None
    shared_colours: frozenset[int] = frozenset()
    binary: bool = False
    nearest: bool = False
    ignored: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        void = self.table.ignore_index
        object.__setattr__(self, "ignored", frozenset(v for v, label in self.values.items() if label == void))

    @property
    def void_labels(self) -> frozenset[int]:
        """Labels of classes in the table that no mask value becomes: their pixels are ignored."""
        return frozenset(range(len(self.table))) - set(self.values.values())

    def codes(self, mask: Mask) -> Codes:
        """The mask's values or colours, read as this data set's masks are."""
        known = None if self.colours is None else {*self.colours, *self.shared_colours}
        return mask_codes(mask, colours=known, ignored=self.ignored, nearest=self.nearest, binary=self.binary)

    def label(self, code: int, coloured: bool) -> int | None:
        """Contiguous label of a mask value or packed colour; None where it is unknown."""
        if code == NO_DATA:
            return self.table.ignore_index
        return (self.colours or {}).get(code) if coloured else self.values.get(code)

    def encode(self, mask: Mask, file: str) -> np.ndarray:
        """Contiguous labels of a mask.

        Args:
            mask: Values [H, W] or uint8 colours [H, W, 3]; left unchanged.
            file: Name for messages.

        Returns:
            uint8 (uint16 for more than 255 classes) [H, W]: 0..K-1, or ``table.ignore_index``.

        Raises:
            InputError: For a value or colour outside the classes, naming file, value, number of pixels and the
                setting that would help.
        """
        codes = self.codes(mask)
        labels = self._look_up(codes)
        unknown = labels == _UNKNOWN
        if unknown.any():
            counts = count_codes(codes.values[unknown])
            raise InputError(self.unknown_message(counts, codes, file))
        if self.binary:
            self.check_binary(count_codes(codes.values), file)
        return labels.astype(label_dtype(self.table))

    def _look_up(self, codes: Codes) -> np.ndarray:
        if not codes.coloured and codes.values.dtype in (np.uint8, np.uint16):
            return self._dense[: np.iinfo(codes.values.dtype).max + 1][codes.values]
        known, labels = self._sorted_colours if codes.coloured else self._sorted_values
        position = np.searchsorted(known, codes.values).clip(max=len(known) - 1)
        return np.where(known[position] == codes.values, labels[position], np.uint16(_UNKNOWN))

    @cached_property
    def _dense(self) -> np.ndarray:
        table = np.full(65536, _UNKNOWN, dtype=np.uint16)
        for value, label in self.values.items():
            if 0 <= value < 65536:
                table[value] = label
        return table

    @cached_property
    def _sorted_values(self) -> tuple[np.ndarray, np.ndarray]:
        return self._sorted(self.values)

    @cached_property
    def _sorted_colours(self) -> tuple[np.ndarray, np.ndarray]:
        return self._sorted(self.colours or {})

    def _sorted(self, labels: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
        pairs = sorted({**labels, NO_DATA: self.table.ignore_index}.items())
        return np.array([c for c, _ in pairs], np.int64), np.array([lab for _, lab in pairs], np.uint16)

    def check_binary(self, counts: dict[int, int], file: str) -> None:
        """Raises InputError for a binary mask with both codings in it: 255 could be object or void."""
        for problem in self.binary_problems(counts, file):
            raise InputError(problem)

    def binary_problems(self, counts: dict[int, int], file: str) -> list[str]:
        """What ``check_binary`` raises, as no line or one."""
        if 1 in counts and 255 in counts:
            return [
                f"{file}: a mask of --data.binary true holds both 1 ({counts[1]} pixels) and 255 "
                f"({counts[255]} pixels), expected 0 and one of them; if 255 is void leave out --data.binary"
            ]
        return []

    def unknown_message(self, counts: dict[int, int], codes: Codes, file: str) -> str:
        """One line on values outside the classes: file, the most frequent value, pixels, the remedy.

        Args:
            counts: Unknown code to number of pixels.
            codes: The codes they were found in.
            file: The mask file.
        """
        code = max(counts, key=counts.__getitem__)
        value = describe_code(code, codes)
        what = "colour" if codes.coloured else "value"
        others = len(counts) - 1
        if len(counts) > FEW and not (codes.coloured and self.colours is None):
            known = "in the colour table" if codes.coloured else "classes"
            return (
                f"{file}: {len(counts)} {what}s in {sum(counts.values())} pixels are not {known} (most often {value}), "
                f"as in a mask that was smoothed when it was resized or saved; {self._smoothing_remedy(codes)}"
            )
        more = f" (and {others} further {what}{'s' * (others > 1)})" if others else ""
        remedy = self.remedy(code, codes)
        return f"{file}: the mask {what} {value} in {counts[code]} pixels{more} {remedy}"

    def _smoothing_remedy(self, codes: Codes) -> str:
        again = "export it again without smoothing (nearest neighbour, PNG)"
        if codes.coloured or self.binary:
            return f"{again}, or set --data.nearest_color true to give each pixel the nearest colour that is known"
        return f"{again}; if the values are right, name them in --data.classes or --data.label_map"

    def remedy(self, code: int, codes: Codes) -> str:
        """Why a code is unknown, and the setting that would make it known."""
        if codes.coloured and self.colours is None:
            return (
                "is not a class number; give a colour table: --data.classes FILE "
                "(a CSV with id,name,r,g,b or CVAT's labelmap.txt)"
            )
        if codes.coloured and code in self.shared_colours:
            return "stands for several classes in the class list, so masks cannot be read by colour"
        if codes.coloured:
            index = (
                "; or leave the colours out of it to read palette masks by index"
                if codes.from_palette
                else ""
            )
            return (
                "is not in the colour table; add it to the file of --data.classes (to ignore it: with the id "
                f"{self.table.ignore_id}){index}"
            )
        if self.binary:
            return (
                "is not binary, expected 0 and 1 or 0 and 255; use --data.label_map instead of --data.binary"
            )
        classes = f"is not a class (known: {_shorten(sorted(set(self.values) - self.ignored))})"
        if code == 255:
            return f'{classes}; set --data.binary true if it is the object, --data.ignored_values "[255]" if it is void'
        shifted = code == len(self.table) and self.table.ids == tuple(range(code))
        counted = "; set --data.reduce_zero true if masks count from 1" if shifted else ""
        return (
            f'{classes}{counted}; set --data.ignored_values "[{code}]" to ignore it, or make it a class with '
            "--data.label_map or in --data.classes"
        )


def describe_code(code: int, codes: Codes) -> str:
    """A mask value or colour as the user writes it."""
    return str(unpack_colour(code)) if codes.coloured else str(code)


def _shorten(values: list[int]) -> str:
    if len(values) <= 12:
        return ", ".join(map(str, values))
    return f"{', '.join(map(str, values[:5]))} ... {values[-1]}, {len(values)} values"
