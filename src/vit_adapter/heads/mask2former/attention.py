"""Ordinary attention of the transformer decoder."""

import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head attention whose query, key and value projections lie in one matrix, as in the published files.

    Args:
        channels: Width of all tokens.
        heads: Number of heads; divides ``channels``.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_projection = nn.Linear(channels, 3 * channels)
        self.output_projection = nn.Linear(channels, channels)
        # The packed matrix counts as one, so it starts smaller than three of its own would (behaviour 53).
        for projection in (self.in_projection, self.output_projection):
            nn.init.xavier_normal_(projection.weight)
            nn.init.zeros_(projection.bias)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, blocked: Tensor | None = None) -> Tensor:
        """Reads values.

        Args:
            query: [B, Q, C].
            key: [B, S, C].
            value: [B, S, C].
            blocked: bool [B, Q, S], true where a query must not look; the same for all heads. No row may be blocked
                everywhere. None: nowhere.

        Returns:
            [B, Q, C].
        """
        weights = self.in_projection.weight.chunk(3)
        biases = self.in_projection.bias.chunk(3)
        parts = []
        for tokens, weight, bias in zip((query, key, value), weights, biases, strict=True):
            # [B, N, C] -> [B, heads, N, C / heads]
            # Positions are float32 also where the weights are not; under autocast the weights are float32 too.
            projected = F.linear(tokens.to(weight.dtype), weight, bias)
            parts.append(projected.unflatten(2, (self.heads, -1)).transpose(1, 2))
        allowed = None if blocked is None else ~blocked[:, None]
        read = F.scaled_dot_product_attention(*parts, attn_mask=allowed)
        return self.output_projection(read.transpose(1, 2).flatten(2))
