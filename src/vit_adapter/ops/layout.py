"""The order in which maps lie in memory."""

import torch
from torch import Tensor

from .operator import Operator, is_traced, overwrites


def _plain(maps: Tensor) -> Tensor:
    """Brings maps into the memory order that what follows reads fastest; the same maps where they have it.

    Args:
        maps: [B, C, H, W].
    """
    return maps.contiguous()


def _choose(maps: Tensor) -> str:
    # After a view of the tokens of one image, batch norm's backward pass is wrong (behaviour 23).
    trained = len(maps) > 1 and maps.device.type == "cpu" and not is_traced()
    return "channels_last" if trained or overwrites(maps) else "reference"


memory_layout = Operator(
    "memory_layout",
    _plain,
    _choose,
    rule="channels_last on the CPU in inference, and for several images; else reference",
)
memory_layout.form("channels_last")(lambda maps: maps.contiguous(memory_format=torch.channels_last))


def _tokens_of_map(maps: Tensor) -> Tensor:
    """A map as tokens, rows first.

    Args:
        maps: [B, C, H, W].

    Returns:
        [B, H * W, C].
    """
    return maps.flatten(2).transpose(1, 2)


map_tokens = Operator(
    "map_tokens",
    _tokens_of_map,
    lambda maps: "reference" if is_traced() else "rows",
    rule="rows everywhere, reference when traced",
)
map_tokens.form("rows")(lambda maps: _tokens_of_map(maps).contiguous())
