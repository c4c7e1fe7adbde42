"""What the whole image shows, told to the regions (Chen et al., CVPR 2019, section 3.2)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_adapter.heads.precision import at_least_float32

from .conv_block import ConvBlock, kaiming_


class SemanticHead(nn.Module):
    """All levels at the size of one, summed; convolutions; class logits, and features for the regions (behaviour 153).

    Args:
        in_channels: Width of the levels.
        num_classes: Number of classes of the label map, stuff included.
        channels: Width inside.
        levels: Number of levels.
        fused: Index of the level whose size counts (1: stride 8).
        convolutions: Number of 3×3 convolutions.
        ignore_index: Label of pixels without a class.
        weight: Of the loss.
    """

    def __init__(
        self,
        in_channels: int = 256,
        num_classes: int = 183,
        channels: int = 256,
        *,
        levels: int = 5,
        fused: int = 1,
        convolutions: int = 4,
        ignore_index: int = 255,
        weight: float = 0.2,
    ) -> None:
        super().__init__()
        self.fused, self.ignore_index, self.weight = fused, ignore_index, weight
        self.laterals = nn.ModuleList(ConvBlock(in_channels, in_channels) for _ in range(levels))
        widths = [in_channels] + [channels] * (convolutions - 1)
        self.convs = nn.Sequential(*(ConvBlock(width, channels, 3) for width in widths))
        self.embedding = ConvBlock(channels, channels)
        self.classifier = nn.Conv2d(channels, num_classes, 1)
        kaiming_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)  # pyright: ignore

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Levels [B, C, h, w] to class logits and features, both at the size of the fused level."""
        size = levels[self.fused].shape[-2:]
        maps = [
            # Resized before the convolution, corners on corners.
            lateral(
                level
                if index == self.fused
                else F.interpolate(level, size=size, mode="bilinear", align_corners=True)
            )
            for index, (lateral, level) in enumerate(zip(self.laterals, levels, strict=True))
        ]
        features = self.convs(torch.stack(maps).sum(0))
        return at_least_float32(self.classifier(features)), self.embedding(features)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy over all pixels, those without a class included: [B, K, h, w], int64 [B, h, w] -> scalar."""
        total = F.cross_entropy(logits, labels, ignore_index=self.ignore_index, reduction="sum")
        return self.weight * total / labels.numel()
