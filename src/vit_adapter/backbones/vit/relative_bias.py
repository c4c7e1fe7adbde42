"""The bias of attention scores from a table of relative positions."""

import torch
from torch import Tensor


def spread(table: Tensor, index: Tensor) -> Tensor:
    """[R, heads] table and [N, N] index of its rows as a bias [1, heads, N, N]."""
    if torch.is_grad_enabled() and table.requires_grad:
        return table[index.flatten()].reshape(*index.shape, -1).permute(2, 0, 1)[None]
    # Head by head in plain order: attention reads the bias three times as fast as through a permuted view.
    return table.T.contiguous().index_select(1, index.flatten()).view(1, -1, *index.shape)


class KeptBiases:
    """Biases of the last grid that was seen, so that the windows and images after it need not spread them again.

    Kept on the CPU only, and only without gradients. A bias is that of a table with the very same values: a copy is
    compared, so that a table that was trained, loaded or written to in any way is spread anew.

    Args:
        tables: Number of tables of the ViT: all are kept, or none.
    """

    def __init__(self, tables: int) -> None:
        self.tables = tables
        self._size: tuple[int, int] | None = None
        self._kept: dict[tuple[int, torch.dtype], tuple[Tensor, Tensor]] = {}

    def clear(self) -> None:
        """Forgets all."""
        self._size, self._kept = None, {}

    def find(self, table: Tensor, size: tuple[int, int], dtype: torch.dtype) -> Tensor | None:
        """The bias [1, heads, N, N] of a table for a grid of ``size``; None: not there."""
        if size != self._size:
            return None
        known, bias = self._kept.get((id(table), dtype), (None, None))
        return bias if known is not None and torch.equal(known, table) else None

    def keep(self, table: Tensor, size: tuple[int, int], bias: Tensor, limit: int) -> None:
        """Keeps a bias, if those of all tables together take at most ``limit`` bytes."""
        if size != self._size:
            self.clear()
            self._size = size
        if bias.numel() * bias.element_size() * self.tables <= limit:
            self._kept[id(table), bias.dtype] = (table.detach().clone(), bias)
