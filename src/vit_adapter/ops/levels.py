"""Several maps as one row of tokens, level after level."""

from collections.abc import Sequence

import torch
from torch import Tensor

Shapes = Sequence[tuple[int, int]]
"""(height, width) of every level."""


def level_sides(shapes: Shapes, like: Tensor) -> Tensor:
    """[L, 2] (width, height) of every level, in the type and on the device of ``like``.

    Filled, not copied from a list: a copy to an accelerator would wait for it, and sizes may be symbols of a traced
    program.
    """
    sides = [like.new_full((), side) for height, width in shapes for side in (width, height)]
    return torch.stack(sides).view(-1, 2)


def check_levels(value: Tensor, shapes: Shapes, levels: int) -> None:
    """Whether values [B, S, M, D] and points of so many levels are those that the shapes describe.

    Raises:
        ValueError: They are not.
    """
    areas = [height * width for height, width in shapes]
    if sum(areas) != value.shape[1] or len(areas) != levels:
        raise ValueError(
            f"value has {value.shape[1]} tokens and locations {levels} levels, but shapes {list(shapes)} describe "
            f"{len(areas)} levels of {sum(areas)} tokens"
        )
