"""Features of boxes, cut out of the level of a pyramid that fits their size (Lin et al., CVPR 2017, equation 1)."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.ops import roi_align

FINEST = 56
"""Boxes whose side, the square root of their area, is below twice this are read at the finest level."""


def region_levels(boxes: Tensor, levels: int, finest: int = FINEST) -> Tensor:
    """Level of each box: [N, 4] xyxy in pixels -> int64 [N], 0..levels - 1."""
    sides = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt()
    return (sides / finest + 1e-6).log2().floor().clamp(0, levels - 1).long()


def as_regions(boxes: Sequence[Tensor]) -> Tensor:
    """Boxes [N_b, 4] of each image as [N, 5]: index of the image, xyxy."""
    numbers = torch.cat([part.new_full((len(part), 1), index) for index, part in enumerate(boxes)])
    return torch.cat([numbers, torch.cat(list(boxes))], 1)


def region_features(
    pyramid: Sequence[Tensor],
    boxes: Sequence[Tensor],
    strides: Sequence[int],
    side: int,
    samples: int = 0,
    finest: int = FINEST,
) -> Tensor:
    """Features of boxes by RoIAlign (He et al., ICCV 2017), without gradients for the boxes (behaviour 149).

    A sample more than one pixel outside its map counts as zero, one that is less takes the border's value.

    Args:
        pyramid: Maps [B, C, h, w], fine to coarse.
        boxes: Of each image [N_b, 4] xyxy in pixels; they may leave the image, or be empty.
        strides: Pixels of a cell, level by level.
        side: Side s of the result's grid.
        samples: Samples a bin has along each axis; 0: as many as its side has pixels of the map, rounded up.
        finest: See ``FINEST``.

    Returns:
        [N, C, s, s], image by image.
    """
    # Coordinates and samples do not fit half precision.
    pyramid = [maps.to(torch.promote_types(maps.dtype, torch.float32)) for maps in pyramid]
    regions = as_regions(boxes).detach().to(pyramid[0].dtype)  # [N, 5]
    everything = torch.cat(list(boxes)).detach()
    levels = region_levels(everything, len(strides), finest)
    features = pyramid[0].new_zeros(len(regions), pyramid[0].shape[1], side, side)
    if torch.compiler.is_exporting():
        # Exported programs read every region at every level, and keep one: their sizes are not to depend on values.
        for level, (maps, stride) in enumerate(zip(pyramid, strides, strict=False)):
            read = roi_align(maps, regions, side, 1 / stride, samples, aligned=True)
            features = torch.where((levels == level)[:, None, None, None], read, features)
        return features
    for level, (maps, stride) in enumerate(zip(pyramid, strides, strict=False)):
        own = (levels == level).nonzero()[:, 0]
        if len(own):
            read = roi_align(maps, regions[own], side, 1 / stride, samples, aligned=True)
            features = features.index_copy(0, own, read.to(features.dtype))
        else:
            features = (
                features + 0 * maps.sum()
            )  # its gradient is zero, not missing: all processes need the same ones
    return features
