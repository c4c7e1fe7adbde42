"""What a protocol will cost for an image of a certain size, before it runs."""

from vit_adapter.config import InferenceConfig

from .augmentation import plan_views
from .grid import Size, protocol_grid

LARGE_WHOLE_PIXELS = 1 << 22
"""A view of more pixels is expensive to process whole: attention grows with the square of its tokens."""


def count_windows(size: Size, protocol: InferenceConfig) -> int:
    """Number of windows (of whole views: 1 each) that the model sees of an image.

    Args:
        size: (height, width) of the image in pixels.
        protocol: How the model is applied.

    Raises:
        InputError: The protocol contradicts itself.
    """
    return sum(len(protocol_grid(view.padded, protocol)) for view in plan_views(size, protocol))


def seen_pixels(size: Size, protocol: InferenceConfig) -> int:
    """Pixels that the model sees of an image of (height, width): all windows of all views.

    Raises:
        InputError: The protocol contradicts itself.
    """
    grids = [protocol_grid(view.padded, protocol) for view in plan_views(size, protocol)]
    return sum(window.height * window.width for grid in grids for window in grid)


def is_large_whole(size: Size, protocol: InferenceConfig) -> bool:
    """Whether a view of more than ``LARGE_WHOLE_PIXELS`` goes through the model at once.

    Args:
        size: (height, width) of the image in pixels.
        protocol: How the model is applied.

    Raises:
        InputError: The protocol contradicts itself.
    """
    largest = max(view.padded[0] * view.padded[1] for view in plan_views(size, protocol))
    return protocol.mode == "whole" and largest > LARGE_WHOLE_PIXELS
