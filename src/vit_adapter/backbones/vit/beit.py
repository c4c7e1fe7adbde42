"""BEiT and BEiTv2: a relative position bias in every block."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from timm.models.beit import Beit, Block
from torch import Tensor, nn

from vit_adapter import ops
from vit_adapter.config import InputError, ViTConfig
from vit_adapter.weights.resample import relative_position_index, resample_grid

from .relative_bias import KeptBiases, relative_attention, spread
from .windows import from_windows, into_windows
from .wrapper import (
    Size,
    ViTWrapper,
    embed_patches,
    join,
    part,
    remove_unused,
    table_form,
)


def resample_table(table: Tensor, stored: Size, size: Size) -> Tensor:
    """A relative position table for another grid.

    The official code cannot do this at run time; here the part of the patches is resampled bicubically and the
    three rows of the class token, if the table has them, are kept.

    Args:
        table: [(2 * rows - 1) * (2 * columns - 1) + (3 or 0), heads] for the stored grid.
        stored: (rows, columns) of the stored grid.
        size: (height, width) of the wanted one.

    Returns:
        [(2 * height - 1) * (2 * width - 1) + (3 or 0), heads].
    """
    old, new = [(2 * rows - 1, 2 * columns - 1) for rows, columns in (stored, size)]
    count = old[0] * old[1]
    patches = table[:count].reshape(1, *old, -1).permute(0, 3, 1, 2)  # [1, heads, 2*rows-1, 2*columns-1]
    patches = F.interpolate(patches, size=new, mode="bicubic", align_corners=False)
    return torch.cat([patches.flatten(2)[0].T, table[count:]])


class BeitWrapper(ViTWrapper):
    """Wraps timm's ``Beit``; its class token stays through the blocks (behaviours 8 and 124).

    Without the class token, as in the published detectors (``prefix_tokens=False``), the position tables have no rows
    for it, and the attention of single blocks may be restricted to windows: then a block's table has the size of its
    window, and the tokens are padded with zeros before they are projected, so that padded queries, keys and values are
    the biases. Padded keys take part in the softmax, with their relative bias.
    """

    vit: Beit

    def __init__(self, vit: Beit, config: ViTConfig) -> None:
        super().__init__(vit, config)
        remove_unused(vit, ("fc_norm", "head_drop", "head"))
        self.grid, self.table_prefix = table_form(vit, 1)
        self.has_class_token = config.prefix_tokens is not False
        self.num_prefix = int(self.has_class_token)
        self.windows: list[int | None] = [None] * self.depth
        # timm keeps the index in every block, at 896 pixels 1.9 GB in all; here the blocks share one.
        for holder in (*(block.attn for block in vit.blocks), vit.rel_pos_bias):
            if getattr(holder, "relative_position_index", None) is not None:
                holder.relative_position_index = None  # pyright: ignore
        # The published adapter has a table shared by all blocks and ignores it (behaviour 10); the baseline uses it.
        self.use_shared_bias = False
        # Only the last few grids are kept: photos come in many sizes, and an index is large.
        self._biases = KeptBiases(len(vit.blocks))
        self._indexes: dict[tuple[Size, torch.device], Tensor] = {}
        if not self.has_class_token:
            self._drop_class_token()

    def _drop_class_token(self) -> None:
        vit: Any = self.vit
        vit.cls_token = None
        if vit.pos_embed is not None:
            vit.pos_embed = nn.Parameter(vit.pos_embed.detach()[:, self.table_prefix :])
            self.table_prefix = 0
        rows, columns = self.grid
        for block in vit.blocks:
            if block.attn.relative_position_bias_table is not None:
                table = block.attn.relative_position_bias_table.detach()[: (2 * rows - 1) * (2 * columns - 1)]
                block.attn.relative_position_bias_table = nn.Parameter(table.clone())

    def embed(self, images: Tensor) -> tuple[Tensor, Tensor, Size]:
        vit = self.vit
        grid, size = embed_patches(vit, images)
        if vit.pos_embed is not None:
            grid = grid + resample_grid(vit.pos_embed, self.grid, size)
        if not self.has_class_token:
            return grid[:, :0], vit.pos_drop(grid), size
        prefix = vit.cls_token
        if vit.pos_embed is not None:
            prefix = prefix + vit.pos_embed[:, :1]
        prefix = prefix.expand(grid.shape[0], -1, -1).to(grid.dtype)
        return *part(vit.pos_drop(join(prefix, grid)), 1), size

    def run(self, first: int, last: int, prefix: Tensor, grid: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        tokens = join(prefix, grid)
        for block, window in zip(self.blocks[first : last + 1], self.windows[first : last + 1], strict=True):
            tokens = self.call(self._block, tokens, block, size, window)
        return part(tokens, self.num_prefix)

    def _shared_bias(self, index: Tensor | None, size: Size) -> Tensor | None:
        if index is None or not self.use_shared_bias or self.vit.rel_pos_bias is None:
            return None
        return self.bias(self.vit.rel_pos_bias.relative_position_bias_table, index, size)

    def _index(self, size: Size, device: torch.device) -> Tensor | None:
        if self.blocks[0].attn.relative_position_bias_table is None and self.vit.rel_pos_bias is None:
            return None
        if torch.compiler.is_compiling():
            return relative_position_index(size, device, self.has_class_token)
        if (size, device) not in self._indexes:
            if len(self._indexes) >= 4:
                self._indexes.pop(next(iter(self._indexes)))
            self._indexes[size, device] = relative_position_index(size, device, self.has_class_token)
        return self._indexes[size, device]

    def bias(self, table: Tensor, index: Tensor, size: Size, stored: Size | None = None) -> Tensor:
        """[1, heads, N, N] bias of the attention scores for a grid of ``size``, N tokens, class token included.

        Args:
            table: Of the grid ``stored``; None: of the ViT's own.
            index: See ``relative_position_index``.
            size: (h, w).
            stored: See ``table``.
        """
        if size != (stored or self.grid):
            table = resample_table(table, stored or self.grid, size)
        return spread(table, index)

    def _own_bias(self, table: Tensor, index: Tensor, size: Size, stored: Size, dtype: torch.dtype) -> Tensor:
        """A block's own bias in the type of its queries, kept between calls where nothing is trained."""
        wanted = torch.is_grad_enabled() and table.requires_grad
        if wanted or self.vit.training or table.device.type != "cpu" or torch.compiler.is_compiling():
            self._biases.clear()
            return self.bias(table, index, size, stored).to(dtype)
        found = self._biases.find(table, size, dtype)
        if found is None:
            found = self.bias(table, index, size, stored).to(dtype)
            self._biases.keep(table, size, found, self.kept_bytes)
        return found

    def _is_spread_anew(self, query: Tensor) -> bool:
        """Whether nothing is trained and biases are too large to be kept."""
        heads, tokens = query.shape[1], query.shape[2]
        return ops.overwrites(query) and not self._biases.holds(heads, tokens, query.dtype, self.kept_bytes)

    def _block(self, tokens: Tensor, block: Block, size: Size, window: int | None) -> Tensor:
        normed = block.norm1(tokens)
        if window is None:
            attention = self._attention(normed, block.attn, size, self.grid)
        else:
            windows = into_windows(normed, size, window)
            square = (window, window)
            attended = self._attention(windows.flatten(0, 1), block.attn, square, square)
            attention = from_windows(attended.reshape(windows.shape), size, window)
        makers = ops.all_parts(block)
        tokens = _added(tokens, attention, block.gamma_1, block.drop_path1, makers)
        return _added(tokens, block.mlp(block.norm2(tokens)), block.gamma_2, block.drop_path2, makers)

    def _attention(self, tokens: Tensor, attention: Any, size: Size, stored: Size) -> Tensor:
        """Attention of all tokens [B, N, C] of a grid of ``size``; the block's table is made for ``stored``."""
        index = self._index(size, tokens.device)
        batch, count, _ = tokens.shape
        qkv_bias = None
        if attention.q_bias is not None:
            # Keys have no bias (behaviour 11).
            qkv_bias = torch.cat([attention.q_bias, torch.zeros_like(attention.v_bias), attention.v_bias])
        qkv = F.linear(tokens, attention.qkv.weight, qkv_bias)
        # [B, N, 3*heads*d] -> [3, B, heads, N, d]
        qkv = qkv.reshape(batch, count, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)
        table = attention.relative_position_bias_table
        bias = self._shared_bias(index, size)
        if table is not None and bias is None and self._is_spread_anew(query):
            assert index is not None
            if size != stored:
                table = resample_table(table, stored, size)
            output = relative_attention(query, key, value, table, index)
            return attention.proj(output.transpose(1, 2).reshape(batch, count, -1))
        if table is not None:
            assert index is not None
            own = self._own_bias(table, index, size, stored, query.dtype)
            bias = own if bias is None else own + bias
        if bias is not None:
            bias = bias.to(query.dtype)
        output = ops.attention(query, key, value, bias)
        # [B, heads, N, d] -> [B, N, heads*d]
        return attention.proj(output.transpose(1, 2).reshape(batch, count, -1))

    def set_windows(self, sizes: list[int | None]) -> None:
        if self.has_class_token:
            raise InputError("window_sizes needs a BEiT without class token: prefix_tokens=False")
        if len(sizes) != self.depth:
            raise InputError(
                f"window_sizes has {len(sizes)} entries, expected one for each of {self.depth} blocks"
            )
        self.windows = list(sizes)
        for block, window in zip(self.blocks, sizes, strict=True):
            table = block.attn.relative_position_bias_table
            if window is not None and table is not None:
                rows = table.new_zeros((2 * window - 1) ** 2, table.shape[1])
                block.attn.relative_position_bias_table = nn.Parameter(rows)

    def reset_embedding(self) -> None:
        # As the adapter's own convolutions (behaviour 29).
        patches = self.vit.patch_embed.proj
        nn.init.normal_(patches.weight, std=math.sqrt(2.0 / (math.prod(patches.kernel_size) * self.dim)))
        nn.init.zeros_(patches.bias)  # pyright: ignore

    def set_layer_scale(self, value: float | None, remove: bool = False) -> bool:
        added = False
        for block in self.blocks:
            for name in ("gamma_1", "gamma_2"):
                if remove:
                    setattr(block, name, None)
                elif value is not None:
                    # Zero is a start value here, not the absence of scales (behaviour 27).
                    added = added or getattr(block, name) is None
                    setattr(block, name, nn.Parameter(torch.full_like(block.norm1.weight.detach(), value)))
        return added


def _added(
    tokens: Tensor, branch: Tensor, scale: Tensor | None, drop_path: nn.Module, makers: tuple[nn.Module, ...]
) -> Tensor:
    """The residual sum of a block, with its layer scale and stochastic depth."""
    if isinstance(drop_path, nn.Identity) or not drop_path.training:
        return ops.residual(tokens, branch, scale, makers)
    return tokens + drop_path(branch if scale is None else scale * branch)
