"""Necks: from a backbone's four maps to the levels that detectors look at."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from .conv_block import NO_NORM, BlockNorm, ConvBlock


class FPN(nn.Module):
    """Feature pyramid network: every map is told what the coarser ones have seen (Lin et al., CVPR 2017).

    Behaviour 137.

    1×1 convolutions bring all maps to one width, each is added, resized to the nearest pixel, to the next finer one,
    and a 3×3 convolution follows on every level. No activation anywhere.

    Args:
        in_channels: Widths of the maps, fine to coarse.
        channels: Width of all levels.
        levels: Number of levels.
        first: Index of the finest map that is used.
        extra_convolutions: Levels beyond the maps come from 3×3 convolutions of stride 2 on the level before; False:
            from every second pixel of it.
        norm: Of all convolutions.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int = 256,
        levels: int = 5,
        *,
        first: int = 0,
        extra_convolutions: bool = False,
        norm: BlockNorm = NO_NORM,
    ) -> None:
        super().__init__()
        used = list(in_channels)[first:]
        self.first, self.extra = first, levels - len(used)
        self.laterals = nn.ModuleList(
            ConvBlock(width, channels, 1, norm, activation=False, start="xavier") for width in used
        )
        self.outputs = nn.ModuleList(
            ConvBlock(channels, channels, 3, norm, activation=False, start="xavier") for _ in used
        )
        if extra_convolutions:
            self.outputs.extend(
                ConvBlock(channels, channels, 3, norm, activation=False, start="xavier", stride=2)
                for _ in range(self.extra)
            )

    def forward(self, pyramid: Sequence[Tensor]) -> list[Tensor]:
        """Maps [B, C_i, h_i, w_i], fine to coarse, to levels [B, channels, h_i, w_i]."""
        merged = [lateral(maps) for lateral, maps in zip(self.laterals, pyramid[self.first :], strict=True)]
        for index in range(len(merged) - 1, 0, -1):
            size = merged[index - 1].shape[-2:]
            merged[index - 1] = merged[index - 1] + F.interpolate(merged[index], size=size, mode="nearest")
        levels = [output(maps) for output, maps in zip(self.outputs, merged, strict=False)]
        for index in range(len(levels), len(merged) + self.extra):
            if index < len(self.outputs):
                levels.append(self.outputs[index](levels[-1]))
            else:
                levels.append(levels[-1][..., ::2, ::2])
        return levels


class ChannelMapper(nn.Module):
    """The neck of the recipe without FPN: a 1×1 convolution and ReLU on each map, and a pooled level (behaviour 137).

    Args:
        in_channels: Widths of the maps, fine to coarse.
        channels: Width of all levels.
        levels: Number of levels; those beyond the maps are the level before, pooled 2×2.
    """

    def __init__(self, in_channels: Sequence[int], channels: int = 256, levels: int = 5) -> None:
        super().__init__()
        self.extra = levels - len(in_channels)
        self.convs = nn.ModuleList(ConvBlock(width, channels, start="xavier") for width in in_channels)

    def forward(self, pyramid: Sequence[Tensor]) -> list[Tensor]:
        """Maps [B, C_i, h_i, w_i], fine to coarse, to levels [B, channels, h_i, w_i]."""
        levels = [conv(maps) for conv, maps in zip(self.convs, pyramid, strict=True)]
        for _ in range(self.extra):
            levels.append(F.max_pool2d(levels[-1], 2, stride=2))
        return levels
