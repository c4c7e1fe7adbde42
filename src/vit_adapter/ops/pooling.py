"""Averages over the cells of a coarse grid, for maps whose size may be a symbol."""

import torch
import torch.nn.functional as F
from torch import Tensor


def average_grid(maps: Tensor, side: int) -> Tensor:
    """Adaptive average pooling to a square grid.

    Cell i of an axis of n pixels covers those from floor(i n / side) to ceil((i + 1) n / side), so cells overlap where
    n is no multiple, and a grid may be finer than the map.

    Args:
        maps: [B, C, H, W].
        side: Cells along each axis.

    Returns:
        [B, C, side, side].
    """
    height, width = maps.shape[-2:]
    if isinstance(height, int) and isinstance(width, int):
        return F.adaptive_avg_pool2d(maps, side)
    # An export for any size would take the plain operator's size for a constant, so two matrices say the same.
    return _cells(height, side, maps) @ maps @ _cells(width, side, maps).mT


def _cells(pixels: int, side: int, like: Tensor) -> Tensor:
    """[side, pixels]: what every pixel counts in every cell."""
    cells = torch.arange(side, device=like.device)[:, None]
    places = torch.arange(pixels, device=like.device)
    first, end = cells * pixels // side, ((cells + 1) * pixels + side - 1) // side
    inside = (places >= first) & (places < end)
    return inside.to(like.dtype) / (end - first).to(like.dtype)
