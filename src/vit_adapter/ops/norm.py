"""The normalisation of convolutional parts."""

import math
from typing import Literal

from torch import nn

from vit_adapter.config import InputError

NormKind = Literal["batch", "group"]


def make_norm(kind: NormKind, channels: int) -> nn.Module:
    """Batch norm as published (behaviour 21), or group norm of up to 32 groups, which works for batches of one.

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


def check_batch_norm(norm: nn.Module, values: int) -> None:
    """Refuses a single value per channel for batch norm in training mode, which has no deviation.

    Args:
        norm: Any norm; only batch norm of one process is looked at.
        values: Number of values that each channel has in the batch.

    Raises:
        InputError: It is batch norm in training mode and sees one value.
    """
    if values == 1 and isinstance(norm, nn.BatchNorm2d) and norm.training:
        raise InputError(
            "batch norm in training mode meets a batch of one image whose map has 1x1 pixels, so each channel has a "
            "single value; take two images or more, larger images where no map is pooled to 1x1, norm='group' "
            "(--model.norm group), or model.eval()"
        )
