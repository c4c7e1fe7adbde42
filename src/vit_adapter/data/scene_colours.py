"""Colours of the embedded scenes: one set of surfaces that all classes share, so that colour tells little."""

import numpy as np

# Reflectances in 0..1. Every family below is used by several classes on purpose.
_FAMILIES = {
    "grey": [
        (0.22, 0.22, 0.24),
        (0.34, 0.34, 0.35),
        (0.45, 0.45, 0.45),
        (0.56, 0.56, 0.58),
        (0.68, 0.68, 0.67),
    ],
    "light": [(0.80, 0.80, 0.80), (0.86, 0.84, 0.78), (0.75, 0.79, 0.84)],
    "dark": [(0.12, 0.12, 0.14), (0.16, 0.13, 0.11), (0.10, 0.13, 0.17)],
    "brown": [(0.42, 0.31, 0.23), (0.53, 0.41, 0.30), (0.33, 0.26, 0.21), (0.62, 0.51, 0.39)],
    "brick": [(0.52, 0.27, 0.20), (0.60, 0.36, 0.27), (0.44, 0.22, 0.19)],
    "green": [
        (0.24, 0.38, 0.17),
        (0.34, 0.47, 0.22),
        (0.20, 0.31, 0.19),
        (0.45, 0.53, 0.29),
        (0.36, 0.42, 0.34),
    ],
    "ochre": [(0.68, 0.54, 0.26), (0.74, 0.62, 0.40), (0.66, 0.44, 0.18)],
    "red": [(0.62, 0.17, 0.14), (0.55, 0.24, 0.28), (0.72, 0.40, 0.36)],
    "blue": [(0.24, 0.35, 0.54), (0.38, 0.50, 0.66), (0.52, 0.64, 0.78), (0.20, 0.26, 0.38)],
}
_USES = {  # how often a class takes a colour of each family
    "building": {
        "grey": 5,
        "light": 3,
        "dark": 1,
        "brown": 4,
        "brick": 4,
        "green": 3,
        "ochre": 3,
        "red": 1,
        "blue": 3,
    },
    "road": {"grey": 9, "brown": 3, "dark": 1, "blue": 1, "light": 1, "brick": 1, "green": 0.7, "ochre": 0.7},
    "pavement": {
        "grey": 8,
        "brown": 3,
        "brick": 2,
        "light": 2,
        "ochre": 2,
        "blue": 1,
        "dark": 0.7,
        "green": 0.7,
    },
    "tree": {"green": 8, "ochre": 3, "brown": 4, "brick": 2, "grey": 2, "red": 1.5, "dark": 1, "blue": 0.6},
    "car": {
        "grey": 6,
        "light": 3,
        "dark": 2,
        "brown": 1.5,
        "brick": 1,
        "green": 2,
        "ochre": 1.5,
        "red": 2,
        "blue": 3,
    },
    "clothes": {
        "grey": 4,
        "light": 2,
        "dark": 3,
        "brown": 2,
        "brick": 1,
        "green": 2,
        "ochre": 2,
        "red": 2,
        "blue": 3,
    },
    "skin": {"brown": 2, "ochre": 1, "brick": 0.5},
    "hair": {"dark": 3, "brown": 2, "ochre": 1, "grey": 1},
}


def _table(use: str) -> tuple[np.ndarray, np.ndarray]:
    colours, shares = [], []
    for family, share in _USES[use].items():
        colours += _FAMILIES[family]
        shares += [share / len(_FAMILIES[family])] * len(_FAMILIES[family])
    cumulative = np.cumsum(shares)
    return np.array(colours, np.float32), cumulative / cumulative[-1]


_TABLES = {use: _table(use) for use in _USES}


def draw_colours(rng: np.random.Generator, use: str, count: int) -> np.ndarray:
    """Draws reflectances for surfaces of one use, brightness and tint jittered.

    Args:
        rng: Source of randomness.
        use: "building", "road", "pavement", "tree", "car", "clothes", "skin" or "hair".
        count: How many.

    Returns:
        float32 [count, 3] RGB, about 0.05 to 0.95.
    """
    colours, cumulative = _TABLES[use]
    draws = rng.random((count, 5))
    picked = colours[np.searchsorted(cumulative, draws[:, 0])]
    brightness = 0.72 + 0.5 * draws[:, 1:2]
    tint = 0.93 + 0.14 * draws[:, 2:]
    return np.minimum(np.maximum(picked * brightness * tint, 0.05), 0.95).astype(np.float32)
