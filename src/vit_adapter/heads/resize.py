"""The only resize of maps in heads and losses."""

import torch.nn.functional as F
from torch import Tensor


def resize_maps(maps: Tensor, size: tuple[int, int], align_corners: bool = False) -> Tensor:
    """[B, C, h, w] -> [B, C, *size], bilinear, without antialias, also when shrinking (behaviour 34)."""
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=align_corners)
