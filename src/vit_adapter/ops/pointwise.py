"""1×1 convolutions."""

import torch.nn.functional as F
from torch import Tensor, nn

from .operator import Operator, overwrites

LEAST_OUTPUTS = 8
"""Fewer channels are handled faster in plain memory order by what follows, such as a resize of class scores."""


def _reference(maps: Tensor, layer: nn.Module) -> Tensor:
    """Applies a convolution of 1×1 kernels.

    Args:
        maps: [B, C, H, W].
        layer: Any module from maps to maps.

    Returns:
        [B, D, H, W].
    """
    return layer(maps)


def _is_product(layer: nn.Module) -> bool:
    if type(layer) is not nn.Conv2d or layer.padding_mode != "zeros":
        return False
    return (layer.kernel_size, layer.stride, layer.padding, layer.groups) == ((1, 1), (1, 1), (0, 0), 1)


def _choose(maps: Tensor, layer: nn.Module) -> str:
    if not _is_product(layer) or not overwrites(maps, layer):
        return "reference"
    wide = isinstance(layer, nn.Conv2d) and layer.out_channels >= LEAST_OUTPUTS
    return "product" if wide and maps.permute(0, 2, 3, 1).is_contiguous() else "reference"


pointwise = Operator(
    "pointwise",
    _reference,
    _choose,
    rule="product in inference on the CPU in channels-last memory, from 8 outputs on; else reference",
)


@pointwise.form("product")
def _product(maps: Tensor, layer: nn.Module) -> Tensor:
    """A product of matrices; torch's convolution would bring maps into plain memory order first."""
    if not _is_product(layer):
        raise ValueError(f"the form product computes 1×1 convolutions, not {layer}")
    assert isinstance(layer, nn.Conv2d)
    return F.linear(maps.permute(0, 2, 3, 1), layer.weight.flatten(1), layer.bias).permute(0, 3, 1, 2)
