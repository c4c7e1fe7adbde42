"""The mark of this tool in TIFF files: their text tags, read without the pixels."""

import json
import struct
from pathlib import Path
from typing import Any, BinaryIO

DESCRIPTION, SOFTWARE = 270, 305
_TEXT = 2  # the TIFF type of characters
_MOST_ENTRIES, _LONGEST_TEXT = 4096, 1 << 20


def read_tiff_mark(path: Path, keyword: str) -> dict[str, Any] | None:
    """What the description of a TIFF file says whose software is ``keyword``; None for any other file.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is damaged.
        struct.error: It is cut off.
    """
    with path.open("rb") as file:
        texts = _texts(file)
    if texts.get(SOFTWARE) != keyword:
        return None
    facts = json.loads(texts.get(DESCRIPTION, "{}"))
    return facts if isinstance(facts, dict) else {}


def _texts(file: BinaryIO) -> dict[int, str]:
    """The text tags of the first directory of a TIFF or BigTIFF file."""
    start = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(start[:2])
    if order is None or len(start) < 16:
        return {}
    big = struct.unpack(f"{order}H", start[2:4])[0] == 43
    (place,) = struct.unpack_from(f"{order}{'Q' if big else 'I'}", start, 8 if big else 4)
    file.seek(place)
    (count,) = struct.unpack(f"{order}{'Q' if big else 'H'}", file.read(8 if big else 2))
    if count > _MOST_ENTRIES:
        raise ValueError("damaged tag directory")
    size, form, inline = (20, "HHQ", 8) if big else (12, "HHI", 4)
    entries = file.read(count * size)
    texts = {}
    for begin in range(0, count * size, size):
        tag, kind, length = struct.unpack_from(order + form, entries, begin)
        if tag not in (DESCRIPTION, SOFTWARE) or kind != _TEXT or length > _LONGEST_TEXT:
            continue
        value = entries[begin + size - inline : begin + size]
        if length > inline:
            file.seek(struct.unpack(f"{order}{'Q' if big else 'I'}", value)[0])
            value = file.read(length)
        texts[tag] = value[:length].rstrip(b"\0").decode("utf-8", "replace")
    return texts
