"""Images of more than 8 bits per channel: which values are black and white, and the conversion to 8 bits."""

import io
import re

import numpy as np
from PIL import PngImagePlugin

from vit_adapter.config import InputError

from . import tiff_directory

Range = tuple[float, float]
WHOLE = 65535
DARK = (WHOLE + 1) // 8
"""16-bit images whose largest value is below it are nearly black unless another white is given."""
DEPTHS = (8, 10, 12, 14)  # bits of sensors, for the setting to propose
SIGNIFICANT_BITS = re.compile(rb'SignificantBits="(\d+)"')  # of OME-TIFF
LARGEST, LARGEST_SIGNED = 281, 341  # TIFF tags MaxSampleValue and SMaxSampleValue


def stated_by_tiff(directory: tiff_directory.Directory) -> Range | None:
    """The range that a TIFF file of 9 to 16 bits says it uses; None: it says nothing.

    It is said by samples of 9 to 15 bits, by the significant bits of OME-TIFF, and by a largest sample value of 255,
    511 ... 32767. Any other largest value is what this image happens to hold, not what white is.
    """
    bits = int(directory.get(258, (1,))[0])
    if 8 < bits < 16:
        return 0.0, 2.0**bits - 1
    if bits != 16:
        return None
    text = bytes(int(value) for value in directory.get(tiff_directory.DESCRIPTION, ()))
    if found := SIGNIFICANT_BITS.search(text):
        return _of_bits(int(found[1]))
    for tag in (LARGEST, LARGEST_SIGNED):
        values = set(directory.get(tag, ()))
        if len(values) == 1:
            value = int(values.pop())
            return _of_bits((value + 1).bit_length() - 1) if value & (value + 1) == 0 else None
    return None


def stated_by_png(significant: bytes) -> Range | None:
    """The range of a 16-bit PNG file whose ``sBIT`` chunk says that every channel has so many bits."""
    return _of_bits(significant[0]) if len(set(significant)) == 1 else None


def _of_bits(bits: int) -> Range | None:
    return (0.0, 2.0**bits - 1) if 8 <= bits < 16 else None


def believable(stated: Range | None, values: np.ndarray, scaled_up: bool) -> Range | None:
    """What a file says of its range, unless its values contradict it.

    Args:
        stated: (black, white).
        values: uint16, as stored.
        scaled_up: The format wants fewer bits scaled up to all 16 (PNG): values that look like that are taken so.
    """
    if stated is None or values.max(initial=0) > stated[1]:
        return None
    bits = int(stated[1]).bit_length()
    if scaled_up:
        low = values & ((1 << (16 - bits)) - 1)
        if not low.any() or (low == values >> bits).all():
            return None
    return stated


def to_eight(values: np.ndarray, value_range: Range, name: str) -> np.ndarray:
    """Whole or floating-point numbers to uint8: black to 0, white to 255, cut off outside.

    Raises:
        InputError: A value is not finite.
    """
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InputError(
            f"{name}: holds the value {values[~np.isfinite(values)][0]}; every value must be finite"
        )
    if values.dtype == np.uint16:
        return _scaled(np.arange(WHOLE + 1), value_range)[values]
    return _scaled(values, value_range)


def _scaled(values: np.ndarray, value_range: Range) -> np.ndarray:
    low, high = value_range
    shares = (values.astype(np.float64) - low) * (255 / (high - low))
    return np.rint(np.clip(shares, 0, 255)).astype(np.uint8)


def outside(values: np.ndarray, value_range: Range) -> float:
    """Share of the values that a range cuts off, 0..1."""
    return float(((values < value_range[0]) | (values > value_range[1])).mean())


def proposed_white(largest: float) -> int:
    """The white that a largest value points to: that of the sensor with the fewest bits that hold it."""
    return next(2**bits - 1 for bits in (*DEPTHS, 16) if largest < 2**bits)


def read_deep_png(data: bytes) -> np.ndarray:
    """All bits of a PNG file of 16-bit colours, or of grey with alpha: uint16 [H, W, C].

    Pillow keeps only the upper byte of each value. It is asked twice, the second time for the lower one.
    """
    if data[25] == 4:  # grey and alpha: four bytes a pixel
        pairs = _decoded(data, "RGBA").astype(np.uint16)
        return pairs[..., 0::2] << 8 | pairs[..., 1::2]
    form = "RGB" if data[25] == 2 else "RGBA"
    upper, lower = (_decoded(data, f"{form};16{order}").astype(np.uint16) for order in "BL")
    return upper << 8 | lower


def _decoded(data: bytes, raw_mode: str) -> np.ndarray:
    image = PngImagePlugin.PngImageFile(io.BytesIO(data))
    image.tile = [tile._replace(args=raw_mode) for tile in image.tile]
    return np.asarray(image)
