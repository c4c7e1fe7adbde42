"""A plain convolutional head on one map: the auxiliary head of the published UperNet models."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vit_adapter.ops import NormKind

from .convolution import ConvNormReLU, make_classifier
from .pixel_head import PixelHead


class FCNHead(PixelHead):
    """3×3 convolutions on one level, then class scores (behaviour 33).

    Args:
        in_channels: Width of that map.
        channels: Width inside.
        num_classes: Number of classes.
        level: Index of the map in the pyramid; 2 is stride 16.
        num_convs: Number of convolutions; 0: none.
        concat_input: Put the input beside their output and merge both with one more 3×3 convolution.
        dropout: Share of whole channels dropped before the scores, 0..1.
        norm: "batch" or "group".
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        num_classes: int,
        level: int = 2,
        num_convs: int = 1,
        concat_input: bool = False,
        dropout: float = 0.1,
        norm: NormKind = "batch",
    ) -> None:
        super().__init__()
        self.level = level
        widths = [in_channels] + [channels] * num_convs
        self.convs = nn.Sequential(
            *(ConvNormReLU(before, after, 3, norm) for before, after in itertools.pairwise(widths))
        )
        self.concatenation = None
        if concat_input:
            self.concatenation = ConvNormReLU(in_channels + widths[-1], channels, 3, norm)
        self.dropout = nn.Dropout2d(dropout)
        self.classifier = make_classifier(channels if concat_input or num_convs else in_channels, num_classes)

    def forward(self, pyramid: Sequence[Tensor]) -> Tensor:
        """[B, in_channels, h, w] at ``level`` of the pyramid -> logits [B, num_classes, h, w]."""
        maps = pyramid[self.level]
        features = self.convs(maps)
        if self.concatenation is not None:
            features = self.concatenation(torch.cat([maps, features], dim=1))
        return self.classifier(self.dropout(features))
