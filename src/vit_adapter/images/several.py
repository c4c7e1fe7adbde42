"""How many images a file holds: pages of TIFF, frames of GIF, PNG and WebP, images after each other in PNM."""

import re
from collections.abc import Sequence

from PIL import Image

from . import tiff, tiff_directory

SUBFILE_TYPE, OLD_SUBFILE_TYPE, THUMBNAIL = 254, 255, 513
REDUCED_OR_MASK = 1 | 4  # bits of the subfile type: a smaller copy of another page, a transparency mask
IMAGEJ_COUNT = re.compile(rb"^ImageJ=.*?^images=(\d+)", re.DOTALL | re.MULTILINE)
_GAP = rb"(?:\s|#[^\n]*\n)+"
PNM_HEADER = re.compile(rb"P([456])" + _GAP + rb"(\d+)" + _GAP + rb"(\d+)")
PNM_MAXIMUM = re.compile(_GAP + rb"(\d+)")


def count_images(kind: str, data: bytes, image: Image.Image | None) -> int:
    """Number of full images in a file.

    Smaller copies do not count: overviews of pyramids, thumbnails (also those inside JPEG files, and the further
    images of the MPO files that phones write). Nor do transparency masks.

    Args:
        kind: Format, as ``recognise`` names it.
        data: The whole file.
        image: The file opened by Pillow, for the formats whose frames it counts; TIFF needs none.

    Returns:
        At least 1.
    """
    if kind == "TIFF":
        return _count_pages(data)
    if kind == "PPM":
        return _count_pnm(data)
    if kind not in ("GIF", "PNG", "WEBP"):
        return 1
    try:
        return int(getattr(image, "n_frames", 1))
    except (
        Exception
    ):  # a decoder's, over a further frame that is damaged: there is one, and the first can be read
        return 2


def _count_pages(data: bytes) -> int:
    pages = list(tiff_directory.read_directories(data))
    first = pages[0]
    count = 1 + sum(not _is_smaller_copy(page, first) for page in pages[1:])
    if count > 1:
        return count
    # ImageJ writes large stacks as one page with all images one after another.
    text = bytes(int(value) for value in first.get(tiff_directory.DESCRIPTION, ()))
    found = IMAGEJ_COUNT.match(text)
    if found is None or first.get(259, (1,))[0] != tiff.UNCOMPRESSED:
        return 1
    size = sum(first.get(279, ())) or 0
    offset = first.get(273, (0,))[0]
    return int(found[1]) if size and offset + int(found[1]) * size <= len(data) else 1


def _is_smaller_copy(page: tiff_directory.Directory, first: tiff_directory.Directory) -> bool:
    """Whether a page says that it is an overview, thumbnail or mask, or has at most half the sides of the first."""
    if int(page.get(SUBFILE_TYPE, (0,))[0]) & REDUCED_OR_MASK or page.get(OLD_SUBFILE_TYPE) == (2,):
        return True
    if THUMBNAIL in page and not {273, 324} & page.keys():
        return True
    width, height, full_width, full_height = (
        _number(item, tag) for item in (page, first) for tag in (256, 257)
    )
    if not width or not height or 2 * width > full_width + 1 or 2 * height > full_height + 1:
        return False
    # The same shape up to rounding: some writers leave the mark away.
    return abs(width * full_height - height * full_width) <= max(full_width, full_height)


def _number(directory: tiff_directory.Directory, tag: int) -> int:
    values: Sequence[float] = directory.get(tag, (0,))
    return int(values[0])


def grey_maximum(data: bytes) -> int | None:
    """The largest value that the header of a binary PGM file declares; None for the other forms of PNM."""
    header = PNM_HEADER.match(data)
    maximum = PNM_MAXIMUM.match(data, header.end()) if header and header[1] == b"5" else None
    return int(maximum[1]) if maximum else None


def _count_pnm(data: bytes) -> int:
    """Images in a binary PGM, PBM or PPM file, one after another; 1 for the forms in plain text."""
    count = position = 0
    while found := PNM_HEADER.match(data, position):
        kind, width, height = (int(part) for part in found.groups())
        end = found.end()
        bits = 1
        if kind != 4:
            maximum = PNM_MAXIMUM.match(data, end)
            if maximum is None:
                break
            end = maximum.end()
            bits = (8 if int(maximum[1]) < 256 else 16) * (3 if kind == 6 else 1)
        count += 1
        position = end + 1 + -(-width * bits // 8) * height
        if width * height == 0:
            break
    return max(1, count)
