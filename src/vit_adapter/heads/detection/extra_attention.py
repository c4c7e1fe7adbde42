"""The part of HTC++ before its pyramid: attention over the whole of the coarsest map."""

from collections.abc import Sequence

import torch
from timm.layers import DropPath, Mlp
from timm.models.vision_transformer import Attention
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class ExtraAttention(nn.Module):
    """A transformer block (norm first) on the last map and a norm behind it; the other maps pass through.

    Behaviour 138.

    Args:
        channels: Width of the last map.
        heads: Attention heads.
        feedforward_ratio: Hidden width of the feed-forward part relative to ``channels``; None: no such part.
        drop_path: Stochastic depth of both parts.
        layer_scale: Start value of factors behind both parts; None: no factors.
        final_norm: Whether a norm follows.
        grad_checkpointing: Recompute the block in the backward pass.
    """

    def __init__(
        self,
        channels: int,
        heads: int = 32,
        *,
        feedforward_ratio: float | None = 4.0,
        drop_path: float = 0.0,
        layer_scale: float | None = None,
        final_norm: bool = True,
        grad_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        # PyTorch's own epsilon, 1e-5, is the published one, unlike the backbone's.
        self.norm1 = nn.LayerNorm(channels)
        self.attention = Attention(channels, heads, qkv_bias=True)
        self.drop_path1 = DropPath(drop_path) if drop_path > 0 else nn.Identity()
        self.feedforward = None
        if feedforward_ratio is not None:
            self.norm2 = nn.LayerNorm(channels)
            self.feedforward = Mlp(channels, int(channels * feedforward_ratio))
            self.drop_path2 = DropPath(drop_path) if drop_path > 0 else nn.Identity()
        self.gamma_1 = self.gamma_2 = None
        if layer_scale is not None:
            self.gamma_1 = nn.Parameter(torch.full((channels,), layer_scale))
            if self.feedforward is not None:
                self.gamma_2 = nn.Parameter(torch.full((channels,), layer_scale))
        self.final_norm = nn.LayerNorm(channels) if final_norm else nn.Identity()
        self.grad_checkpointing = grad_checkpointing
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, pyramid: Sequence[Tensor]) -> list[Tensor]:
        """Maps [B, C_i, h_i, w_i], fine to coarse; only the last is changed."""
        *finer, coarsest = pyramid
        batch, channels, height, width = coarsest.shape
        tokens = coarsest.flatten(2).transpose(1, 2)  # [B, h*w, C]
        if self.grad_checkpointing and self.training and torch.is_grad_enabled():
            tokens = checkpoint(self._block, tokens, use_reentrant=False)
        else:
            tokens = self._block(tokens)
        maps = self.final_norm(tokens).transpose(1, 2).reshape(batch, channels, height, width)
        return [*finer, maps.contiguous()]

    def _block(self, tokens: Tensor) -> Tensor:
        attended = self.drop_path1(self.attention(self.norm1(tokens)))
        tokens = tokens + (attended if self.gamma_1 is None else self.gamma_1 * attended)
        if self.feedforward is None:
            return tokens
        mixed = self.drop_path2(self.feedforward(self.norm2(tokens)))
        return tokens + (mixed if self.gamma_2 is None else self.gamma_2 * mixed)
