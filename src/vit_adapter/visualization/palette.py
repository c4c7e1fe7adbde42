"""Class colours for data that brings none."""

from functools import lru_cache

import numpy as np

# The first seven are those of Okabe and Ito ("Color Universal Design", 2008); the others were picked so that
# all twenty stay apart for people with and without red-green colour blindness.
_FIRST = """
    0072B2 E69F00 009E73 CC79A7 56B4E9 D55E00 F0E442 6A3D9A 064A12 9AF0EC
    8E7CFF A5104F 35D6A0 123A73 8C5A0A 5E0B45 BFCBFA 2A55D0 9BEA8F 96588A
"""

_SEARCHED = (256, 1000)  # beyond them no eye tells classes apart by colour, and searching gets slow

# Linear RGB as seen without the red and without the green cones (Machado et al. 2009, severity 1).
_PROTANOPIA = (
    (0.152286, 1.052583, -0.204868),
    (0.114503, 0.786281, 0.099216),
    (-0.003882, -0.048116, 1.051998),
)
_DEUTERANOPIA = (
    (0.367322, 0.860646, -0.227968),
    (0.280085, 0.672501, 0.047413),
    (-0.011820, 0.042940, 0.968881),
)

# Linear RGB to OKLab (Ottosson 2020), a space in which distances are about as large as they look.
_TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_TO_OKLAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def default_palette(count: int) -> np.ndarray:
    """Distinct colours, always the same ones: ``default_palette(n)[:m]`` is ``default_palette(m)``.

    The first twenty also differ for colour-blind people; each later one (up to the thousandth) is the colour
    farthest from all before it.

    Args:
        count: Number of colours, 0 to 2**20.

    Returns:
        uint8 [count, 3], RGB; no colour twice, none of them black.
    """
    first = np.array([list(bytes.fromhex(code)) for code in _FIRST.split()], np.uint8)
    if count <= len(first):
        return first[:count]
    searched = _farthest_colours(first.tobytes(), _SEARCHED[0] if count <= _SEARCHED[0] else _SEARCHED[1])
    if count <= len(searched):
        return searched[:count].copy()
    return np.concatenate([searched, _further_colours(count - len(searched), searched)])


@lru_cache(maxsize=2)
def _farthest_colours(first: bytes, count: int) -> np.ndarray:
    """``count`` colours: ``first`` and then, one by one, the candidate farthest from all chosen so far."""
    chosen = list(np.frombuffer(first, np.uint8).reshape(-1, 3))
    steps = np.arange(0, 256, 15)
    candidates = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    views = _seen(candidates)
    lightness = views[0, :, 0]
    usable = (lightness > 0.3) & (lightness < 0.93)  # neither like shadow nor like overexposure
    candidates, views = candidates[usable], views[:, usable]

    def distance(colour: np.ndarray) -> np.ndarray:
        return np.linalg.norm(views - _seen(colour[None]), axis=2).min(axis=0)

    nearest = np.min([distance(colour) for colour in chosen], axis=0)
    while len(chosen) < count:
        best = int(nearest.argmax())
        chosen.append(candidates[best].astype(np.uint8))
        nearest = np.minimum(nearest, distance(candidates[best]))
    return np.stack(chosen)


def _further_colours(count: int, used: np.ndarray) -> np.ndarray:
    """Colours that are merely different from each other and from ``used``."""
    # An odd factor permutes the 2**24 colours: no repetition, and neighbours land far from each other.
    codes = (np.arange(1, count + len(used) + 2, dtype=np.int64) * 0x9E3779B1) % (1 << 24)
    shifts = np.array([16, 8, 0])
    taken = (used.astype(np.int64) << shifts).sum(axis=1)
    free = codes[~np.isin(codes, taken) & (codes != 0)][:count]
    return ((free[:, None] >> shifts) & 255).astype(np.uint8)


def _seen(colours: np.ndarray) -> np.ndarray:
    """OKLab [3, n, 3] of colours [n, 3] as seen with all cones, without red and without green ones."""
    values = colours / 255.0
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    views = [linear, *(np.clip(linear @ np.array(lack).T, 0, 1) for lack in (_PROTANOPIA, _DEUTERANOPIA))]
    # The full view counts less: red-green differences alone shall not carry a distinction.
    weights = np.array([0.6, 1.0, 1.0])[:, None, None]
    return weights * (np.cbrt(np.stack(views) @ np.array(_TO_CONES).T) @ np.array(_TO_OKLAB).T)
