"""TIFF files of several pages with tags of one's own, which Pillow does not write."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Page = tuple[np.ndarray, Mapping[int, Any]]


def write_tiff(path: Path, pages: Sequence[Page], trailing: bytes = b"") -> Path:
    """Writes uncompressed little-endian pages.

    Args:
        path: The file.
        pages: For each page uint8 or uint16 [H, W] or [H, W, 3], and further tags: whole numbers or bytes (text).
        trailing: Bytes at the end of the file.
    """
    data = bytearray(b"II*\0\0\0\0\0")
    link = 4
    for array, extra in pages:
        start = len(data)
        data += array.astype(array.dtype.newbyteorder("<")).tobytes()
        bands = array.shape[2] if array.ndim == 3 else 1
        tags: dict[int, Any] = {
            256: array.shape[1],
            257: array.shape[0],
            258: [array.itemsize * 8] * bands,
            259: 1,
            262: 2 if bands == 3 else 1,
            273: start,
            277: bands,
            278: array.shape[0],
            279: array.nbytes,
            **extra,
        }
        entries = b""
        for tag, value in sorted(tags.items()):
            if isinstance(value, bytes):
                kind, count, raw = 2, len(value), value
            else:
                numbers = value if isinstance(value, list) else [value]
                kind, count, raw = 4, len(numbers), struct.pack(f"<{len(numbers)}I", *numbers)
            if len(raw) > 4:
                place, data = len(data), data + raw
                raw = struct.pack("<I", place)
            entries += struct.pack("<HHI", tag, kind, count) + raw.ljust(4, b"\0")
        directory = len(data)
        data += struct.pack("<H", len(tags)) + entries + bytes(4)
        data[link : link + 4] = struct.pack("<I", directory)
        link = len(data) - 4
    path.write_bytes(bytes(data) + trailing)
    return path
