"""One stage of Sparse R-CNN: proposals talk to each other and read their regions (Sun et al., CVPR 2021)."""

import math

from torch import Tensor, nn

from ..mask2former.attention import Attention
from ..mask2former.feedforward import FeedForward
from .dynamic_convolution import DynamicConvolution

OBJECT_PRIOR = 0.01
"""Probability of an object that the class scores start from."""


class SparseStage(nn.Module):
    """Self-attention, dynamic convolution, feed-forward part, and a tower each for classes and boxes.

    Args:
        num_classes: Number of classes K; no column for background.
        channels: Width C of proposal and region features.
        heads: Attention heads.
        hidden: Width inside the feed-forward part.
        dynamic_channels: Width between the matrices of the dynamic convolution.
        side: Side s of a region's grid.
        class_layers: Length of the class tower.
        box_layers: Length of the box tower.
    """

    def __init__(
        self,
        num_classes: int,
        channels: int = 256,
        heads: int = 8,
        hidden: int = 2048,
        dynamic_channels: int = 64,
        side: int = 7,
        class_layers: int = 1,
        box_layers: int = 3,
    ) -> None:
        super().__init__()
        self.attention = Attention(channels, heads)
        self.attention_norm = nn.LayerNorm(channels)
        self.interaction = DynamicConvolution(channels, dynamic_channels, channels, side)
        self.interaction_norm = nn.LayerNorm(channels)
        self.feedforward = FeedForward(channels, hidden)
        self.feedforward_norm = nn.LayerNorm(channels)
        self.class_tower = _tower(channels, class_layers)
        self.box_tower = _tower(channels, box_layers)
        self.classifier = nn.Linear(channels, num_classes)
        self.box_output = nn.Linear(channels, 4)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier uniform matrices; boxes start unchanged, class scores from a rare object."""
        for parameter in self.parameters():
            if parameter.ndim > 1:  # the packed attention matrix counts as one
                nn.init.xavier_uniform_(parameter)
        nn.init.zeros_(self.box_output.bias)
        nn.init.constant_(self.classifier.bias, -math.log((1 - OBJECT_PRIOR) / OBJECT_PRIOR))

    def forward(self, proposals: Tensor, regions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Refines proposals.

        Args:
            proposals: [B, P, C] features.
            regions: [B P, C, s, s] features of their regions.

        Returns:
            Class logits [B, P, K], box offsets [B, P, 4], features for the next stage [B, P, C], and those after
            the attention [B, P, C].
        """
        attended = self.attention_norm(proposals + self.attention(proposals, proposals, proposals))
        read = self.interaction(attended.flatten(0, 1), regions).reshape_as(attended)
        features = self.interaction_norm(attended + read)
        features = self.feedforward_norm(features + self.feedforward(features))
        logits = self.classifier(self.class_tower(features))
        return logits, self.box_output(self.box_tower(features)), features, attended


def _tower(channels: int, layers: int) -> nn.Sequential:
    """Linear without bias, layer norm and ReLU, several times."""
    parts: list[nn.Module] = []
    for _ in range(layers):
        parts += [nn.Linear(channels, channels, bias=False), nn.LayerNorm(channels), nn.ReLU(inplace=True)]
    return nn.Sequential(*parts)
