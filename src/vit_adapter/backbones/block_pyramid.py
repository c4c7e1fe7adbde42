"""The published plain ViT baseline of detection: tokens of single blocks, normalised, resampled by convolutions.

Behaviour 127.
"""

import math
from typing import Literal, Unpack

import torch.nn.functional as F
from torch import Tensor, nn

from vit_adapter.config import BlockPyramidConfig, InputError, ViTConfig, ViTSettings

from .adapter import STRIDES
from .backbone import PlainViTBackbone
from .images import prepared_images, whole_patches
from .vit import PATCH_SIZE, tokens_to_map


class BlockPyramid(PlainViTBackbone):
    """A plain ViT without adapter and without batch norm.

    Args:
        vit: Name of a ViT, its settings, or a module.
        out_indices: Four blocks (from 0) whose outputs become the maps at strides 4, 8, 16, 32; or one for all four.
        residual_indices: Blocks after which a convolutional bottleneck follows.
        norm: Has no effect: the norm between the two upsamplings is a group norm in every case.
        vit_settings: Fields of ``ViTConfig``.

    Attributes:
        channels: Width of the maps.
        strides: Their strides.

    Further attributes are those of ``PlainViTBackbone``.

    Raises:
        InputError: An index names no block, or there are neither one nor four ``out_indices``.
    """

    def __init__(
        self,
        vit: str | nn.Module | ViTConfig,
        *,
        out_indices: tuple[int, ...] = (2, 5, 8, 11),
        residual_indices: tuple[int, ...] = (),
        norm: Literal["batch", "group"] = "batch",
        **vit_settings: Unpack[ViTSettings],
    ) -> None:
        super().__init__(vit, **vit_settings)
        self.config = BlockPyramidConfig(
            out_indices=tuple(out_indices), residual_indices=tuple(residual_indices)
        )
        self.norm, last = norm, self.wrapper.depth - 1
        if len(out_indices) not in (1, 4) or list(out_indices) != sorted(set(out_indices)):
            raise InputError(
                f"out_indices={tuple(out_indices)}, expected one or four blocks in ascending order"
            )
        for name, indices in (("out_indices", out_indices), ("residual_indices", residual_indices)):
            if any(not 0 <= index <= last for index in indices):
                raise InputError(f"{name}={tuple(indices)}, expected blocks of 0..{last}")
        dim = self.wrapper.dim
        self.out_indices = tuple(out_indices)
        self.residuals = nn.ModuleDict({str(index): Bottleneck(dim) for index in residual_indices})
        self.norms = nn.ModuleList(nn.LayerNorm(dim, eps=1e-6) for _ in range(4))
        double = [nn.ConvTranspose2d(dim, dim, 2, stride=2) for _ in range(3)]
        group_norm = nn.GroupNorm(math.gcd(32, dim), dim)
        self.resamplers = nn.ModuleList(
            [
                nn.Sequential(double[0], group_norm, nn.GELU(), double[1]),
                double[2],
                nn.Identity(),
                nn.MaxPool2d(2, stride=2),
            ]
        )
        self.channels, self.strides = (dim,) * 4, STRIDES

    def forward(self, images: Tensor) -> list[Tensor]:
        """The pyramid.

        Args:
            images: [B, in_chans, H, W]; pixels that fill no patch are dropped.

        Returns:
            Maps [B, D, H/4, W/4], [B, D, H/8, W/8], [B, D, H/16, W/16], [B, D, H/32, W/32].
        """
        images = prepared_images(images, self.in_chans, self.wrapper.patch_embedding.proj.weight)
        stages, start = [], 0
        with self.vit_gradients(not self.frozen):
            prefix, grid, size = self.wrapper.embed(whole_patches(images, PATCH_SIZE))
        for index in sorted({*self.out_indices, *map(int, self.residuals)}):
            with self.vit_gradients(not self.frozen or bool(len(self.residuals))):
                prefix, grid = self.wrapper.run(start, index, prefix, grid, size)
            if str(index) in self.residuals:
                maps = self.residuals[str(index)](tokens_to_map(grid, size))
                grid = maps.flatten(2).transpose(1, 2)
            if index in self.out_indices:
                stages.append(self.wrapper.read(grid))
            start = index + 1
        stages = stages if len(stages) == 4 else stages * 4
        return [
            resample(tokens_to_map(norm(stage), size))
            for resample, norm, stage in zip(self.resamplers, self.norms, stages, strict=True)
        ]


class Bottleneck(nn.Module):
    """1×1 to half the width, 3×3, 1×1 back, each with a norm over the channels; added to the map.

    Args:
        dim: Width of the map.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden = dim // 2
        self.conv1 = nn.Conv2d(dim, hidden, 1, bias=False)
        self.norm1 = ChannelNorm(hidden)
        self.conv2 = nn.Conv2d(hidden, hidden, 3, padding=1, bias=False)
        self.norm2 = ChannelNorm(hidden)
        self.conv3 = nn.Conv2d(hidden, dim, 1, bias=False)
        self.norm3 = ChannelNorm(dim)

    def forward(self, maps: Tensor) -> Tensor:
        """[B, dim, H, W] -> [B, dim, H, W]."""
        hidden = F.gelu(self.norm1(self.conv1(maps)))
        hidden = F.gelu(self.norm2(self.conv2(hidden)))
        return maps + self.norm3(self.conv3(hidden))


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of every pixel (epsilon 1e-6).

    Args:
        channels: Their number.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, maps: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H, W]."""
        return super().forward(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous()
