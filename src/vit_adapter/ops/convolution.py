"""3×3 convolutions, direct or by Winograd's minimal filtering."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .operator import Operator, is_traced
from .precision import autocast_type
from .winograd import winograd_convolution


def _reference(maps: Tensor, weight: Tensor) -> Tensor:
    """Convolves with 3×3 kernels, padded with zeros by one pixel.

    Args:
        maps: [B, C, H, W].
        weight: [D, C, 3, 3].

    Returns:
        [B, D, H, W], differentiable in both.
    """
    return F.conv2d(maps, weight, padding=1)


def _choose(maps: Tensor, weight: Tensor) -> str:
    if is_traced() or maps.device.type != "cpu":
        return "reference"
    exact = maps.dtype == torch.float32 and autocast_type(maps) in (None, torch.float32)
    wide = min(weight.shape[0], weight.shape[1]) >= 128
    return "winograd" if exact and wide and maps.shape[-2] * maps.shape[-1] >= 1024 else "reference"


convolution = Operator(
    "convolution",
    _reference,
    _choose,
    rule="winograd on the CPU in float32, from 1024 pixels and 128 channels on; reference elsewhere and when traced",
)


@convolution.form("winograd")
def _winograd(maps: Tensor, weight: Tensor) -> Tensor:
    kind = torch.promote_types(maps.dtype, torch.float32)
    with torch.autocast(maps.device.type, enabled=False):
        return winograd_convolution(maps.to(kind), weight.to(kind)).to(autocast_type(maps) or maps.dtype)
