"""The bands of TIFF files that Pillow cannot read.

Pillow reads TIFF photos. This reader is for what it does not: more than four bands, 64-bit floats, 16-bit colours, and
images beyond Pillow's own pixel limit.
"""

import io
import struct
import zlib
from typing import NamedTuple

import numpy as np
from PIL import Image, TiffImagePlugin

from .tiff_directory import Directory, TiffError, byte_order

UNCOMPRESSED, LZW, DEFLATE, OLD_DEFLATE, PACKBITS, LZMA, ZSTD = 1, 5, 8, 32946, 32773, 34925, 50000
MAX_BYTES = 16 * 10**9  # of all bands together
LOSSLESS = (UNCOMPRESSED, LZW, DEFLATE, OLD_DEFLATE, PACKBITS, LZMA, ZSTD)


class BandLayout(NamedTuple):
    """How the bands of a TIFF file are stored."""

    height: int
    width: int
    bands: int
    dtype: np.dtype  # of the stored values, byte order included
    compression: int
    predictor: int
    planar: bool  # each band by itself
    block: tuple[int, int]  # height and width of a strip or tile
    offsets: tuple[float, ...]
    counts: tuple[float, ...]
    tiled: bool  # tiles are always whole; the last strip holds only the rows that are left
    photometric: int


def read_layout(data: bytes, directory: Directory) -> BandLayout:
    """Layout of the first image of a TIFF file.

    Raises:
        TiffError: Tags are missing, or sample type or compression is not supported.
    """

    def number(tag: int, default: int | None = None) -> int:
        values = directory.get(tag)
        if not values:
            if default is None:
                raise TiffError(f"tag {tag} is missing")
            return default
        return int(values[0])

    width, height, bands = number(256), number(257), number(277, 1)
    bits, formats = set(directory.get(258, (1,))), set(directory.get(339, (1,)))
    if len(bits) != 1 or len(formats) != 1:
        raise TiffError("bands of different types are not supported")
    bit_count, sample_format = int(bits.pop()), int(formats.pop())
    kind = {1: "u", 2: "i", 3: "f"}.get(sample_format)
    if kind is None or bit_count not in ((16, 32, 64) if kind == "f" else (8, 16, 32)):
        raise TiffError(f"samples of {bit_count} bits (sample format {sample_format}) are not supported")
    if number(259, 1) not in LOSSLESS:
        raise TiffError(f"compression {number(259)} is not supported for this kind of image")
    tiled = 322 in directory
    return BandLayout(
        height=height,
        width=width,
        bands=bands,
        dtype=np.dtype(f"{byte_order(data)}{kind}{bit_count // 8}"),
        compression=number(259, 1),
        predictor=number(317, 1),
        planar=number(284, 1) == 2,
        block=(number(323), number(322)) if tiled else (min(number(278, height), height), width),
        offsets=directory.get(324 if tiled else 273, ()),
        counts=directory.get(325 if tiled else 279, ()),
        tiled=tiled,
        photometric=number(262, 1),
    )


def read_bands(data: bytes, layout: BandLayout) -> np.ndarray:
    """Decode all bands.

    Args:
        data: The whole file.
        layout: What ``read_layout`` said.

    Returns:
        [H, W, bands] in the stored type, native byte order.

    Raises:
        TiffError: Blocks are missing or cut off.
    """
    block_height, block_width = layout.block
    if min(layout.height, layout.width, layout.bands, block_height, block_width) < 1:
        raise TiffError(f"declares {layout.width}x{layout.height} pixels")
    down, across = -(-layout.height // block_height), -(-layout.width // block_width)
    size = layout.height * layout.width * layout.bands * layout.dtype.itemsize
    if size > MAX_BYTES:
        raise TiffError(
            f"{layout.bands} bands of {layout.width}x{layout.height} pixels are {size} bytes of memory"
        )
    planes, depth = (layout.bands, 1) if layout.planar else (1, layout.bands)
    if not len(layout.offsets) == len(layout.counts) == planes * down * across:
        raise TiffError(f"{len(layout.offsets)} strips or tiles, {planes * down * across} expected")
    result = np.empty((layout.height, layout.width, layout.bands), layout.dtype.newbyteorder("="))
    for i, (offset, count) in enumerate(zip(layout.offsets, layout.counts)):
        plane, position = divmod(i, down * across)
        top, left = position // across * block_height, position % across * block_width
        rows = block_height if layout.tiled else min(block_height, layout.height - top)
        raw = data[int(offset) : int(offset) + int(count)]
        block = _decode_block(raw, layout, (rows, block_width, depth))
        target = result[top : top + rows, left : left + block_width]
        bands = slice(plane, plane + 1) if layout.planar else slice(None)
        target[..., bands] = block[: target.shape[0], : target.shape[1]]
    return result


def _decode_block(raw: bytes, layout: BandLayout, shape: tuple[int, int, int]) -> np.ndarray:
    rows, width, depth = shape
    row_bytes = width * depth * layout.dtype.itemsize
    size = rows * row_bytes
    if layout.compression in (DEFLATE, OLD_DEFLATE):
        try:
            raw = zlib.decompressobj().decompress(raw, size)
        except zlib.error as error:
            raise TiffError(f"damaged block ({error})") from None
    elif layout.compression != UNCOMPRESSED:
        raw = _decode_with_pillow(raw, layout.compression, row_bytes, rows)
    if len(raw) < size:
        raise TiffError("cut off: a block is shorter than declared")
    if layout.predictor == 3:
        # Rows of bytes, the most significant of every value first, each byte stored as a difference.
        flat = np.frombuffer(raw, np.uint8, size).reshape(rows, width * layout.dtype.itemsize, depth)
        flat = flat.cumsum(axis=1, dtype=np.uint8)
        flat = flat.reshape(rows, layout.dtype.itemsize, width * depth).swapaxes(1, 2)
        return np.ascontiguousarray(flat).view(layout.dtype.newbyteorder(">")).reshape(shape)
    block = np.frombuffer(raw, layout.dtype, size // layout.dtype.itemsize).reshape(shape)
    if layout.predictor == 2:
        native = layout.dtype.newbyteorder("=")
        block = block.astype(native).cumsum(axis=1, dtype=native)
    return block


def _decode_with_pillow(raw: bytes, compression: int, row_bytes: int, rows: int) -> bytes:
    """Let Pillow's TIFF library decode a block, dressed up as a grey 8-bit image of one strip."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and row_bytes * rows > limit:
        raise TiffError(
            f"a compressed block of {row_bytes * rows} bytes; expected strips or tiles below {limit}"
        )
    tags = [
        (256, row_bytes),
        (257, rows),
        (258, 8),
        (259, compression),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, rows),
        (279, len(raw)),
    ]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    padding = len(raw) % 2
    header = struct.pack("<2sHI", b"II", 42, 8 + len(raw) + padding)
    file = header + raw + bytes(padding) + struct.pack("<H", len(tags)) + entries + bytes(4)
    try:
        image = TiffImagePlugin.TiffImageFile(io.BytesIO(file))
        image.load()
    except Exception as error:  # whatever a decoder raises over damaged data
        raise TiffError(f"damaged block ({error})") from None
    return image.tobytes()
