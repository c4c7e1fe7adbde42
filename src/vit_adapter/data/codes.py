"""What a mask file holds, as one whole number per pixel: a value or a packed colour."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vit_adapter.images import MAX_PIXELS, Mask, read_mask

NO_DATA = 2**31 - 1  # code of pixels declared to hold nothing; no class id is that large


@dataclass(frozen=True)
class Codes:
    """A mask as numbers.

    Attributes:
        values: Integers [H, W]: mask values, or colours packed as 65536 red + 256 green + blue; ``NO_DATA``
            where nothing is.
        coloured: The numbers are packed colours.
        from_palette: The colours are those of a palette (for messages).
    """

    values: np.ndarray
    coloured: bool = False
    from_palette: bool = False


def load_mask(path: Path, no_data: float | str | None, max_pixels: int = MAX_PIXELS) -> Mask:
    """Reads a mask; pixels of missing data hold ``NO_DATA``, which no setting can turn into a class.

    Args:
        path: The mask.
        no_data: Value of missing data, a number or "nan"; None: there is none.
        max_pixels: Largest width x height.
    """
    value = None if no_data is None else float(no_data)
    return read_mask(path, no_data=value, ignore=NO_DATA, max_pixels=max_pixels)


def mask_codes(
    mask: Mask,
    *,
    colours: Collection[int] | None = None,
    ignored: Collection[int] = (),
    nearest: bool = False,
    binary: bool = False,
) -> Codes:
    """Reads a mask as values, or as colours where a colour table was given.

    Without a colour table a palette gives its index (behaviour 91), three equal channels give that channel, and
    other RGB masks their packed colours. With one, palette and RGB masks are read by colour, so that files
    whose palettes are ordered differently mean the same, and grey masks by value. Then a palette index in
    ``ignored`` whose colour is not in the table is no data (the white rim of VOC), and a palette in which index
    i is the grey (i, i, i) counts as none.

    Args:
        mask: The mask; left unchanged.
        colours: Packed colours of the table.
        ignored: Mask values that are ignored.
        nearest: Colours outside the table become the nearest one in it (in red, green and blue), greys of binary
            masks 0 or 255.
        binary: Masks hold 0 and 1, or 0 and 255.
    """
    codes = _stored_codes(mask, colours, ignored)
    if nearest and codes.coloured and colours:
        return replace(codes, values=nearest_colours(codes.values, colours))
    if nearest and binary and not codes.coloured and int(codes.values.max(initial=0)) > 1:
        values = np.where(codes.values < 128, 0, 255).astype(codes.values.dtype)
        return replace(codes, values=np.where(codes.values == NO_DATA, codes.values, values))
    return codes


def nearest_colours(values: np.ndarray, colours: Collection[int]) -> np.ndarray:
    """Packed colours [H, W] as the nearest of the known ones; of equally near ones the smallest number.

    ``NO_DATA`` stays.
    """
    known = np.array(sorted(colours), np.int64)
    found, place = np.unique(values, return_inverse=True)
    new = found.copy()
    odd = np.flatnonzero(~np.isin(found, known) & (found != NO_DATA))
    for start in range(0, len(odd), _COLOURS_AT_ONCE):
        some = odd[start : start + _COLOURS_AT_ONCE]
        distance = sum(
            ((found[some, None] >> shift & 255) - (known[None] >> shift & 255)) ** 2 for shift in (16, 8, 0)
        )
        new[some] = known[np.argmin(distance, axis=1)]
    return new[place].reshape(values.shape)


_COLOURS_AT_ONCE = 1 << 14  # bounds the table of distances to some 20 MB for 150 classes


def _stored_codes(mask: Mask, colours: Collection[int] | None, ignored: Collection[int]) -> Codes:
    if mask.values.ndim == 3:
        return Codes(pack_colours(mask.values), coloured=True)
    if colours is None:
        return Codes(mask.values)
    if mask.equal_channels:
        return Codes(mask.values.astype(np.int64) * 0x010101, coloured=True)
    if mask.palette is None:
        return Codes(mask.values)
    packed = pack_colours(mask.palette)
    used = np.flatnonzero(np.bincount(mask.values.ravel()))
    if (packed[used] == used * 0x010101).all():
        return Codes(mask.values)
    for index in used.tolist():
        if index in ignored and int(packed[index]) not in colours:
            packed[index] = NO_DATA
    return Codes(packed[mask.values], coloured=True, from_palette=True)


def pack_colours(colours: np.ndarray) -> np.ndarray:
    """uint8 [..., 3] to int64 [...]: 65536 red + 256 green + blue."""
    wide = colours.astype(np.int64)
    return wide[..., 0] * 65536 + wide[..., 1] * 256 + wide[..., 2]


def unpack_colour(code: int) -> tuple[int, int, int]:
    """(red, green, blue) of a packed colour."""
    return code >> 16, code >> 8 & 255, code & 255


def count_codes(values: np.ndarray) -> dict[int, int]:
    """Code to number of pixels, in ascending order of codes."""
    if values.dtype in (np.uint8, np.uint16):
        counts = np.bincount(values.ravel())
        return {int(code): int(counts[code]) for code in np.flatnonzero(counts)}
    codes, counts = np.unique(values, return_counts=True)
    return {int(code): int(count) for code, count in zip(codes, counts)}
