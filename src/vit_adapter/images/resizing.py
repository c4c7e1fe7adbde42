"""Sizes and resizes of the published pipeline, without OpenCV.

The published images were resized by OpenCV's 8-bit bilinear kernel (half-pixel centres, no antialiasing,
weights with 11 fractional bits), the label maps by its nearest rule. Both are reproduced bit by bit.
"""

import math

import numpy as np
from PIL import Image

from vit_adapter.annotations import Window
from vit_adapter.config import InputError

WEIGHT_ONE = 2048  # a bilinear weight of 1, with 11 fractional bits
STRIP_ELEMENTS = (
    1 << 19
)  # output values computed at once: small enough for the cache, whatever the image's size

Size = tuple[int, int]


def resize_image(image: np.ndarray, size: Size, window: Window | None = None) -> np.ndarray:
    """Resize an image bilinearly with half-pixel centres and without antialiasing, as OpenCV does.

    Args:
        image: [H, W, C]; uint8 gives OpenCV's very bytes, uint16 is interpolated in float32 and rounded,
            float32 is interpolated as it is.
        size: (height, width) of the whole result.
        window: The part of the result that is wanted; None: all of it. Only
            that part is computed, and it equals the same cut of the whole result.

    Returns:
        [height, width, C] of the same dtype, a new array.

    Raises:
        InputError: A side below one pixel, or a window that leaves the result.
    """
    height, width, channels = image.shape
    top, left, rows, columns = _check_window(size, window)
    halves = (height, width) == (2 * size[0], 2 * size[1])
    if (height, width) == size:
        return image[top : top + rows, left : left + columns].copy()
    if halves and image.dtype == np.uint8:
        # OpenCV takes the mean of 2x2 pixels when both sides are halved exactly.
        part = image[2 * top : 2 * (top + rows), 2 * left : 2 * (left + columns)]
        blocks = part.reshape(rows, 2, columns, 2, channels).astype(np.uint16)
        return ((blocks.sum(axis=(1, 3), dtype=np.uint16) + 2) >> 2).astype(np.uint8)

    upper, y = _positions(height, size[0], top, rows)
    left_column, x = _positions(width, size[1], left, columns)
    # Beyond the border OpenCV moves the weights of a column to the border pixel, but keeps those of a row.
    inside = (left_column >= 0) & (left_column < width - 1)
    x = np.where(inside, x, np.float32(0))
    column_pair = np.stack([left_column, left_column + 1]).clip(0, width - 1)
    row_pair = np.stack([upper, upper + 1]).clip(0, height - 1)
    interpolate = _interpolate_bytes if image.dtype == np.uint8 else _interpolate_floats

    result = np.empty((rows, columns, channels), image.dtype)
    strip = max(1, STRIP_ELEMENTS // max(1, columns * channels))
    for start in range(0, rows, strip):
        part = slice(start, start + strip)
        # Rows in between that no output row reads are never touched: a strong reduction stays cheap.
        used, indices = np.unique(row_pair[:, part], return_inverse=True)
        result[part] = interpolate(image[used], column_pair, x, indices.reshape(2, -1), y[part])
    return result


def resize_antialiased(image: np.ndarray, size: Size) -> np.ndarray:
    """Resize an image bilinearly as Pillow does: half-pixel centres, averaged where it shrinks (behaviour 120).

    Args:
        image: [H, W, C]; uint8 gives Pillow's very bytes, other types are resampled in float32, channel by channel.
        size: (height, width) of the result.

    Returns:
        [height, width, C] of the same dtype, a new array.

    Raises:
        InputError: A side below one pixel.
    """
    _check_window(size, None)
    target = (size[1], size[0])
    if image.dtype == np.uint8 and image.shape[2] == 3:
        return np.asarray(Image.fromarray(image).resize(target, Image.Resampling.BILINEAR)).copy()
    plain = np.uint8 if image.dtype == np.uint8 else np.float32
    channels = [
        np.asarray(Image.fromarray(channel.astype(plain)).resize(target, Image.Resampling.BILINEAR))
        for channel in np.moveaxis(image, 2, 0)
    ]
    resized = np.stack(channels, axis=2)
    return (np.rint(resized) if image.dtype == np.uint16 else resized).astype(image.dtype)


def resize_labels(labels: np.ndarray, size: Size, window: Window | None = None) -> np.ndarray:
    """Resize a label map by the published nearest rule: source index floor(i * (1 / (new / old))), clipped.

    This is not the half-pixel-centred nearest: five columns made three are columns 0, 1 and 3.

    Args:
        labels: [H, W] integers.
        size: (height, width) of the whole result.
        window: (top, left, height, width) of the part that is wanted; None: all of it.

    Returns:
        [height, width] of the same dtype, a new array; no value that was not there before.

    Raises:
        InputError: A side below one pixel, or a window that leaves the result.
    """
    top, left, rows, columns = _check_window(size, window)
    y = nearest_indices(labels.shape[0], size[0])[top : top + rows]
    x = nearest_indices(labels.shape[1], size[1])[left : left + columns]
    return labels[y].take(x, axis=1)


def nearest_indices(old: int, new: int) -> np.ndarray:
    """Of each of ``new`` pixels along a side the one of ``old`` that it shows, by the published rule; ascending."""
    scale = 1.0 / (new / old)
    return np.minimum(np.floor(np.arange(new) * scale).astype(np.int64), old - 1)


def fit_size(size: Size, limits: tuple[float, float]) -> Size:
    """Size of an image scaled, ratio kept, until it just fits both limits (behaviour 76).

    Args:
        size: (height, width) of the image.
        limits: Two numbers in any order: the larger bounds the long side, the smaller the short one.

    Returns:
        (height, width), each side int(side * factor + 0.5) and at least 1.
    """
    factor = min(max(limits) / max(size), min(limits) / min(size))
    return max(1, int(size[0] * factor + 0.5)), max(1, int(size[1] * factor + 0.5))


def short_side_size(size: Size, limits: tuple[float, float], crop: int) -> Size:
    """Size under the rule of the multi-scale files: the long side has no limit (behaviour 78).

    Args:
        size: (height, width) of the image.
        limits: The scale of the view; only the smaller number counts.
        crop: Side of a window: the short side never gets smaller.

    Returns:
        (height, width) with the short side max(crop, min(limits)).
    """
    short = max(crop, min(limits))
    return fit_size(size, (short * max(size) / min(size), short))


def fixed_side_size(size: Size, short: int) -> Size:
    """Size under DINOv3's rule: the short side as given, the long one follows without a limit (behaviour 120)."""
    long = int(short * max(size) / min(size) + 0.5)
    return (short, long) if size[0] <= size[1] else (long, short)


def multiple_size(size: Size, multiple: int) -> Size:
    """Each side up to the next multiple: the size an image is stretched to, not padded (behaviour 77)."""
    return math.ceil(size[0] / multiple) * multiple, math.ceil(size[1] / multiple) * multiple


def scaled_limits(limits: tuple[int, int], factor: float) -> tuple[int, int]:
    """Both limits times a factor, cut to whole pixels (behaviour 76)."""
    return int(limits[0] * factor), int(limits[1] * factor)


def _check_window(size: Size, window: Window | None) -> Window:
    if min(size) < 1:
        raise InputError(f"size {size[0]}x{size[1]} (height x width): both sides must be at least 1 pixel")
    if window is None:
        return Window(0, 0, *size)
    top, left, rows, columns = window
    if min(top, left) < 0 or min(rows, columns) < 1 or top + rows > size[0] or left + columns > size[1]:
        raise InputError(f"window {tuple(window)} (top, left, height, width) leaves the size {size}")
    return window


def _positions(old: int, new: int, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Index of the pixel before each sampling point (-1 at the border) and the distance to it."""
    scale = 1.0 / (new / old)
    point = ((np.arange(first, first + count) + 0.5) * scale - 0.5).astype(np.float32)
    before = np.floor(point)
    return before.astype(np.int64), point - before


def _fixed_point(fraction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    one = np.float32(1)
    first, second = (np.rint(part * np.float32(WEIGHT_ONE)) for part in (one - fraction, fraction))
    return first.astype(np.int32), second.astype(np.int32)


def _interpolate_bytes(
    rows: np.ndarray, columns: np.ndarray, x: np.ndarray, indices: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Bilinear sums with OpenCV's shifts: of 22 fractional bits 4 go first, then 16, then 2."""
    left_weight, right_weight = (weight[:, None] for weight in _fixed_point(x))
    upper_weight, lower_weight = (weight[:, None, None] for weight in _fixed_point(y))
    along = rows.take(columns[0], axis=1) * left_weight  # [rows used, columns, C] int32
    along += rows.take(columns[1], axis=1) * right_weight
    along >>= 4
    upper = along[indices[0]]
    upper *= upper_weight
    upper >>= 16
    lower = along[indices[1]]
    lower *= lower_weight
    lower >>= 16
    upper += lower
    upper += 2
    upper >>= 2
    return upper.astype(np.uint8)


def _interpolate_floats(
    rows: np.ndarray, columns: np.ndarray, x: np.ndarray, indices: np.ndarray, y: np.ndarray
) -> np.ndarray:
    left, right = (rows.take(index, axis=1).astype(np.float32) for index in columns)
    along = left + (right - left) * x[:, None]  # [rows used, columns, C]
    upper, lower = along[indices[0]], along[indices[1]]
    result = upper + (lower - upper) * y[:, None, None]
    return np.rint(result) if rows.dtype != np.float32 else result
