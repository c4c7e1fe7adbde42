"""The normalisation of convolutional parts."""

import math
from typing import Literal

from torch import nn

from vit_adapter.config import InputError

NormKind = Literal["batch", "group"]


def make_norm(kind: NormKind, channels: int) -> nn.Module:
    """Batch norm as published (rule 28), or group norm of up to 32 groups, which works for batches of one.

    A group has two channels at least: on a map of one pixel, a single value would be all that it sees.

    Raises:
        InputError: ``kind`` is neither.
    """
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "group":
        groups = math.gcd(32, channels)
        return nn.GroupNorm(groups if groups < channels else max(1, groups // 2), channels)
    raise InputError(f"norm={kind!r}, expected 'batch' or 'group'")
