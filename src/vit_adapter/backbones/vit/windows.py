"""Tokens of a grid in non-overlapping windows, and back (behaviour 125)."""

import torch.nn.functional as F
from torch import Tensor

Size = tuple[int, int]


def into_windows(tokens: Tensor, size: Size, window: int) -> Tensor:
    """Cuts a grid into windows, the first at the top left; the grid is padded with zeros at the right and bottom.

    Args:
        tokens: [B, h * w, C], rows first.
        size: (h, w).
        window: Side of a window; one larger than the grid takes it whole.

    Returns:
        [B, number of windows, window * window, C], windows rows first.
    """
    batch, _, channels = tokens.shape
    height, width = size
    rows, columns = -(-height // window), -(-width // window)
    grid = tokens.reshape(batch, height, width, channels)
    grid = F.pad(grid, (0, 0, 0, columns * window - width, 0, rows * window - height))
    # [B, rows, window, columns, window, C] -> [B, rows, columns, window, window, C]
    grid = grid.reshape(batch, rows, window, columns, window, channels).transpose(2, 3)
    return grid.reshape(batch, rows * columns, window * window, channels)


def from_windows(windows: Tensor, size: Size, window: int) -> Tensor:
    """The reverse of ``into_windows``; padded tokens are cut off.

    Args:
        windows: [B, number of windows, window * window, C].
        size: (h, w) of the grid.
        window: Side of a window.

    Returns:
        [B, h * w, C].
    """
    batch, _, _, channels = windows.shape
    height, width = size
    rows, columns = -(-height // window), -(-width // window)
    grid = windows.reshape(batch, rows, columns, window, window, channels).transpose(2, 3)
    grid = grid.reshape(batch, rows * window, columns * window, channels)[:, :height, :width]
    return grid.reshape(batch, height * width, channels)
