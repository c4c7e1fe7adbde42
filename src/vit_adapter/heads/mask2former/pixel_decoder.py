"""From the backbone's pyramid to mask features at stride 4 and three maps for the transformer decoder.

Source: Cheng et al., CVPR 2022 (Mask2Former), section 3.2.1, with the deformable encoder of Zhu et al., ICLR 2021.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_adapter.config import InputError
from vit_adapter.ops import (
    DeformableAttention,
    all_parts,
    convolution,
    overwrites,
    pointwise,
    residual,
    resized_sum,
)

from .feedforward import FeedForward
from .position_code import map_position_code

LEVELS = 3
"""Maps that the encoder works on: strides 32, 16 and 8."""


class ConvGroupNorm(nn.Module):
    """Convolution and group norm (behaviour 39).

    Args:
        inputs: Input channels.
        outputs: Output channels.
        kernel: Side of the kernel in pixels; the map keeps its size.
        groups: Groups of the norm.
        bias: Whether the convolution has one.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, groups: int, bias: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=bias)
        self.norm = nn.GroupNorm(groups, outputs)

    def forward(self, maps: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H, W]."""
        # torch's own GroupNorm refuses a single value per group, which an image of 32x32 pixels gives narrow heads;
        # it becomes 0, as any constant group does.
        norm = self.norm
        wide = self.conv.kernel_size == (3, 3) and self.conv.bias is None
        convolved = convolution(maps, self.conv.weight) if wide else pointwise(maps, self.conv)
        return torch.group_norm(convolved, norm.num_groups, norm.weight, norm.bias, norm.eps)


class EncoderLayer(nn.Module):
    """All tokens of the three maps read each other's maps; each part is followed by a norm (behaviour 40).

    Args:
        channels: Width of the tokens.
        heads: Attention heads.
        points: Sampling points per head and level.
        hidden: Width inside the feed-forward part.
        grad_checkpointing: Recompute the feed-forward part in the backward pass.
    """

    def __init__(self, channels: int, heads: int, points: int, hidden: int, grad_checkpointing: bool) -> None:
        super().__init__()
        self.attention = DeformableAttention(channels, LEVELS, heads, points)
        self.attention_norm = nn.LayerNorm(channels)
        self.feedforward = FeedForward(channels, hidden, grad_checkpointing)
        self.feedforward_norm = nn.LayerNorm(channels)

    def forward(
        self, tokens: Tensor, positions: Tensor, reference: Tensor, shapes: Sequence[tuple[int, int]]
    ) -> Tensor:
        """One layer.

        Args:
            tokens: [B, S, C], level after level.
            positions: [1, S, C]; they are added to the queries alone (behaviour 41).
            reference: [1, S, 1, 2] centre of each token.
            shapes: (height, width) of every level.

        Returns:
            [B, S, C].
        """
        read = self.attention(tokens + positions, reference, tokens, shapes)
        makers = all_parts(self)
        tokens = self.attention_norm(residual(tokens, read, None, makers))
        return self.feedforward_norm(residual(tokens, self.feedforward(tokens), None, makers))


class PixelDecoder(nn.Module):
    """Encodes the three coarse maps together, then adds the fine one (behaviours 38 to 43).

    Args:
        in_channels: Widths of the pyramid's four maps, fine to coarse.
        channels: Width inside; a multiple of ``groups`` and of 4.
        mask_channels: Width of the mask features; a multiple of ``groups``.
        layers: Encoder layers.
        heads: Attention heads.
        feedforward: Width inside their feed-forward parts.
        points: Sampling points per head and level.
        groups: Groups of the group norms.
        float32_points: Reference points are float32 in every precision.
        grad_checkpointing: Recompute the feed-forward parts in the backward pass.

    Raises:
        InputError: The widths do not fit groups or heads, or there are not four maps.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int,
        mask_channels: int,
        layers: int,
        heads: int,
        feedforward: int,
        *,
        points: int = 4,
        groups: int = 32,
        float32_points: bool = False,
        grad_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.float32_points = float32_points
        if len(in_channels) != LEVELS + 1:
            raise InputError(f"in_channels={list(in_channels)}, expected the widths of {LEVELS + 1} maps")
        if channels % groups or channels % heads or channels % 4:
            raise InputError(
                f"mask2former.channels={channels}, expected a multiple of {groups} (norm groups) and of heads={heads}"
            )
        finest, *coarser = in_channels
        # Low resolution first: stride 32, 16, 8 (behaviour 38).
        self.input_projections = nn.ModuleList(
            ConvGroupNorm(width, channels, 1, groups, bias=True) for width in reversed(coarser)
        )
        self.level_embedding = nn.Parameter(torch.empty(LEVELS, channels))
        self.encoder = nn.ModuleList(
            EncoderLayer(channels, heads, points, feedforward, grad_checkpointing) for _ in range(layers)
        )
        self.lateral = ConvGroupNorm(finest, channels, 1, groups, bias=False)
        self.output = ConvGroupNorm(channels, channels, 3, groups, bias=False)
        self.mask_projection = nn.Conv2d(channels, mask_channels, 1)
        self._initialize()

    def _initialize(self) -> None:
        """Published start values (behaviours 51 and 54); layers start themselves."""
        nn.init.normal_(self.level_embedding)
        for projection in self.input_projections:
            nn.init.xavier_uniform_(projection.conv.weight)  # pyright: ignore
            nn.init.zeros_(projection.conv.bias)  # pyright: ignore
        for layer in (self.lateral.conv, self.output.conv, self.mask_projection):
            unit_gain_uniform(layer)

    def forward(self, pyramid: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Decodes a pyramid of any size.

        Args:
            pyramid: Four maps [B, C_i, h_i, w_i] at strides 4, 8, 16, 32.

        Returns:
            Maps [B, channels, h, w] at strides 32, 16, 8, in this order, and the mask features [B, mask_channels,
            h_0, w_0] at stride 4.
        """
        finest, *coarser = pyramid
        maps = [
            project(level) for project, level in zip(self.input_projections, reversed(coarser), strict=True)
        ]
        shapes = [(level.shape[-2], level.shape[-1]) for level in maps]
        # [B, C, h, w] -> [B, h*w, C], level after level
        tokens = torch.cat([level.flatten(2).transpose(1, 2) for level in maps], dim=1)
        positions = torch.cat(
            [map_position_code(level) + row for level, row in zip(maps, self.level_embedding, strict=True)],
            dim=1,
        )  # [1, S, C]
        reference = self.reference_points(shapes, tokens.float() if self.float32_points else tokens)
        for layer in self.encoder:
            tokens = layer(tokens, positions, reference, shapes)
        # [B, S, C] -> [B, C, h, w] of each level
        encoded = [
            part.transpose(1, 2).unflatten(2, shape)
            for part, shape in zip(tokens.split([h * w for h, w in shapes], dim=1), shapes, strict=True)
        ]
        fine = resized_sum(self.lateral(finest), encoded[-1], False, all_parts(self.lateral))
        fine = self.output(fine)
        fine = F.relu(fine, inplace=overwrites(fine, *all_parts(self.output)))
        return encoded, pointwise(fine, self.mask_projection)

    @staticmethod
    def reference_points(shapes: Sequence[tuple[int, int]], tokens: Tensor) -> Tensor:
        """Centre (x, y) of each token in 0..1, the same for all levels (behaviour 42).

        Args:
            shapes: (height, width) of every level.
            tokens: Gives device and precision; positions are never coarser than float32.

        Returns:
            [1, S, 1, 2].
        """
        dtype = torch.promote_types(tokens.dtype, torch.float32)
        points = []
        for height, width in shapes:
            y = (torch.arange(height, dtype=dtype, device=tokens.device) + 0.5) / height
            x = (torch.arange(width, dtype=dtype, device=tokens.device) + 0.5) / width
            grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1)  # [h, w, 2], (x, y)
            points.append(grid.flatten(0, 1))
        return torch.cat(points)[None, :, None]


def unit_gain_uniform(convolution: nn.Conv2d) -> None:
    """Uniform within sqrt(3 / fan-in), bias 0 (behaviour 51)."""
    nn.init.kaiming_uniform_(convolution.weight, a=1)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
