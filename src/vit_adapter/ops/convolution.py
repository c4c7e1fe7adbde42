"""3×3 convolutions, direct or by Winograd's minimal filtering."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .operator import Operator, is_traced
from .precision import autocast_type
from .winograd import winograd_convolution

LEAST_WORK = 1 << 17
"""Pixels times channels from which on tiles pay: as fast as the direct convolution at 16×16 pixels of 512 channels."""


def _reference(maps: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolves with 3×3 kernels, padded with zeros by one pixel.

    Args:
        maps: [B, C, H, W].
        weight: [D, C, 3, 3].
        bias: [D]; None: zeros.

    Returns:
        [B, D, H, W], differentiable in all.
    """
    return F.conv2d(maps, weight, bias, padding=1)


def _choose(maps: Tensor, weight: Tensor, bias: Tensor | None = None) -> str:
    if is_traced() or maps.device.type != "cpu":
        return "reference"
    exact = maps.dtype == torch.float32 and autocast_type(maps) in (None, torch.float32)
    width = min(weight.shape[0], weight.shape[1])
    # Transformed kernels have four times the size of the kernels; few pixels do not repay making them.
    pixels = maps.shape[0] * maps.shape[2] * maps.shape[3]
    pays = width >= 128 and width * pixels > LEAST_WORK
    return "winograd" if exact and pays else "reference"


convolution = Operator(
    "convolution",
    _reference,
    _choose,
    rule="winograd on the CPU in float32, from 128 channels and 131072 values on; reference elsewhere and when traced",
)


@convolution.form("winograd")
def _winograd(maps: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    kind, half = torch.promote_types(maps.dtype, torch.float32), autocast_type(maps)
    with torch.autocast(maps.device.type, enabled=False):
        output = winograd_convolution(maps.to(kind), weight.to(kind), None if bias is None else bias.to(kind))
        return output.to(half or maps.dtype)
