"""Where the windows of an image lie. No torch here: exported models are applied without it."""

from typing import Literal

from vit_adapter.annotations import Window
from vit_adapter.config import InferenceConfig

Size = tuple[int, int]
"""(height, width) in pixels."""


def window_starts(side: int, crop: int, stride: int) -> list[int]:
    """First pixel of each window along one axis (behaviour 69).

    Windows lie ``stride`` apart; the last one is moved back so that it ends at the border. A side that is not
    larger than the crop has one window, as large as the side.

    Args:
        side: Length of the axis in pixels.
        crop: Length of a window in pixels.
        stride: Distance between windows in pixels, at most ``crop``.

    Returns:
        Ascending starts, none twice.
    """
    count = max(side - crop + stride - 1, 0) // stride + 1
    last = max(side - crop, 0)
    return [min(index * stride, last) for index in range(count)]


def window_grid(
    size: Size, crop: int | Size, stride: int | Size, small: Literal["image", "square"] = "image"
) -> list[Window]:
    """Windows of an image, rows outer, columns inner (behaviour 69).

    Args:
        size: (height, width) of the image in pixels.
        crop: Size of a window; one number: square.
        stride: Distance between windows, down and across; one number: the same both ways.
        small: Windows of an image that is smaller than the crop on both sides: one as large as it, or squares of its
            shorter side (behaviour 119), which overlap where the stride would leave gaps between them.

    Returns:
        All have the same size, that of the crop or, where the image is smaller, of the image.
    """
    (crop_height, crop_width), (down, across) = _pair(crop), _pair(stride)
    if small == "square" and size[0] < crop_height and size[1] < crop_width:
        crop_height = crop_width = min(size)
        down, across = min(down, crop_height), min(across, crop_width)
    height, width = min(crop_height, size[0]), min(crop_width, size[1])
    return [
        Window(top, left, height, width)
        for top in window_starts(size[0], crop_height, down)
        for left in window_starts(size[1], crop_width, across)
    ]


def protocol_grid(size: Size, protocol: InferenceConfig) -> list[Window]:
    """What a model sees at a time of a padded view of this (height, width): all of it, or windows (``window_grid``)."""
    if protocol.mode == "whole":
        return [Window(0, 0, *size)]
    return window_grid(size, protocol.crop, protocol.stride, protocol.small_windows)


def _pair(value: int | Size) -> Size:
    return (value, value) if isinstance(value, int) else (value[0], value[1])
