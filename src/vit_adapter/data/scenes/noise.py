"""Random texture: periodic noise tiles, made once per process, from which every surface takes its grain."""

import functools
from typing import Literal

import numpy as np

TILE_SIDE = 256
_MASK = TILE_SIDE - 1

# Gaussian correlation length of each kind in tile pixels; "cloud" has a 1/f spectrum instead.
_CORRELATION = {"white": 0.0, "grain": 0.7, "leaf": 1.6, "blob": 4.5, "cloud": None}
NoiseKind = Literal["white", "grain", "leaf", "blob", "cloud"]


@functools.cache
def noise_tile(kind: NoiseKind) -> np.ndarray:
    """One periodic tile of noise with mean 0 and standard deviation 1.

    Args:
        kind: "white" (sensor), "grain" (asphalt), "leaf" (foliage), "blob" (clumps, stains) or "cloud".

    Returns:
        float32 [256, 256]; the same array at every call, not to be written to.
    """
    rng = np.random.default_rng((20_221_017, list(_CORRELATION).index(kind)))
    spectrum = np.fft.rfft2(rng.standard_normal((TILE_SIDE, TILE_SIDE)))
    frequency = np.hypot(np.fft.fftfreq(TILE_SIDE)[:, None], np.fft.rfftfreq(TILE_SIDE)[None, :])
    length = _CORRELATION[kind]
    if length is None:
        spectrum *= 1 / np.maximum(frequency, 1.5 / TILE_SIDE) ** 1.7
    else:
        spectrum *= np.exp(-0.5 * (2 * np.pi * frequency * length) ** 2)
    spectrum[0, 0] = 0
    tile = np.fft.irfft2(spectrum, s=(TILE_SIDE, TILE_SIDE))
    tile = (tile / tile.std()).astype(np.float32)
    tile.flags.writeable = False
    return tile


@functools.cache
def _doubled(kind: NoiseKind) -> np.ndarray:
    return np.tile(noise_tile(kind), (2, 2))


def noise_patch(kind: NoiseKind, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Noise at the resolution of the image, from a random place of the tile.

    Returns:
        float32 [height, width], read-only where it is a view of the tile.
    """
    row, column = rng.integers(0, TILE_SIDE, 2)
    if height <= TILE_SIDE and width <= TILE_SIDE:
        return _doubled(kind)[row : row + height, column : column + width]
    rows = (row + np.arange(height)) & _MASK
    columns = (column + np.arange(width)) & _MASK
    return noise_tile(kind)[rows[:, None], columns[None, :]]


def noise_at(kind: NoiseKind, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Noise at given coordinates, in tile pixels; the nearest value is taken.

    Args:
        kind: As for `noise_tile`.
        rows: Real row coordinates, any range (the tile repeats).
        columns: Real column coordinates that broadcast with ``rows``.

    Returns:
        float32 of the broadcast shape.
    """
    index = (rows.astype(np.int32) & _MASK) * TILE_SIDE + (columns.astype(np.int32) & _MASK)
    return noise_tile(kind).ravel().take(index)
