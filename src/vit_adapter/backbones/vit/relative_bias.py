"""The bias of attention scores from a table of relative positions."""

import torch
from torch import Tensor

from vit_adapter.ops import Operator, attention, overwrites
from vit_adapter.ops.scratch import scratch

PART_BYTES = 1 << 23
"""Biases of the heads that are handled at once."""


def spread(table: Tensor, index: Tensor) -> Tensor:
    """[R, heads] table and [N, N] index of its rows as a bias [1, heads, N, N]."""
    if torch.is_grad_enabled() and table.requires_grad:
        return table[index.flatten()].reshape(*index.shape, -1).permute(2, 0, 1)[None]
    # Head by head in plain order: attention reads the bias three times as fast as through a permuted view.
    return table.T.contiguous().index_select(1, index.flatten()).view(1, -1, *index.shape)


def _attend(query: Tensor, key: Tensor, value: Tensor, table: Tensor, index: Tensor) -> Tensor:
    """Attention of all tokens with a relative position bias.

    Args:
        query: [B, heads, N, d].
        key: [B, heads, N, d].
        value: [B, heads, N, d].
        table: [R, heads].
        index: [N, N], the row of the table for each pair.

    Returns:
        [B, heads, N, d].
    """
    return attention(query, key, value, spread(table, index).to(query.dtype))


def _choose(query: Tensor, key: Tensor, value: Tensor, table: Tensor, index: Tensor) -> str:
    return "heads" if overwrites(query) else "reference"


relative_attention = Operator(
    "relative_attention",
    _attend,
    _choose,
    rule="heads in inference on the CPU for grids whose biases are too large to be kept, else reference",
)


@relative_attention.form("heads")
def _attend_by_heads(query: Tensor, key: Tensor, value: Tensor, table: Tensor, index: Tensor) -> Tensor:
    """The bias of a few heads at a time, so that it is still in the caches when it is added."""
    rows, pairs = table.T.to(query.dtype).contiguous(), index.flatten()
    heads = query.shape[1]
    step = max(1, PART_BYTES // (len(pairs) * query.element_size()))
    found = []
    for first in range(0, heads, step):
        part = slice(first, min(first + step, heads))
        if overwrites(query):
            bias = scratch("bias", (part.stop - first, len(pairs)), query)
            torch.index_select(rows[part], 1, pairs, out=bias)
        else:
            bias = rows[part].index_select(1, pairs)
        bias = bias.view(1, -1, *index.shape)
        found.append(attention(query[:, part], key[:, part], value[:, part], bias))
    return torch.cat(found, dim=1)


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

    def holds(self, heads: int, tokens: int, dtype: torch.dtype, limit: int) -> bool:
        """Whether the biases of all tables together take at most ``limit`` bytes."""
        return heads * tokens**2 * dtype.itemsize * self.tables <= limit

    def keep(self, table: Tensor, size: tuple[int, int], bias: Tensor, limit: int) -> None:
        """Keeps a bias, if those of all tables together take at most ``limit`` bytes."""
        if size != self._size:
            self.clear()
            self._size = size
        if self.holds(bias.shape[1], bias.shape[2], bias.dtype, limit):
            self._kept[id(table), bias.dtype] = (table.detach().clone(), bias)
