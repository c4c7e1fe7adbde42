"""EVA-02 and DINOv3: rotary positions."""

from typing import Any

import torch
from timm.layers.pos_embed_sincos import RotaryEmbeddingDinoV3
from timm.models.eva import Eva
from torch import Tensor, nn

from vit_adapter.config import InputError, ViTConfig

from .rotary import RotaryPositions
from .wrapper import Size, ViTWrapper, embed_with_table, join, part, remove_unused, table_form


class EvaWrapper(ViTWrapper):
    """Wraps timm's ``Eva``; class and register tokens are kept by default."""

    vit: Eva

    def __init__(self, vit: Eva, config: ViTConfig) -> None:
        super().__init__(vit, config)
        remove_unused(vit, ("fc_norm", "head_drop", "head", "attn_pool"))
        self.tokens = [name for name in ("cls_token", "reg_token") if getattr(vit, name) is not None]
        count = sum(getattr(vit, name).shape[1] for name in self.tokens)
        self.grid, self.table_prefix = table_form(vit, count)
        if config.prefix_tokens and not self.tokens:
            raise InputError("prefix_tokens=True: this ViT has no class or register tokens")
        if config.prefix_tokens is False:
            for name in self.tokens:
                setattr(vit, name, None)
            self.tokens, count = [], 0
            for block in self.blocks:
                # The rotation leaves out so many tokens in front.
                block.attn.num_prefix_tokens = 0
        self.num_prefix = count
        if isinstance(vit.rope, RotaryEmbeddingDinoV3):
            periods: Any = vit.rope.periods
            vit.rope = RotaryPositions(periods, config.rotary_rescale)
        self._add_unused(config.pretraining_parts)

    def _add_unused(self, parts: tuple[str, ...]) -> None:
        """Parameters that are in the published files and that nothing reads (behaviour 114)."""
        vit: Any = self.vit
        if "mask_token" in parts:
            vit.mask_token = nn.Parameter(torch.zeros_like(vit.cls_token[0]), requires_grad=False)
        if "local_cls_norm" in parts:
            vit.local_cls_norm = nn.LayerNorm(self.dim, eps=self.blocks[0].norm1.eps).requires_grad_(False)

    def embed(self, images: Tensor) -> tuple[Tensor, Tensor, Size]:
        return embed_with_table(self, self.tokens, images)

    def run(self, first: int, last: int, prefix: Tensor, grid: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        tokens = join(prefix, grid)
        rotation = self._rotation(size)
        for index in range(first, last + 1):
            if index > first and isinstance(self.vit.rope, RotaryPositions) and self.vit.rope.draws:
                rotation = self._rotation(size)
            own = rotation[index] if rotation is not None and self.vit.rope_mixed else rotation
            tokens = self.call(self.blocks[index], tokens, own)
        return part(tokens, self.num_prefix)

    def _rotation(self, size: Size) -> Tensor | None:
        if self.vit.rope is None:
            return None
        rope: Any = self.vit.rope
        rotation = rope.get_embed(list(size))
        if rotation.shape[-2] != size[0] * size[1]:
            raise InputError(
                f"this ViT's rotary positions are fixed to a grid of {self.grid[0]} x {self.grid[1]}, the image "
                f"has {size[0]} x {size[1]}; build it with dynamic_img_size=True"
            )
        return rotation

    def set_layer_scale(self, value: float | None, remove: bool = False) -> bool:
        if value is None and not remove:
            return False
        added = False
        for block in self.blocks:
            if not hasattr(block, "gamma_1"):
                raise InputError(f"layer_scale cannot be set for blocks of the kind {type(block).__name__}")
            for name in ("gamma_1", "gamma_2"):
                added = added or (not remove and getattr(block, name) is None)
                weight = block.norm1.weight.detach()
                setattr(block, name, None if remove else nn.Parameter(torch.full_like(weight, value or 0.0)))
        return added
