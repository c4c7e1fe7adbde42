"""How the boxes that a dense head considers become detections, in numbers that an exported file can carry."""

from collections.abc import Sequence
from dataclasses import dataclass

from .backbone import COARSEST_STRIDE


@dataclass(frozen=True)
class BoxRule:
    """Which of the candidates of an image become its detections.

    Attributes:
        strides: Pixels of a cell of each level, one candidate a cell, level after level and row by row; empty: the
            candidates are in no levels.
        least_score: Scores have to be above it, strictly.
        per_level: Most pairs of candidate and class taken from a level, the best ones.
        overlap: A box goes when its IoU with a better one of its class is above this, strictly; None: all stay.
        count: Most detections.
    """

    strides: tuple[int, ...]
    least_score: float
    per_level: int
    overlap: float | None
    count: int


def level_sizes(area: tuple[int, int], strides: Sequence[int]) -> list[tuple[int, int]]:
    """(rows, columns) of each level over an area of whole cells of the third one; further levels are halved."""
    sizes = [(area[0] // stride, area[1] // stride) for stride in strides[:3]]
    while len(sizes) < len(strides):
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return sizes


def least_side(strides: Sequence[int]) -> int:
    """Smallest side in pixels, a multiple of 32, over which the last level has more than one row.

    Exported programs treat a map of a single row differently, so that it would need a graph of its own.
    """
    if not strides:
        return COARSEST_STRIDE
    side = COARSEST_STRIDE
    while level_sizes((side, side), strides)[-1][0] < 2:
        side += COARSEST_STRIDE
    return side
