"""The normalisation of convolutional parts."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from vit_adapter.config import InputError

from .operator import Operator, overwrites

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


def _normalized_reference(maps: Tensor, norm: nn.Module, makers: tuple[nn.Module, ...] = ()) -> Tensor:
    """Applies a norm.

    Args:
        maps: [B, C, H, W]; a form may write over them.
        norm: Any module from maps to maps of the same shape.
        makers: The modules that ``maps`` come from, see ``overwrites``.
    """
    return norm(maps)


def _is_fixed(maps: Tensor, norm: nn.Module) -> bool:
    """Whether a norm multiplies and adds numbers that do not depend on the maps."""
    if type(norm) is not nn.BatchNorm2d or norm.training or norm.running_var is None or norm.weight is None:
        return False
    return norm.weight.dtype == maps.dtype and not (norm._forward_hooks or norm._forward_pre_hooks)


def _choose(maps: Tensor, norm: nn.Module, makers: tuple[nn.Module, ...] = ()) -> str:
    return "fixed" if _is_fixed(maps, norm) and overwrites(maps, *makers) else "reference"


normalized = Operator(
    "normalized",
    _normalized_reference,
    _choose,
    rule="fixed for batch norm in inference on the CPU, over its input; else reference",
)


@normalized.form("fixed")
def _fixed(maps: Tensor, norm: nn.Module, makers: tuple[nn.Module, ...] = ()) -> Tensor:
    """One product and one sum."""
    if not _is_fixed(maps, norm):
        raise ValueError(f"the form fixed computes batch norm in evaluation mode, not {norm}")
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var.to(maps.dtype) + norm.eps).rsqrt() * norm.weight
    shift = norm.bias - norm.running_mean.to(maps.dtype) * scale
    scale, shift = scale[:, None, None], shift[:, None, None]
    if not overwrites(maps, *makers):
        return torch.addcmul(shift, maps, scale)
    return torch.addcmul(shift, maps, scale, out=maps)


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
