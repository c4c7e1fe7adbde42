"""Masks in: class ids as stored, never colours turned into grey and never scaled."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vit_adapter.config import MAX_PIXELS, InputError
from vit_adapter.config.paths import takes_paths

from .loading import Decoded, load_file, orient
from .recognition import UnreadableImageError


@dataclass(frozen=True)
class Mask:
    """A mask as stored.

    Attributes:
        values: [H, W] ids (uint8, uint16 or int32), or uint8 [H, W, 3] RGB colours that a colour table
            explains.
        palette: uint8 [n, 3] RGB colours of the ids 0..n-1 where the file has a palette.
        equal_channels: The file is RGB, but each pixel's three channels are equal (ids, or shades of grey).
    """

    values: np.ndarray
    palette: np.ndarray | None = None
    equal_channels: bool = False

    def colours(self) -> np.ndarray | None:
        """uint8 [H, W, 3] RGB colours for a colour table; None where the file holds ids without colours."""
        if self.values.ndim == 3:
            return self.values
        if self.equal_channels:
            return np.repeat(self.values[..., None].astype(np.uint8), 3, axis=2)
        return None if self.palette is None else self.palette[self.values]


@takes_paths("path")
def read_mask(
    path: str | os.PathLike[str],
    *,
    no_data: float | None = None,
    ignore: int = 255,
    max_pixels: int = MAX_PIXELS,
) -> Mask:
    """Read a mask.

    Palette images give the index (GIF and BMP with a palette of greys: the grey value), 1-bit images 0 and
    1, images of 2 and 4 bits their stored numbers, 16-bit images all 16 bits. Alpha is dropped. RGB with
    equal channels is one channel of ids; other RGB is returned as colours. Floating-point files are accepted if
    every value is a whole number. A mask is read in displayed orientation, like a photo: an EXIF tag of its own
    is applied, and one without a tag is taken as drawn in a viewer.

    Args:
        path: PNG, TIFF, BMP, GIF, lossless WebP, PGM or NPY.
        no_data: Value of missing data (such as -9999 or NaN), which becomes ``ignore``.
        ignore: The id that ``no_data`` becomes.
        max_pixels: Largest width x height.

    Raises:
        InputError: The file cannot be read, is lossy (JPEG), holds several images, or a value that is not a class id;
            the message names file and value.
    """
    path = Path(path)
    try:
        decoded = load_file(path, False, max_pixels)
    except UnreadableImageError as error:
        # Only an undecodable photo may be skipped; a mask that cannot be read stops a run.
        raise InputError(str(error)) from None
    if decoded.images > 1:
        raise InputError(
            f"{path}: holds {decoded.images} images (pages or frames), and nothing says which of them is the mask; "
            "expected a file with one image"
        )
    if decoded.lossy:
        raise InputError(
            f"{path}: a mask stored as {decoded.format} has changed values along every border; "
            "expected a lossless format such as PNG"
        )
    values, palette = _stored_values(decoded, path)
    equal_channels = values.ndim == 3 and bool((values[..., :1] == values).all())
    if equal_channels:
        values = values[..., 0]
    if values.ndim == 2:
        values = _whole_numbers(values, no_data, ignore, path)
    return Mask(orient(values, decoded.orientation), palette, equal_channels)


def _stored_values(decoded: Decoded, path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    image = decoded.image
    if image is None:
        values = np.asarray(decoded.array)
        values = values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
        if values.ndim == 2:
            return values, None
        if values.ndim == 3 and values.shape[2] == 3 and values.dtype == np.uint8:
            return values, None
        raise InputError(
            f"{path}: shape {'x'.join(map(str, values.shape))}; a mask has one value at each pixel"
        )
    if image.mode == "1":
        return np.asarray(image).astype(np.uint8), None
    if image.mode in ("P", "PA"):
        colours = image.getpalette("RGB") or []
        indices = np.asarray(image if image.mode == "P" else image.getchannel(0))
        # Damaged files hold indices beyond their palette: black.
        table = np.zeros((max(len(colours) // 3, int(indices.max()) + 1), 3), np.uint8)
        table.reshape(-1)[: len(colours)] = colours
        # GIF and BMP know no grey images: there a palette of greys is only a way to store grey values.
        if decoded.format in ("GIF", "BMP") and (table == table[:, :1]).all():
            return table[indices, 0], None
        return indices, table
    if decoded.format == "PPM" and image.mode in ("L", "RGB") and _ppm_maximum(path) != 255:
        raise InputError(
            f"{path}: the maximum of a PGM mask must be 255 or 65535, found {_ppm_maximum(path)}"
        )
    if image.mode not in ("L", "LA", "RGB", "RGBA", "RGBX", "I", "F") and not image.mode.startswith("I;16"):
        raise InputError(f"{path}: pixels of mode {image.mode}; a mask needs grey, palette or RGB")
    if decoded.bits == 16 and image.mode in ("LA", "RGB", "RGBA"):
        raise InputError(f"{path}: a mask with colours or alpha of 16 bits; expected 8 bits, or 16-bit grey")
    values = np.asarray(image)
    if image.mode == "L" and decoded.bits in (2, 4):
        values = values // (255 // (2**decoded.bits - 1))  # Pillow stretches 0..3 and 0..15 to 0..255
    if image.mode == "LA":
        values = values[..., 0]
    return (values[..., :3] if values.ndim == 3 else values), None


def _ppm_maximum(path: Path) -> int:
    """The largest value that a PGM or PPM header declares: Pillow stretches values up to it to 0..255."""
    with path.open("rb") as file:
        header = b" ".join(line.split(b"#")[0] for line in file.read(1024).splitlines())
    numbers = header.split()[1:4]
    return int(numbers[2]) if len(numbers) == 3 and numbers[2].isdigit() else 255


def _whole_numbers(values: np.ndarray, no_data: float | None, ignore: int, path: Path) -> np.ndarray:
    """Integer ids without negative values; whatever was missing data holds ``ignore``."""
    if values.dtype.kind not in "uif":
        raise InputError(f"{path}: values of type {values.dtype}; a mask holds whole numbers")
    missing = None
    if no_data is not None:
        # Rounded like the file's own floats; whole numbers are compared as they are, so that -9999 is not 241.
        wanted = values.dtype.type(no_data) if values.dtype.kind == "f" else float(no_data)
        missing = np.isnan(values) if np.isnan(no_data) else values == wanted
        values = np.where(missing, values.dtype.type(0), values)
    wrong = ~np.isfinite(values) if values.dtype.kind == "f" else np.zeros(1, bool)
    if values.dtype.kind == "f" and not wrong.any():
        wrong = (values != np.rint(values)) | (values < 0) | (values >= 2**31)
    elif values.dtype.kind == "i":
        wrong = values < 0
    if wrong.any():
        value = values[wrong][0]
        advice = f"if it marks missing data, set --data.no_data {value}"
        if np.isfinite(value) and value >= 0:
            advice = "it is not a class number"
        raise InputError(f"{path}: holds the value {value}; a mask holds whole numbers from 0 on ({advice})")
    if values.dtype not in (np.uint8, np.uint16):
        values = values.astype(np.int32)
    if missing is not None and missing.any():
        values = np.where(missing, ignore, values.astype(np.int32))
        values = values.astype(np.min_scalar_type(int(values.max())) if values.max() < 2**16 else np.int32)
    return values
