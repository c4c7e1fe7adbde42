"""What PNG and JPEG files say before they are decoded: size, checksums, end marks, the EXIF block."""

import struct
import zlib
from pathlib import Path

from PIL import ImageFile

from .recognition import TooManyPixelsError, UnreadableImageError


def check_size(path: Path, width: int, height: int, max_pixels: int) -> None:
    """Refuses a size that no image has, and one of more than ``max_pixels`` pixels.

    Raises:
        UnreadableImageError: It is one of them.
    """
    if min(width, height) < 1:
        raise UnreadableImageError(f"{path}: declares a size of {width}x{height} pixels")
    if width * height > max_pixels:
        raise TooManyPixelsError(
            f"{path}: {width}x{height} = {width * height} pixels are more than the limit of {max_pixels} "
            "(--data.max_pixels; of predict --max-pixels; in Python max_pixels)",
            width,
            height,
        )


def check_png(path: Path, data: bytes, max_pixels: int) -> tuple[int, bytes]:
    """Check the size, every critical chunk's checksum and the end mark; returns the bits of a sample, and how many of
    them each channel says are significant.

    Pillow skips the checksums of the pixel data.
    """
    if len(data) < 29:
        raise UnreadableImageError(f"{path}: truncated PNG file ({len(data)} bytes)")
    width, height, bits = struct.unpack_from(">IIB", data, 16)
    check_size(path, width, height, max_pixels)
    position, view, significant = 8, memoryview(data), b""
    while True:
        if position + 12 > len(data):
            raise UnreadableImageError(f"{path}: truncated PNG file (it ends before its end mark)")
        length, name = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            raise UnreadableImageError(
                f"{path}: truncated PNG file (it ends inside a block of {length} bytes)"
            )
        checksum = struct.unpack_from(">I", data, end)[0]
        if name[:1].isupper() and zlib.crc32(view[position + 4 : end]) != checksum:
            raise UnreadableImageError(f"{path}: damaged PNG file (wrong checksum of {_chunk_name(name)})")
        if name == b"IEND":
            return bits, significant
        if name == b"sBIT":
            significant = data[position + 8 : end]
        position = end + 4


def _chunk_name(name: bytes) -> str:
    """A part of a PNG file in words; names are four letters unless they are damaged themselves."""
    if name == b"IDAT":
        return "the pixel data"
    letters = name.decode("ascii", "replace")
    return f"the block {letters}" if letters.isalpha() and letters.isascii() else "a block without a name"


def split_exif(path: Path, data: bytes) -> tuple[bytes | None, bytes]:
    """EXIF block of a JPEG file, and the file without it."""
    if ImageFile.LOAD_TRUNCATED_IMAGES and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda"):
        # Somebody switched on tolerant decoding for the whole process; half images are refused all the
        # same.
        raise UnreadableImageError(f"{path}: truncated JPEG file (it ends before its end mark)")
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # padding
            position += 1
            continue
        if marker == 0xDA:  # pixel data
            break
        end = position + 2 + struct.unpack_from(">H", data, position + 2)[0]
        if marker == 0xE1 and data[position + 4 : position + 10] == b"Exif\0\0":
            return data[position + 10 : end], data[:position] + data[end:]
        position = end
    return None, data
