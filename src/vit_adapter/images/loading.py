"""From a file to decoded pixels: recognition by content, refusals, limits, orientation.

Formats are recognised by their first bytes and handed to Pillow's decoder of that format directly, not
through ``Image.open``. That function has a pixel limit of its own which can only be moved for the whole
process; this way the limit is ours, and no process-wide setting (``Image.MAX_IMAGE_PIXELS``,
``ImageFile.LOAD_TRUNCATED_IMAGES``, warning filters) is touched. What makes decoders warn is checked beforehand: EXIF
blocks are read here and not shown to the JPEG decoder, TIFF directories are checked first.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from vit_adapter.config import InputError

from . import tiff, tiff_directory
from .file_blocks import check_png, check_size, split_exif
from .recognition import UnreadableImageError, recognise
from .several import count_images, grey_maximum
from .value_range import WHOLE, read_deep_png, stated_by_png, stated_by_tiff

FORMATS = {
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "PPM": PpmImagePlugin.PpmImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}

FIRST_BYTES = 64  # enough to recognise a file


@dataclass(frozen=True)
class Decoded:
    """A decoded file; exactly one of ``image`` and ``array`` is set.

    Attributes:
        image: Pillow's image, loaded, not yet oriented.
        array: [H, W, C] of a TIFF file that Pillow cannot read, or whatever an NPY file holds.
        format: Name as in ``FORMATS``, or "NPY".
        orientation: EXIF orientation still to be applied, 1..8.
        bits: Bits of a stored sample where the file says it (PNG, TIFF).
        lossy: The format does not keep values exactly.
        photometric: TIFF: how ``array`` is to be shown (2: colours).
        extra_samples: TIFF: meaning of the bands of ``array`` beyond the colours (1, 2: alpha).
        images: Number of full images in the file, of which this is the first.
        stated: (black, white) that the file says its values of more than 8 bits have.
    """

    image: Image.Image | None
    array: np.ndarray | None
    format: str
    orientation: int = 1
    bits: int | None = None
    lossy: bool = False
    photometric: int = 1
    extra_samples: tuple[float, ...] = ()
    images: int = 1
    stated: tuple[float, float] | None = None


@contextmanager
def opened_image(path: Path) -> Iterator[BinaryIO]:
    """A file opened for reading; what the system refuses, also while it is read, is said in one line.

    Raises:
        InputError: There is no such file, or it cannot be read.
    """
    if path.is_dir():
        raise InputError(f"{path}: a folder, expected an image file")
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        if path.is_symlink() and not path.exists():
            raise InputError(f"{path}: a link to {os.readlink(path)}, which does not exist") from None
        # "no such file or directory", "permission denied" ...
        raise InputError(f"{path}: {(error.strerror or str(error)).lower()}") from None


def read_content(path: Path) -> bytes:
    """The content of an image file, which is not decoded yet.

    Raises:
        InputError: There is no such file.
        UnreadableImageError: Its first bytes are not those of an image.
    """
    with opened_image(path) as file:
        start = file.read(FIRST_BYTES)
        recognise(path, start)
        return start + file.read()


def load_file(
    path: Path, bands: bool, max_pixels: int, content: BinaryIO | None = None, deep: bool = False
) -> Decoded:
    """Decode an image file.

    Args:
        path: The file; its suffix does not matter.
        bands: Read TIFF files band by band as stored, not as a photo.
        max_pixels: Largest width x height; checked before any pixel is decoded.
        content: Where the bytes come from, read to its end and left open; ``path`` is then a name for messages only.
            None: the file itself.
        deep: Give photos of 16 bits per channel with all their bits, as an array; Pillow keeps 8 of colours.

    Raises:
        InputError: There is no such file.
        UnreadableImageError: It is not an image, damaged, of an unsupported kind or too large.
    """
    with opened_image(path) if content is None else nullcontext(content) as file:
        start = file.read(FIRST_BYTES)
        kind = recognise(path, start)
        if kind == "NPY":
            array = path if content is None else io.BytesIO(start + file.read())
            return Decoded(None, _load_npy(path, max_pixels, array), kind)
        data = start + file.read()
    exif = bits = stated = None
    directory: tiff_directory.Directory = {}
    if kind == "PNG":
        bits, significant = check_png(path, data, max_pixels)
        stated = stated_by_png(significant) if bits == 16 else None
    elif kind == "PPM" and 255 < (maximum := grey_maximum(data) or 0) < WHOLE:
        stated = 0.0, float(maximum)
    elif kind == "JPEG":
        exif, data = split_exif(path, data)
    elif kind == "TIFF":
        try:
            directory = tiff_directory.read_directory(data)
        except tiff_directory.TiffError as error:
            raise UnreadableImageError(f"{path}: damaged TIFF file ({error})") from None
        bits = int(directory.get(258, (1,))[0])
        width, height = (int(directory.get(tag, (0,))[0]) for tag in (256, 257))
        check_size(path, width, height, max_pixels)
        if bands or deep or _needs_own_reader(directory, width * height):
            return _load_bands(path, data, directory)
        stated = stated_by_tiff(directory)
    image, count = _load_with_pillow(path, kind, data, max_pixels)
    # Pillow turns TIFF images by itself and then drops the tag.
    orientation = image.getexif().get(tiff_directory.ORIENTATION, 1) if kind == "TIFF" else 1
    if kind != "TIFF":
        orientation = tiff_directory.read_orientation(exif or image.info.get("exif"))
    lossy = (
        kind == "JPEG" or (kind == "WEBP" and data[12:16] == b"VP8 ") or directory.get(259) in ((6,), (7,))
    )
    array = read_deep_png(data) if deep and kind == "PNG" else None
    image = image if array is None else None
    return Decoded(image, array, kind, orientation, bits, lossy, images=count, stated=stated)


def orient(array: np.ndarray, orientation: int) -> np.ndarray:
    """Turn stored pixels [H, W, ...] into the displayed orientation of an EXIF tag (1..8; others as 1)."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


def _needs_own_reader(directory: tiff_directory.Directory, pixels: int) -> bool:
    """Whether a TIFF photo is beyond Pillow: more than four bands, 64 bits, or beyond its own pixel limit."""
    limit = Image.MAX_IMAGE_PIXELS
    many_bands = directory.get(277, (1,))[0] > 4
    wide = max(directory.get(258, (1,))) > 32
    return many_bands or wide or (limit is not None and pixels > limit)


def _load_bands(path: Path, data: bytes, directory: tiff_directory.Directory) -> Decoded:
    try:
        layout = tiff.read_layout(data, directory)
        array = tiff.read_bands(data, layout)
    except tiff_directory.TiffError as error:
        raise UnreadableImageError(f"{path}: TIFF file cannot be read ({error})") from None
    if layout.photometric not in (1, 2):
        raise UnreadableImageError(
            f"{path}: TIFF file with photometric interpretation {layout.photometric}, "
            "expected 1 (grey) or 2 (RGB)"
        )
    orientation = int(directory.get(tiff_directory.ORIENTATION, (1,))[0])
    return Decoded(
        None,
        array,
        "TIFF",
        orientation,
        layout.dtype.itemsize * 8,
        photometric=layout.photometric,
        extra_samples=directory.get(338, ()),
        images=count_images("TIFF", data, None),
        stated=stated_by_tiff(directory),
    )


def _load_with_pillow(path: Path, kind: str, data: bytes, max_pixels: int) -> tuple[Image.Image, int]:
    """The first image of a file, and how many there are."""
    try:
        image = FORMATS[kind](io.BytesIO(data))
    except Exception as error:  # decoders raise all sorts of errors over damaged headers
        raise UnreadableImageError(f"{path}: damaged or truncated {kind} file ({_one_line(error)})") from None
    check_size(path, image.width, image.height, max_pixels)
    count = count_images(kind, data, image)
    try:
        image.load()
    except MemoryError:
        raise UnreadableImageError(
            f"{path}: not enough memory for {image.width}x{image.height} pixels"
        ) from None
    except Exception as error:  # as above, over damaged pixels
        raise UnreadableImageError(f"{path}: damaged or truncated {kind} file ({_one_line(error)})") from None
    return image, count


def _load_npy(path: Path, max_pixels: int, source: Path | io.BytesIO) -> np.ndarray:
    try:
        array = np.load(source, mmap_mode="r" if source is path else None, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UnreadableImageError(f"{path}: NPY file cannot be read ({_one_line(error)})") from None
    if array.ndim in (2, 3):
        check_size(path, array.shape[1], array.shape[0], max_pixels)
    return array


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
