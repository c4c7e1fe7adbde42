"""BEiT and BEiTv2: a relative position bias in every block."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from timm.models.beit import Beit, Block
from torch import Tensor, nn

from vit_adapter.config import InputError, ViTConfig
from vit_adapter.weights.resample import relative_position_index, resample_grid

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
    last three rows are kept.

    Args:
        table: [(2 * rows - 1) * (2 * columns - 1) + 3, heads] for the stored grid.
        stored: (rows, columns) of the stored grid.
        size: (height, width) of the wanted one.

    Returns:
        [(2 * height - 1) * (2 * width - 1) + 3, heads].
    """
    old, new = [(2 * rows - 1, 2 * columns - 1) for rows, columns in (stored, size)]
    patches = table[:-3].reshape(1, *old, -1).permute(0, 3, 1, 2)  # [1, heads, 2*rows-1, 2*columns-1]
    patches = F.interpolate(patches, size=new, mode="bicubic", align_corners=False)
    return torch.cat([patches.flatten(2)[0].T, table[-3:]])


class BeitWrapper(ViTWrapper):
    """Wraps timm's ``Beit``; its class token stays through the blocks (behaviour 8)."""

    vit: Beit

    def __init__(self, vit: Beit, config: ViTConfig) -> None:
        super().__init__(vit, config)
        if config.prefix_tokens is False:
            raise InputError(
                "prefix_tokens=False: BEiT's relative positions include the class token; leave it on"
            )
        remove_unused(vit, ("fc_norm", "head_drop", "head"))
        self.grid, self.table_prefix = table_form(vit, 1)
        # timm keeps the index in every block, at 896 pixels 1.9 GB in all; here the blocks share one.
        for holder in (*(block.attn for block in vit.blocks), vit.rel_pos_bias):
            if getattr(holder, "relative_position_index", None) is not None:
                holder.relative_position_index = None  # pyright: ignore
        # The published adapter has a table shared by all blocks and ignores it (behaviour 10); the baseline uses it.
        self.use_shared_bias = False
        # Only the last few grids are kept: photos come in many sizes, and an index is large.
        self._indexes: dict[tuple[Size, torch.device], Tensor] = {}

    @property
    def dim(self) -> int:
        return self.vit.embed_dim

    @property
    def blocks(self) -> Any:
        return self.vit.blocks

    @property
    def num_prefix(self) -> int:
        return 1

    def embed(self, images: Tensor) -> tuple[Tensor, Tensor, Size]:
        vit = self.vit
        grid, size = embed_patches(vit, images)
        prefix = vit.cls_token
        if vit.pos_embed is not None:
            prefix = prefix + vit.pos_embed[:, :1]
            grid = grid + resample_grid(vit.pos_embed, self.grid, size)
        prefix = prefix.expand(grid.shape[0], -1, -1).to(grid.dtype)
        return *part(vit.pos_drop(join(prefix, grid)), 1), size

    def run(self, first: int, last: int, prefix: Tensor, grid: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        tokens = join(prefix, grid)
        index = self._index(size, tokens.device)
        for block in self.blocks[first : last + 1]:
            tokens = self.call(self._block, tokens, block, index, size)
        return part(tokens, 1)

    def _shared_bias(self, index: Tensor | None, size: Size) -> Tensor | None:
        if index is None or not self.use_shared_bias or self.vit.rel_pos_bias is None:
            return None
        return self.bias(self.vit.rel_pos_bias.relative_position_bias_table, index, size)

    def _index(self, size: Size, device: torch.device) -> Tensor | None:
        if self.blocks[0].attn.relative_position_bias_table is None and self.vit.rel_pos_bias is None:
            return None
        if torch.compiler.is_compiling():
            return relative_position_index(size, device)
        if (size, device) not in self._indexes:
            if len(self._indexes) >= 4:
                self._indexes.pop(next(iter(self._indexes)))
            self._indexes[size, device] = relative_position_index(size, device)
        return self._indexes[size, device]

    def bias(self, table: Tensor, index: Tensor, size: Size) -> Tensor:
        """[1, heads, 1 + h * w, 1 + h * w] bias of the attention scores for a grid of ``size``."""
        if size != self.grid:
            table = resample_table(table, self.grid, size)
        return table[index.flatten()].reshape(*index.shape, -1).permute(2, 0, 1)[None]

    def _block(self, tokens: Tensor, block: Block, index: Tensor | None, size: Size) -> Tensor:
        attention = self._attention(block.norm1(tokens), block.attn, index, size)
        if block.gamma_1 is not None:
            attention = block.gamma_1 * attention
        tokens = tokens + block.drop_path1(attention)
        mixed = block.mlp(block.norm2(tokens))
        if block.gamma_2 is not None:
            mixed = block.gamma_2 * mixed
        return tokens + block.drop_path2(mixed)

    def _attention(self, tokens: Tensor, attention: Any, index: Tensor | None, size: Size) -> Tensor:
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
        if table is not None:
            assert index is not None
            own = self.bias(table, index, size)
            bias = own if bias is None else own + bias
        if bias is not None:
            bias = bias.to(query.dtype)
        output = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        # [B, heads, N, d] -> [B, N, heads*d]
        return attention.proj(output.transpose(1, 2).reshape(batch, count, -1))

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
