"""RGB to 8-bit HSV and back with the numbers of OpenCV, which the published training used.

Hue is on a scale of 0..179 (two degrees a step), saturation and value are 0..255. Both directions equal
OpenCV's vectorised code value by value. (On the last few pixels of a row OpenCV runs other code, which rounds
where the vectorised one truncates: there its results are up to one level higher.)
"""

import numpy as np

HUES = 180
SHIFT = 12  # fractional bits of the division tables
HALF = 1 << (SHIFT - 1)

# Division by v and by 6d as a multiplication with a rounded reciprocal; entry 0 (black, grey) is never used.
_DIVISORS = np.maximum(np.arange(256), 1)
_SATURATION = np.rint((255 << SHIFT) / _DIVISORS).astype(np.int32)
_HUE = np.rint((HUES << SHIFT) / (6 * _DIVISORS)).astype(np.int32)


def rgb_to_hsv(image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split an image into hue, saturation and value.

    Args:
        image: uint8 [H, W, 3] RGB.

    Returns:
        Hue 0..179, saturation and value 0..255, each uint8 [H, W].
    """
    red, green, blue = (image[..., i].astype(np.int32) for i in range(3))
    value = np.maximum(np.maximum(red, green), blue)
    spread = value - np.minimum(np.minimum(red, green), blue)
    saturation = (spread * _SATURATION[value] + HALF) >> SHIFT
    sector = np.where(value == green, blue - red + 2 * spread, red - green + 4 * spread)
    sector = np.where(value == red, green - blue, sector)  # sixths of the circle, times spread
    hue = (sector * _HUE[spread] + HALF) >> SHIFT
    hue[hue < 0] += HUES
    return hue.astype(np.uint8), saturation.astype(np.uint8), value.astype(np.uint8)


def hsv_to_rgb(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Join hue, saturation and value.

    Args:
        hue: uint8 [H, W], 0..179.
        saturation: uint8 [H, W].
        value: uint8 [H, W].

    Returns:
        uint8 [H, W, 3] RGB, truncated.
    """
    one = np.float32(1)
    sixths = hue * np.float32(6 / HUES)
    sector = sixths.astype(np.int32)
    fraction = sixths - sector
    saturation_share = saturation * np.float32(1 / 255)
    value_share = value * np.float32(1 / 255)
    # Each product is subtracted from 1 with a single rounding, as fused arithmetic does.
    exact = saturation_share.astype(np.float64)
    levels = np.stack(
        [
            value_share,
            value_share * (one - saturation_share),
            value_share * (1 - exact * fraction).astype(np.float32),  # falling
            value_share * (1 - exact * (one - fraction)).astype(np.float32),  # rising
        ]
    )
    levels = (levels * np.float32(255)).astype(np.uint8)  # [4, H, W]
    high, low, falling, rising = levels
    red = np.choose(sector, [high, falling, low, low, rising, high])
    green = np.choose(sector, [rising, high, high, falling, low, low])
    blue = np.choose(sector, [low, low, rising, high, high, falling])
    return np.stack([red, green, blue], axis=-1)
