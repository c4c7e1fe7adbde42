"""The mark in the results that this tool writes, so that they are never taken for photos or for others' files."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from .tiff_mark import read_tiff_mark

KEYWORD = "vit-adapter"
"""Of the PNG text block that is the mark; its text is a JSON object. In COCO's JSON and in GeoJSON a key of "info", in
TIFF the software, with the JSON object as description."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LONGEST_TEXT = 1 << 16


def marked_png(image: Any, facts: dict[str, Any] | None = None) -> Callable[[Path | BinaryIO], None]:
    """A writer, for ``write_atomically`` or into a binary file, of a Pillow image as PNG with the mark.

    Args:
        image: The Pillow image.
        facts: What the mark says; plain JSON values.
    """

    def write(path: Path | BinaryIO) -> None:
        from PIL.PngImagePlugin import PngInfo

        text = PngInfo()
        text.add_text(KEYWORD, json.dumps(facts or {}))
        image.save(path, format="PNG", pnginfo=text)

    return write


def read_mark(path: str | Path) -> dict[str, Any] | None:
    """What the mark of a PNG, TIFF, COCO or GeoJSON file says; None for files without one or that cannot be read.

    Of PNG and TIFF only what stands beside the pixels is looked at.
    """
    if not os.path.isfile(path):  # opening a pipe would wait for its other end
        return None
    try:
        with open(path, "rb") as file:
            if file.read(8) != _SIGNATURE:
                return _mark_of_other(Path(path))
            while True:
                length, kind = struct.unpack(">I4s", file.read(8))
                if kind in (b"IDAT", b"IEND"):
                    return None
                if kind == b"tEXt" and length <= _LONGEST_TEXT:
                    keyword, _, text = file.read(length).partition(b"\0")
                    file.seek(4, os.SEEK_CUR)
                    if keyword == KEYWORD.encode():
                        facts = json.loads(text)
                        return facts if isinstance(facts, dict) else {}
                else:
                    file.seek(length + 4, os.SEEK_CUR)
    except (OSError, ValueError, struct.error):
        return None


def _mark_of_other(path: Path) -> dict[str, Any] | None:
    if path.suffix in (".tif", ".tiff"):
        return read_tiff_mark(path, KEYWORD)
    if path.suffix not in (".json", ".geojson"):
        return None
    values = json.loads(path.read_text(encoding="utf-8"))
    info = values.get("info") if isinstance(values, dict) else None
    facts = info.get(KEYWORD) if isinstance(info, dict) else None
    return facts if isinstance(facts, dict) else None
