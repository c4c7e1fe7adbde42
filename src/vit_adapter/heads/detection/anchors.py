"""Boxes of fixed sizes at every cell of a map."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def base_anchors(stride: int, scale: float, ratios: Sequence[float] = (1.0,)) -> Tensor:
    """Boxes around the origin, one for each ratio.

    Args:
        stride: Pixels of a cell.
        scale: Square root of the area in strides.
        ratios: Height over width.

    Returns:
        float32 [R, 4] xyxy in pixels.
    """
    factors = torch.tensor(ratios, dtype=torch.float32).sqrt()
    width, height = stride * (1 / factors) * scale, stride * factors * scale
    return torch.stack([-width, -height, width, height], 1) * 0.5


def grid_anchors(
    size: tuple[int, int], stride: int, scale: float, ratios: Sequence[float] = (1.0,)
) -> Tensor:
    """Anchors of all cells of a map, centred on (column, row) times the stride, without half a cell (behaviour 139).

    Args:
        size: (rows, columns).
        stride: Pixels of a cell.
        scale: Square root of an anchor's area in strides.
        ratios: Height over width of the anchors of a cell.

    Returns:
        float32 [rows * columns * R, 4] xyxy in pixels: row by row, cell by cell, ratio by ratio.
    """
    y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) * stride for n in size), indexing="ij")
    corners = torch.stack([x, y, x, y], -1).reshape(-1, 1, 4)
    return (corners + base_anchors(stride, scale, ratios)).reshape(-1, 4)


def valid_cells(size: tuple[int, int], stride: int, padded: tuple[int, int], anchors: int = 1) -> Tensor:
    """Which anchors of a map belong to an image rather than to the padding of its batch (behaviour 128).

    Args:
        size: (rows, columns).
        stride: Pixels of a cell.
        padded: (height, width) of the image with its own padding.
        anchors: Anchors of a cell.

    Returns:
        bool [rows * columns * anchors].
    """
    rows, columns = (torch.arange(n) < math.ceil(side / stride) for n, side in zip(size, padded, strict=True))
    return (rows[:, None] & columns[None]).flatten().repeat_interleave(anchors)
