"""What a box holds, pixel by pixel (He et al., ICCV 2017, section 3)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import roi_align

from vit_adapter.heads.precision import at_least_float32

from .conv_block import NO_NORM, BlockNorm, ConvBlock, kaiming_


class MaskHead(nn.Module):
    """Four 3×3 convolutions, a transposed one that doubles the size, and logits for each class.

    Args:
        in_channels: Width of the region features.
        num_classes: Number of classes K.
        channels: Width inside.
        convolutions: Number of 3×3 convolutions.
        norm: Of these convolutions.
        takes_features: Whether features of the mask head before are added through a 1×1 convolution (HTC).
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        channels: int = 256,
        convolutions: int = 4,
        *,
        norm: BlockNorm = NO_NORM,
        takes_features: bool = False,
    ) -> None:
        super().__init__()
        widths = [in_channels] + [channels] * (convolutions - 1)
        self.convs = nn.Sequential(*(ConvBlock(width, channels, 3, norm) for width in widths))
        self.upsample = nn.ConvTranspose2d(channels, channels, 2, stride=2)
        self.classifier = nn.Conv2d(channels, num_classes, 1)
        self.previous = ConvBlock(channels, in_channels) if takes_features else None
        for module in (self.upsample, self.classifier):
            kaiming_(module.weight)
            nn.init.zeros_(module.bias)  # pyright: ignore

    def features(self, regions: Tensor, before: Tensor | None = None) -> Tensor:
        """What the logits are made of, and the next head in a chain takes.

        Args:
            regions: [N, in_channels, s, s].
            before: [N, channels, s, s] features of the head before; only for a head that takes them.

        Returns:
            [N, channels, s, s].
        """
        if before is not None:
            assert self.previous is not None
            regions = regions + self.previous(before)
        return self.convs(regions)

    def logits(self, features: Tensor) -> Tensor:
        """[N, channels, s, s] -> [N, num_classes, 2 s, 2 s]."""
        return at_least_float32(self.classifier(F.relu(self.upsample(features))))

    def forward(self, regions: Tensor, before: Tensor | None = None) -> Tensor:
        """Logits [N, num_classes, 2 s, 2 s]; see ``features``."""
        return self.logits(self.features(regions, before))


def mask_loss(logits: Tensor, masks: Tensor, classes: Tensor) -> Tensor:
    """Binary cross entropy of the masks of the right class, the mean over all their pixels.

    Args:
        logits: [N, K, h, w].
        masks: [N, h, w], 0 or 1.
        classes: int64 [N].

    Returns:
        Scalar; 0, with zero gradients, without boxes.
    """
    own = logits[torch.arange(len(classes), device=logits.device), classes]
    if not len(classes):
        return own.sum()
    return F.binary_cross_entropy_with_logits(own, masks.to(own))


@torch.no_grad()
def mask_targets(
    boxes: Sequence[Tensor], objects: Sequence[Tensor], masks: Sequence[Tensor], side: int
) -> Tensor:
    """What mask heads learn: the annotated masks inside the boxes (behaviour 151).

    Args:
        boxes: [N_b, 4] of each image, xyxy in pixels.
        objects: int64 [N_b] of each image: whose mask.
        masks: bool [M_b, H, W] of each image.
        side: Side s of the result.

    Returns:
        [N, s, s] of the boxes' type, 0 or 1.
    """
    parts = [
        soft_mask_targets(part, index, image_masks, side)
        for part, index, image_masks in zip(boxes, objects, masks, strict=True)
    ]
    return (torch.cat(parts) >= 0.5).to(boxes[0])


def soft_mask_targets(boxes: Tensor, objects: Tensor, masks: Tensor, side: int) -> Tensor:
    """The shares of ``mask_targets`` in one image before they are rounded: [N, 4], [N], [M, H, W] -> [N, s, s]."""
    if not len(boxes):
        return boxes.new_zeros(0, side, side)
    height, width = masks.shape[-2:]
    boxes = torch.stack([boxes[:, 0::2].clamp(0, width), boxes[:, 1::2].clamp(0, height)], -1).flatten(1)
    regions = torch.cat([torch.arange(len(boxes), device=boxes.device)[:, None].to(boxes), boxes], 1)
    return roi_align(masks[objects][:, None].to(boxes), regions, side, 1.0, 0, aligned=True)[:, 0]
