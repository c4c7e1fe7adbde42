"""Colours of the embedded scenes: families of surfaces that overlap between classes.

How much colour and position still tell is measured in tests/data/test_scenes.py (boosted trees on single pixels).
"""

import numpy as np

# Reflectances in 0..1. All families but "leaf" serve several classes on purpose.
_FAMILIES = {
    "grey": [(0.34, 0.34, 0.35), (0.45, 0.45, 0.45), (0.56, 0.56, 0.58)],
    "light": [(0.80, 0.80, 0.80), (0.86, 0.84, 0.78), (0.72, 0.75, 0.78)],
    "dark": [(0.14, 0.14, 0.16), (0.16, 0.13, 0.11), (0.10, 0.13, 0.19)],
    "asphalt": [(0.27, 0.27, 0.29), (0.34, 0.33, 0.33), (0.31, 0.33, 0.37)],
    "brown": [(0.42, 0.31, 0.23), (0.53, 0.41, 0.30), (0.62, 0.51, 0.39)],
    "brick": [(0.52, 0.27, 0.20), (0.60, 0.36, 0.27), (0.63, 0.45, 0.37)],
    "leaf": [(0.22, 0.42, 0.14), (0.32, 0.50, 0.18), (0.17, 0.34, 0.16), (0.42, 0.55, 0.22)],
    "olive": [(0.45, 0.50, 0.34), (0.36, 0.42, 0.34), (0.55, 0.57, 0.44)],
    "ochre": [(0.68, 0.54, 0.26), (0.74, 0.62, 0.40), (0.66, 0.44, 0.18)],
    "blue": [(0.38, 0.50, 0.66), (0.52, 0.64, 0.78), (0.33, 0.40, 0.52)],
    "vivid": [(0.78, 0.12, 0.12), (0.12, 0.28, 0.74), (0.90, 0.66, 0.08), (0.88, 0.38, 0.08), (0.10, 0.55, 0.60),
              (0.66, 0.14, 0.50)],
}  # fmt: skip
_USES = {  # how often a class takes a colour of each family
    "building": {"grey": 3, "light": 4, "brown": 4, "brick": 4, "olive": 2, "ochre": 3, "blue": 2},
    "road": {"asphalt": 7, "grey": 2, "dark": 0.5},
    "pavement": {"grey": 2, "light": 2.5, "brick": 1.5, "brown": 1, "ochre": 2},
    "tree": {"leaf": 9, "olive": 1, "ochre": 1.5, "brick": 0.7},
    "car": {"light": 5, "blue": 2, "grey": 1, "vivid": 2.5, "brick": 0.7, "dark": 0.7},
    "coat": {"vivid": 9, "light": 1, "ochre": 0.5},
    "trousers": {"dark": 5, "blue": 1},
    "skin": {"brown": 2, "ochre": 1, "brick": 1},
    "hair": {"dark": 5, "brown": 1},
    "bark": {"brown": 1, "asphalt": 1, "dark": 1},
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
        use: "building", "road", "pavement", "tree", "bark", "car", "coat", "trousers", "skin" or "hair".
        count: How many.

    Returns:
        float32 [count, 3] RGB, about 0.05 to 0.95.
    """
    colours, cumulative = _TABLES[use]
    draws = rng.random((count, 5))
    picked = colours[np.searchsorted(cumulative, draws[:, 0])]
    brightness = 0.8 + 0.36 * draws[:, 1:2]
    tint = 0.95 + 0.1 * draws[:, 2:]
    return np.minimum(np.maximum(picked * brightness * tint, 0.05), 0.95).astype(np.float32)
