"""What the beginning of an image file says of its size."""

from pathlib import Path

from PIL import Image

ORIENTATION = 0x0112
"""EXIF tag; from 5 on an image is shown turned by a quarter."""


def size_from_header(file: Path) -> tuple[int, int] | None:
    """(height, width) of an image as it is shown; None where its beginning does not say."""
    try:
        with Image.open(file) as image:
            turned = image.getexif().get(ORIENTATION, 1) >= 5
            return (image.width, image.height) if turned else (image.height, image.width)
    except (
        Exception
    ):  # what a broken file makes of its reader is not foreseeable; it is read in full, with care
        return None
