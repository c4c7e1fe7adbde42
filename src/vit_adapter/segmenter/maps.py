"""What a backbone says about its maps, and what it returns; a custom one may do neither as expected."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from vit_adapter.config import HeadConfig, InputError
from vit_adapter.heads import maps_taken


def map_widths(backbone: nn.Module, head: HeadConfig) -> tuple[int, ...]:
    """Widths of a backbone's maps, fine to coarse, for a head.

    Raises:
        InputError: The backbone does not state them, or has too few maps.
    """
    name, channels = type(backbone).__name__, getattr(backbone, "channels", None)
    expected = "expected the widths of its maps, fine to coarse, such as channels = (256, 256, 256, 256)"
    if channels is None:
        raise InputError(f"the backbone {name} has no attribute 'channels': {expected}")
    if not isinstance(channels, Sequence) or not all(isinstance(width, int) for width in channels):
        raise InputError(f"the backbone {name} has channels={channels!r}: {expected}")
    least, most = maps_taken(head)
    if not least <= len(channels) <= most:
        remedy = " (fewer with auxiliary=False)" if len(channels) < least and least == 3 else ""
        raise InputError(
            f"the backbone {name} has {len(channels)} maps, head {head.kind!r} needs {least}{remedy}"
        )
    return tuple(channels)


def checked_maps(pyramid: Any, backbone: nn.Module) -> list[Tensor]:
    """A backbone's output as a list of maps.

    Raises:
        InputError: It is something else, such as a single tensor.
    """
    if isinstance(pyramid, (list, tuple)):
        return list(pyramid)
    raise InputError(
        f"the backbone {type(backbone).__name__} gives a {type(pyramid).__name__}, expected a list of maps "
        "[B, C, H, W], fine to coarse"
    )
