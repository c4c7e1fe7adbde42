"""Queries that become segments: masked attention to the encoded maps (Mask2Former, section 3.2)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_adapter.config import InputError

from .attention import Attention
from .attention_masks import BLOCKED, MaskFeatures
from .feedforward import FeedForward
from .pixel_decoder import LEVELS, unit_gain_uniform
from .position_code import map_position_code


@dataclass
class Predictions:
    """What the queries predict before the first layer and after each one: layers + 1 sets, or the last alone.

    Attributes:
        classes: Logits [B, Q, K + 1] of every set; the last column is "no object".
        masks: Logits [B, Q, h, w] of every set, at stride 4.
        attention_masks: bool [B, Q, S], true where a query must not look: what the set before a layer
            blocks in it, rows that are blocked everywhere still so.
    """

    classes: list[Tensor] = field(default_factory=list)
    masks: list[Tensor] = field(default_factory=list)
    attention_masks: list[Tensor] = field(default_factory=list)


class DecoderLayer(nn.Module):
    """Queries read one map where their masks are, then each other (behaviour 45).

    Args:
        channels: Width of queries and maps.
        heads: Attention heads.
        hidden: Width inside the feed-forward part.
        grad_checkpointing: Recompute the feed-forward part in the backward pass.
    """

    def __init__(self, channels: int, heads: int, hidden: int, grad_checkpointing: bool) -> None:
        super().__init__()
        self.cross_attention = Attention(channels, heads)
        self.cross_attention_norm = nn.LayerNorm(channels)
        self.self_attention = Attention(channels, heads)
        self.self_attention_norm = nn.LayerNorm(channels)
        self.feedforward = FeedForward(channels, hidden, grad_checkpointing)
        self.feedforward_norm = nn.LayerNorm(channels)

    def forward(
        self, queries: Tensor, positions: Tensor, keys: Tensor, values: Tensor, blocked: Tensor
    ) -> Tensor:
        """One layer.

        Args:
            queries: [B, Q, C].
            positions: [1, Q, C], the queries' learnt positions.
            keys: [B, S, C], tokens of the map with their positions.
            values: [B, S, C], the same without.
            blocked: bool [B, Q, S]; rows that are blocked everywhere are opened.

        Returns:
            [B, Q, C].
        """
        # A query that may look nowhere looks everywhere (behaviour 49); a softmax over nothing would be NaN.
        blocked = blocked & ~blocked.all(-1, keepdim=True)
        queries = self.cross_attention_norm(
            queries + self.cross_attention(queries + positions, keys, values, blocked)
        )
        placed = queries + positions
        queries = self.self_attention_norm(queries + self.self_attention(placed, placed, queries))
        return self.feedforward_norm(queries + self.feedforward(queries))


class MaskEmbedding(nn.Sequential):
    """Three linear maps, ReLU between them: a query to the vector that its mask is read with (behaviour 47).

    Args:
        channels: Width of the queries.
        mask_channels: Width of the mask features.
    """

    def __init__(self, channels: int, mask_channels: int) -> None:
        super().__init__(
            nn.Linear(channels, channels), nn.Linear(channels, channels), nn.Linear(channels, mask_channels)
        )

    def forward(self, input: Tensor) -> Tensor:
        """[B, Q, channels] -> [B, Q, mask_channels]."""
        first, second, last = self
        return last(F.relu(second(F.relu(first(input)))))


class TransformerDecoder(nn.Module):
    """Learnt queries, layers, and the two heads that they share (behaviours 44 to 49).

    Args:
        num_classes: Number of classes K.
        channels: Width of queries and maps.
        mask_channels: Width of the mask features.
        queries: Number of queries.
        layers: Number of layers.
        heads: Attention heads; divides ``channels``.
        feedforward: Width inside the feed-forward parts.
        project_inputs: 1×1 convolutions on the maps first; the published models have none.
        grad_checkpointing: Recompute the feed-forward parts in the backward pass.

    Raises:
        InputError: The width does not divide by the heads.
    """

    def __init__(
        self,
        num_classes: int,
        channels: int,
        mask_channels: int,
        queries: int,
        layers: int,
        heads: int,
        feedforward: int,
        *,
        project_inputs: bool = False,
        grad_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if channels % heads:
            raise InputError(f"mask2former.heads={heads}, expected a divisor of channels={channels}")
        self.input_projections = nn.ModuleList(
            nn.Conv2d(channels, channels, 1) if project_inputs else nn.Identity() for _ in range(LEVELS)
        )
        self.level_embedding = nn.Parameter(torch.empty(LEVELS, channels))
        self.query_content = nn.Parameter(torch.empty(queries, channels))
        self.query_positions = nn.Parameter(torch.empty(queries, channels))
        self.layers = nn.ModuleList(
            DecoderLayer(channels, heads, feedforward, grad_checkpointing) for _ in range(layers)
        )
        self.prediction_norm = nn.LayerNorm(channels)
        # These two start as PyTorch's linear layers, without a bias towards "no object" (behaviour 54).
        self.classifier = nn.Linear(channels, num_classes + 1)
        self.mask_embedding = MaskEmbedding(channels, mask_channels)
        for table in (self.level_embedding, self.query_content, self.query_positions):
            nn.init.normal_(table)
        for projection in self.input_projections:
            if isinstance(projection, nn.Conv2d):
                unit_gain_uniform(projection)

    def forward(
        self,
        maps: Sequence[Tensor],
        mask_features: Tensor,
        attention_masks: Sequence[Tensor] | None = None,
        last_only: bool = False,
    ) -> Predictions:
        """Predicts classes and masks of all queries.

        Args:
            maps: [B, C, h, w] at strides 32, 16, 8, in this order.
            mask_features: [B, mask_channels, H, W].
            attention_masks: What to block in each layer instead of what the predictions say, as ``Predictions``
                has it.
            last_only: Of classes and masks the last set alone, which is all that prediction needs.

        Returns:
            All sets, from the first to the last.
        """
        keys, values = [], []
        for level, project, row in zip(maps, self.input_projections, self.level_embedding, strict=True):
            tokens = project(level).flatten(2).transpose(1, 2) + row  # [B, C, h, w] -> [B, h*w, C]
            values.append(tokens)
            keys.append(tokens + map_position_code(level))
        queries = self.query_content.expand(
            mask_features.shape[0], -1, -1
        )  # [B, Q, C]; the batch may be a symbol
        positions = self.query_positions[None]

        sizes = [(level.shape[-2], level.shape[-1]) for level in maps]
        features, predictions = MaskFeatures(mask_features, sizes), Predictions()
        for index, layer in enumerate(self.layers):
            level = index % LEVELS
            # The norm is for the prediction alone; the layer gets the queries without it (behaviour 46).
            normed = self.prediction_norm(queries)
            embedding = self.mask_embedding(normed)
            masks = None
            if not last_only:
                masks = features.masks(embedding)
                predictions.classes.append(self.classifier(normed))
                predictions.masks.append(masks)
            if attention_masks is None:
                # Nothing flows back through a threshold. Exported programs cannot hold no_grad, so all is detached.
                seen = None if masks is None else masks.detach()
                blocked = BLOCKED(embedding.detach(), features, level, seen)
            else:
                blocked = attention_masks[index]
            predictions.attention_masks.append(blocked)
            queries = layer(queries, positions, keys[level], values[level], blocked)
        normed = self.prediction_norm(queries)
        predictions.classes.append(self.classifier(normed))
        predictions.masks.append(features.masks(self.mask_embedding(normed)))
        return predictions
