"""The attention module of injectors and extractors, and of Mask2Former's pixel decoder."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vit_adapter.config import InputError

from .deformable_attention import OPERATOR
from .levels import check_levels


class DeformableAttention(nn.Module):
    """Queries read value maps at learnt offsets from their reference points (Deformable DETR, equation 3).

    Args:
        dim: Width of queries and value tokens.
        levels: Number of value maps.
        heads: Number of attention heads.
        points: Sampling points per head and level.
        ratio: Width of the sampled values relative to ``dim`` (ViT-Adapter, section 4.1: 0.5 for wide models).

    Raises:
        InputError: The sampled width does not divide by the number of heads.
    """

    def __init__(self, dim: int, levels: int, heads: int = 8, points: int = 4, ratio: float = 1.0) -> None:
        super().__init__()
        value_dim = int(dim * ratio)
        if value_dim % heads or value_dim == 0:
            raise InputError(
                f"deform_heads={heads} does not divide the sampled width {value_dim} (width {dim} × deform_ratio "
                f"{ratio}); take a divisor of {value_dim}"
            )
        self.levels, self.heads, self.points = levels, heads, points
        self.sampling_offsets = nn.Linear(dim, heads * levels * points * 2)
        self.attention_weights = nn.Linear(dim, heads * levels * points)
        self.value_projection = nn.Linear(dim, value_dim)
        self.output_projection = nn.Linear(value_dim, dim)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Head h looks in direction 2πh/heads, point k at k pixels; all weights equal (behaviour 24)."""
        angles = torch.arange(self.heads, dtype=torch.float32) * (2 * math.pi / self.heads)
        directions = torch.stack([angles.cos(), angles.sin()], dim=-1)  # [M, 2]
        directions = directions / directions.abs().amax(dim=-1, keepdim=True)
        distances = torch.arange(1, self.points + 1, dtype=torch.float32)
        offsets = directions[:, None, None, :] * distances[:, None]  # [M, 1, P, 2]
        nn.init.zeros_(self.sampling_offsets.weight)
        self.sampling_offsets.bias.copy_(offsets.expand(-1, self.levels, -1, -1).reshape(-1))
        nn.init.zeros_(self.attention_weights.weight)
        nn.init.zeros_(self.attention_weights.bias)
        for projection in (self.value_projection, self.output_projection):
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)

    def forward(
        self,
        query: Tensor,
        reference: Tensor,
        tokens: Tensor,
        shapes: Sequence[tuple[int, int]],
        padding: Tensor | None = None,
    ) -> Tensor:
        """Reads ``tokens`` for every query.

        Args:
            query: [B, Q, dim].
            reference: [1 or B, Q, 1 or L, 2] points (x, y) in 0..1, or [..., 4] boxes (centre x, y, width,
                height).
            tokens: [B, S, dim], level after level.
            shapes: (height, width) of every level.
            padding: [B, S], true where a token is padding and its value is zero; None: nowhere.

        Returns:
            [B, Q, dim].
        """
        value = self.value_projection(tokens)
        if padding is not None:
            value = value.masked_fill(padding[..., None], 0.0)
        return self.read(query, reference, value, shapes)

    def read(
        self, query: Tensor, reference: Tensor, value: Tensor, shapes: Sequence[tuple[int, int]]
    ) -> Tensor:
        """The same of values [B, S, heads * D] that are projected already."""
        batch, queries, _ = query.shape
        value = value.view(batch, value.shape[1], self.heads, -1)

        # Queries may hold positions in float32 where the weights are of half precision.
        query = query.to(self.sampling_offsets.weight.dtype)
        offsets = self.sampling_offsets(query)
        offsets = offsets.view(batch, queries, self.heads, self.levels, self.points, 2)
        weights = self.attention_weights(query).view(batch, queries, self.heads, self.levels, self.points)

        return self.output_projection(self._sample(value, offsets, weights, reference, shapes))

    def _sample(
        self,
        value: Tensor,
        offsets: Tensor,
        logits: Tensor,
        reference: Tensor,
        shapes: Sequence[tuple[int, int]],
    ) -> Tensor:
        """Samples around the reference points: [B, S, M, D], [B, Q, M, L, P, 2], [B, Q, M, L, P] -> [B, Q, M * D]."""
        check_levels(value, shapes, self.levels)
        if reference.shape[-1] == 2:
            return OPERATOR(value, shapes, offsets, logits, reference)
        # A box spreads its points over half its size on either side of the centre (behaviour 1).
        boxes = reference[:, :, None, :, None, :]  # [B, Q, 1, L, 1, 4]
        dtype = torch.promote_types(value.dtype, torch.float32)
        locations = boxes[..., :2] + offsets.to(dtype) / self.points * boxes[..., 2:] * 0.5
        weights = logits.to(dtype).flatten(3).softmax(-1).view(logits.shape)
        return OPERATOR(value, shapes, locations, weights)
