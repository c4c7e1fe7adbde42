"""The order in which maps lie in memory."""

import torch
from torch import Tensor

from .operator import Operator, overwrites


def _plain(maps: Tensor) -> Tensor:
    """Brings maps into the memory order that what follows reads fastest; the same maps where they have it.

    Args:
        maps: [B, C, H, W].
    """
    return maps.contiguous()


memory_layout = Operator(
    "memory_layout",
    _plain,
    lambda maps: "channels_last" if overwrites(maps) else "reference",
    rule="channels_last in inference on the CPU, else reference",
)
memory_layout.form("channels_last")(lambda maps: maps.contiguous(memory_format=torch.channels_last))
