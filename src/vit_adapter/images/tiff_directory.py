"""Tag directories of TIFF files and EXIF blocks, without Pillow's warnings about damaged tags."""

import struct
from collections.abc import Iterator

ORIENTATION = 0x0112
DESCRIPTION = 270
NUMBER_TYPES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 16: "Q", 17: "q"}
VALUE_BYTES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
SINGLE_TAGS = (256, 257, 259, 262, ORIENTATION, 277, 278, 284, 317, 322, 323)  # tags that have one value
MAX_TEXT = 1 << 16  # bytes of a description that are looked at

Directory = dict[int, tuple[float, ...]]


class TiffError(ValueError):
    """The file is damaged or of a kind that is not supported; the message says which."""


def byte_order(data: bytes) -> str:
    """ "<" or ">" of a TIFF header, as ``struct`` writes it."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        raise TiffError("no TIFF header")
    return order


def read_directory(data: bytes) -> Directory:
    """Numbers of the first tag directory, by tag.

    Args:
        data: A whole TIFF file (BigTIFF too), or an EXIF block.

    Returns:
        Tag to values; tags whose values are not numbers are left out, but for the bytes of the description.

    Raises:
        TiffError: The directory or one of its values lies outside the data.
    """
    return _read_directory_at(data, _first_directory(data))[0]


def read_directories(data: bytes) -> Iterator[Directory]:
    """The tag directories of all pages; damage after the first ends them.

    Raises:
        TiffError: The first directory is damaged.
    """
    start, seen = _first_directory(data), set()
    while start and start not in seen:  # some files lead back to an earlier page
        seen.add(start)
        try:
            directory, start = _read_directory_at(data, start)
        except TiffError:
            if len(seen) == 1:
                raise
            return
        yield directory


def _is_big(data: bytes) -> bool:
    return data[2:4] in (b"+\0", b"\0+")


def _first_directory(data: bytes) -> int:
    big = _is_big(data)
    try:
        return struct.unpack_from(byte_order(data) + ("Q" if big else "I"), data, 8 if big else 4)[0]
    except struct.error:
        raise TiffError("tag directory cut off") from None


def _read_directory_at(data: bytes, start: int) -> tuple[Directory, int]:
    """The directory at a place of the file, and the place of the next one; 0: there is none."""
    order, big = byte_order(data), _is_big(data)
    try:
        count = struct.unpack_from(order + ("Q" if big else "H"), data, start)[0]
        entry_bytes, inline_bytes = (20, 8) if big else (12, 4)
        if count * entry_bytes > len(data):
            raise TiffError("damaged tag directory")
        directory: Directory = {}
        total = 0  # tags that lie over each other
        for entry in range(
            start + (8 if big else 2), start + (8 if big else 2) + count * entry_bytes, entry_bytes
        ):
            tag, kind, number = struct.unpack_from(order + ("HHQ" if big else "HHI"), data, entry)
            place = entry + (12 if big else 8)
            if tag in SINGLE_TAGS and number != 1:
                raise TiffError(f"tag {tag} has {number} values, expected 1")
            size = number * VALUE_BYTES.get(kind, 0)
            if size > inline_bytes:
                place = struct.unpack_from(order + ("Q" if big else "I"), data, place)[0]
            total += size
            if place + size > len(data) or total > len(data):
                raise TiffError(f"tag {tag} lies beyond the end of the file")
            if kind in NUMBER_TYPES:
                directory[tag] = struct.unpack_from(f"{order}{number}{NUMBER_TYPES[kind]}", data, place)
            elif tag == DESCRIPTION and kind == 2:
                directory[tag] = tuple(data[place : place + min(number, MAX_TEXT)])
        end = start + (8 if big else 2) + count * entry_bytes
        # The last directory may be the end of the file, without the place of a next one.
        following = (
            struct.unpack_from(order + ("Q" if big else "I"), data, end) if end < len(data) - 3 else (0,)
        )
    except struct.error:
        raise TiffError("tag directory cut off") from None
    return directory, following[0]


def read_orientation(exif: bytes | None) -> int:
    """Orientation 1..8 of an EXIF block; 1 for a missing, damaged or invalid one."""
    if not exif:
        return 1
    try:
        value = read_directory(exif.removeprefix(b"Exif\0\0")).get(ORIENTATION, (1,))
    except TiffError:
        return 1
    return int(value[0]) if value and value[0] in range(1, 9) else 1
