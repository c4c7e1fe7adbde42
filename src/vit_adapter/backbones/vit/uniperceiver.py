"""The image encoder of Uni-Perceiver (Zhu et al., CVPR 2022), which timm does not have."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_adapter import ops
from vit_adapter.config import InputError, ViTConfig
from vit_adapter.weights.resample import resample_grid

from .windows import from_windows, into_windows
from .wrapper import Size, ViTWrapper


class PackedAttention(nn.Module):
    """Self-attention whose query, key and value maps are one matrix.

    Args:
        dim: Width of the tokens.
        heads: Number of heads.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj = nn.Linear(dim, 3 * dim)
        self.out_proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """[..., N, dim] -> [..., N, dim]; leading axes do not interact."""
        *lead, count, dim = tokens.shape
        packed = self.in_proj(tokens).reshape(-1, count, 3, self.heads, dim // self.heads)
        query, key, value = packed.permute(2, 0, 3, 1, 4).unbind(0)  # each [-1, heads, N, d]
        output = ops.attention(query, key, value)
        return self.out_proj(output.transpose(1, 2).reshape(*lead, count, dim))


class UniPerceiverBlock(nn.Module):
    """Pre-norm attention and feed-forward, each scaled by a gamma that starts at zero (behaviour 12).

    Args:
        dim: Width of the tokens.
        heads: Number of attention heads.
        hidden: Width of the feed-forward.
    """

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-5)
        self.self_attn = PackedAttention(dim, heads)
        self.gamma_1 = nn.Parameter(torch.zeros(dim))
        self.drop_path1: nn.Module = nn.Identity()
        self.norm2 = nn.LayerNorm(dim, eps=1e-5)
        self.linear1 = nn.Linear(dim, hidden)
        self.linear2 = nn.Linear(hidden, dim)
        self.gamma_2 = nn.Parameter(torch.zeros(dim))
        self.drop_path2: nn.Module = nn.Identity()

    def forward(self, tokens: Tensor, size: Size, window: int | None) -> Tensor:
        """Runs the layer.

        Args:
            tokens: [B, h * w, dim].
            size: (h, w) of the grid.
            window: Side of the attention window in tokens; None: all tokens see each other.
        """
        normed = self.norm1(tokens)
        attended = self.self_attn(normed) if window is None else self._windowed(normed, size, window)
        tokens = tokens + self.drop_path1(self.gamma_1 * attended)
        mixed = self.linear2(F.gelu(self.linear1(self.norm2(tokens))))
        return tokens + self.drop_path2(self.gamma_2 * mixed)

    def _windowed(self, tokens: Tensor, size: Size, window: int) -> Tensor:
        # Padding comes before the projection here, so padded tokens carry its bias (behaviour 14).
        return from_windows(self.self_attn(into_windows(tokens, size, window)), size, window)


class PatchEmbedding(nn.Module):
    """Patches plus a spatial and a temporal position; a still image has moment 0 (behaviour 7)."""

    def __init__(self, dim: int, grid: int, patch_size: int, in_chans: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_chans, dim, patch_size, stride=patch_size)
        self.spatial_pos_embed = nn.Embedding(grid * grid, dim)
        self.temporal_pos_embed = nn.Embedding(8, dim)


class VisualEmbedding(nn.Module):
    """Patch embedding and the norm after it."""

    def __init__(self, dim: int, grid: int, patch_size: int, in_chans: int) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding(dim, grid, patch_size, in_chans)
        self.embeddings_norm = nn.LayerNorm(dim, eps=1e-5)


class UniPerceiver(nn.Module):
    """Uni-Perceiver's encoder for images. Parameter names are those of the published files.

    Args:
        img_size: Side in pixels that the spatial position table is made for.
        embed_dim: Width of the tokens (large: 1024).
        depth: Number of layers (large: 24).
        num_heads: Attention heads (large: 16).
        mlp_ratio: Width of the feed-forward relative to ``embed_dim``.
        patch_size: Side of a patch in pixels.
        in_chans: Channels of the image.
    """

    def __init__(
        self,
        img_size: int = 224,
        embed_dim: int = 1024,
        depth: int = 24,
        num_heads: int = 16,
        mlp_ratio: float = 4.0,
        patch_size: int = 16,
        in_chans: int = 3,
    ) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise InputError(f"num_heads={num_heads} does not divide embed_dim={embed_dim}")
        self.embed_dim, self.grid_size = embed_dim, img_size // patch_size
        self.visual_embed = VisualEmbedding(embed_dim, self.grid_size, patch_size, in_chans)
        self.layers = nn.ModuleList(
            UniPerceiverBlock(embed_dim, num_heads, int(embed_dim * mlp_ratio)) for _ in range(depth)
        )


class UniPerceiverWrapper(ViTWrapper):
    """Wraps ``UniPerceiver``, which has no class token."""

    norm_eps = 1e-5
    vit: UniPerceiver

    def __init__(self, vit: UniPerceiver, config: ViTConfig) -> None:
        super().__init__(vit, config)
        if config.prefix_tokens:
            raise InputError("prefix_tokens=True: Uni-Perceiver's encoder has no class token for images")
        self.grid = vit.grid_size, vit.grid_size
        self.windows: list[int | None] = [None] * self.depth

    @property
    def blocks(self) -> Any:
        return self.vit.layers

    @property
    def patch_embedding(self) -> Any:
        return self.vit.visual_embed.patch_embed

    def take_grid(self, grid: Size) -> None:
        old = self.patch_embedding.spatial_pos_embed.weight
        self.patch_embedding.spatial_pos_embed = nn.Embedding(
            grid[0] * grid[1], self.dim, device=old.device, dtype=old.dtype
        )
        self.grid = grid

    def embed(self, images: Tensor) -> tuple[Tensor, Tensor, Size]:
        embedding = self.vit.visual_embed
        maps = embedding.patch_embed.proj(images)
        size = maps.shape[-2], maps.shape[-1]
        grid = maps.flatten(2).transpose(1, 2)  # [B, h*w, dim]
        grid = grid + resample_grid(embedding.patch_embed.spatial_pos_embed.weight[None], self.grid, size)
        grid = embedding.embeddings_norm(grid + embedding.patch_embed.temporal_pos_embed.weight[0])
        return grid[:, :0], grid, size

    def run(self, first: int, last: int, prefix: Tensor, grid: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        for index in range(first, last + 1):
            grid = self.call(self.blocks[index], grid, size, self.windows[index])
        return prefix, grid

    def set_layer_scale(self, value: float | None, remove: bool = False) -> bool:
        if remove:
            raise InputError("no_layer_scale: Uni-Perceiver's layers always have scales")
        for layer in self.blocks:
            for gamma in (layer.gamma_1, layer.gamma_2):
                if value is not None:
                    nn.init.constant_(gamma, value)
        return False

    def set_windows(self, sizes: list[int | None]) -> None:
        if len(sizes) != self.depth:
            raise InputError(
                f"window_sizes has {len(sizes)} entries, expected one for each of {self.depth} layers"
            )
        self.windows = list(sizes)
