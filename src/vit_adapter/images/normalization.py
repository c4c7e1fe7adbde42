"""Pixel values to what the network sees, and borders."""

import numpy as np

from vit_adapter.config import InputError, Normalization


def normalize(image: np.ndarray, normalization: Normalization) -> np.ndarray:
    """(x - mean) / std for each channel.

    Args:
        image: [H, W, C], RGB for three channels; uint8, uint16 or float32, in the units of ``normalization``.
        normalization: Mean and standard deviation, one number for each channel.

    Returns:
        float32 [H, W, C].

    Raises:
        InputError: The image has another number of channels than ``normalization``.
    """
    channels = image.shape[2]
    if not len(normalization.mean) == len(normalization.std) == channels:
        raise InputError(
            f"the image has {channels} channels, but mean has {len(normalization.mean)} and std "
            f"{len(normalization.std)} numbers: one for each channel is needed"
        )
    result = image.astype(np.float32)  # always a copy
    result -= np.asarray(normalization.mean, np.float32)
    result *= (1.0 / np.asarray(normalization.std, np.float64)).astype(np.float32)
    return result


def pad(array: np.ndarray, size: tuple[int, int], value: float) -> np.ndarray:
    """Add pixels at the right and at the bottom, up to a size; sides that are large enough stay.

    Args:
        array: [H, W] or [H, W, C].
        size: (height, width) in pixels.
        value: What the new pixels hold.

    Returns:
        The array itself if it is large enough, otherwise a new one of the same dtype.
    """
    height, width = max(array.shape[0], size[0]), max(array.shape[1], size[1])
    if array.shape[:2] == (height, width):
        return array
    result = np.full((height, width, *array.shape[2:]), value, array.dtype)
    result[: array.shape[0], : array.shape[1]] = array
    return result
