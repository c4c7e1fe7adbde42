"""Plain ViTs with an absolute position table: DeiT, AugReg, MAE, DINOv2, CLIP, SigLIP."""

from functools import partial
from typing import Any

from timm.layers import LayerScale, PatchEmbed
from timm.models.vision_transformer import Attention, Block, VisionTransformer
from torch import Tensor, nn

from vit_adapter import ops
from vit_adapter.config import InputError, ViTConfig

from .windows import from_windows, into_windows
from .wrapper import Size, ViTWrapper, embed_with_table, join, part, remove_unused, table_form


class PlainWrapper(ViTWrapper):
    """Wraps timm's ``VisionTransformer``.

    Class and register tokens are dropped by default where the published models drop them (no registers, no
    layer scales, no norm in front: DeiT, AugReg, MAE), and kept elsewhere (DINOv2, CLIP). Dropped
    tokens are removed, but their rows of the position table stay, unused: published files hold them (behaviour 6).
    """

    vit: VisionTransformer
    broadcasts = True

    def __init__(self, vit: VisionTransformer, config: ViTConfig) -> None:
        super().__init__(vit, config)
        if not isinstance(vit.patch_embed, PatchEmbed):
            raise InputError(
                f"a ViT with a convolutional stem ({type(vit.patch_embed).__name__}) is not a plain ViT; take one "
                "that cuts the image into patches, such as vit_small_patch16_224"
            )
        remove_unused(vit, ("fc_norm", "head_drop", "head", "head_dist", "attn_pool"))
        self.tokens = [
            name for name in ("cls_token", "dist_token", "reg_token") if getattr(vit, name, None) is not None
        ]
        # Rows in front of the grid in the table as stored, whether or not the tokens are kept.
        count = sum(getattr(vit, name).shape[1] for name in self.tokens)
        self.grid, self.table_prefix = table_form(vit, count)
        keep = config.prefix_tokens
        if keep is None:
            own_scales = isinstance(getattr(vit.blocks[0], "ls1", None), LayerScale)
            keep = own_scales or "reg_token" in self.tokens or not isinstance(vit.norm_pre, nn.Identity)
        elif keep and not self.tokens:
            raise InputError("prefix_tokens=True: this ViT has no class or register tokens")
        if not keep:
            for name in self.tokens:
                setattr(vit, name, None)
            self.tokens = []
        self.num_prefix = count if keep else 0
        self.windows: list[int | None] = [None] * self.depth

    def embed(self, images: Tensor) -> tuple[Tensor, Tensor, Size]:
        return embed_with_table(self, self.tokens, images)

    def run(self, first: int, last: int, prefix: Tensor, grid: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        tokens = join(prefix, grid)
        for index in range(first, last + 1):
            block, window = self.blocks[index], self.windows[index]
            if window is not None or _is_usual(block):
                tokens = self.call(_run_block, tokens, block, size, window)
            else:
                tokens = self.call(block, tokens)
        return part(tokens, self.num_prefix)

    def reset_embedding(self) -> None:
        if self.vit.pos_embed is not None:
            nn.init.zeros_(self.vit.pos_embed)  # behaviour 26

    def set_layer_scale(self, value: float | None, remove: bool = False) -> bool:
        added = False
        for block in self.blocks:
            if not isinstance(block, Block):
                if value is not None or remove:
                    raise InputError(
                        f"layer_scale cannot be set for blocks of the kind {type(block).__name__}"
                    )
                continue
            for name in ("ls1", "ls2"):
                present = isinstance(getattr(block, name), LayerScale)
                weight = block.norm1.weight
                if remove:
                    setattr(block, name, nn.Identity())
                elif value is not None or not present:
                    start = 1.0 if value is None else value
                    scale = LayerScale(self.dim, start, device=weight.device, dtype=weight.dtype)
                    setattr(block, name, scale)
                    added = added or not present
        return added

    def set_windows(self, sizes: list[int | None]) -> None:
        if len(sizes) != self.depth:
            raise InputError(
                f"window_sizes has {len(sizes)} entries, expected one for each of {self.depth} blocks"
            )
        if self.num_prefix and any(sizes):
            raise InputError(
                "window_sizes needs a ViT without class and register tokens: prefix_tokens=False"
            )
        for block, window in zip(self.blocks, sizes, strict=True):
            if window is not None and not (isinstance(block, Block) and isinstance(block.attn, Attention)):
                raise InputError(f"window_sizes is not offered for blocks of the kind {type(block).__name__}")
        self.windows = list(sizes)


def _is_usual(block: nn.Module) -> bool:
    """Whether a block is timm's usual one, whose attention can run in any form; hooks need its own call."""
    return (
        type(block) is Block
        and type(block.attn) is Attention
        and block.attn.attn_drop.p == 0
        and getattr(block.attn, "gate", None) is None
        and not any(one._forward_hooks or one._forward_pre_hooks for one in (block, block.attn))
    )


def _run_block(tokens: Tensor, block: Block, size: Size, window: int | None) -> Tensor:
    """A block, its attention within windows or of all tokens."""
    attend = _attention if window is None else partial(_windowed_attention, size=size, window=window)
    makers = ops.all_parts(block)
    branch = block.drop_path1(block.ls1(attend(block.norm1(tokens), block.attn)))
    tokens = ops.residual(tokens, branch, None, makers)
    return ops.residual(tokens, block.drop_path2(block.ls2(block.mlp(block.norm2(tokens)))), None, makers)


def _attention(tokens: Tensor, attention: Any) -> Tensor:
    """Self-attention of all tokens."""
    batch, count, _ = tokens.shape
    # [B, N, 3*heads*d] -> [3, B, heads, N, d]
    qkv = attention.qkv(tokens).reshape(batch, count, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
    query, key, value = qkv.unbind(0)
    output = ops.attention(attention.q_norm(query), attention.k_norm(key), value)
    # [B, heads, N, d] -> [B, N, heads*d]
    output = attention.norm(output.transpose(1, 2).reshape(batch, count, -1))
    return attention.proj_drop(attention.proj(output))


def _windowed_attention(tokens: Tensor, attention: Any, size: Size, window: int) -> Tensor:
    """Self-attention in non-overlapping windows (behaviour 13).

    Queries, keys and values are padded after their projection, with zeros and without a mask: padded keys have
    score 0 and value 0 and stay in the softmax. Published models depend on it.
    """
    batch, _, dim = tokens.shape
    windows = into_windows(attention.qkv(tokens), size, window)
    # [B, windows, tokens, 3*heads*d] -> [3, B, windows, heads, tokens, d]
    qkv = windows.reshape(*windows.shape[:3], 3, attention.num_heads, -1).permute(3, 0, 1, 4, 2, 5)
    query, key, value = qkv.unbind(0)
    query, key = attention.q_norm(query), attention.k_norm(key)
    output = ops.attention(query, key, value)
    output = output.transpose(2, 3).flatten(3)  # [B, windows, tokens, heads*d]
    return attention.proj(from_windows(output, size, window).reshape(batch, -1, dim))
