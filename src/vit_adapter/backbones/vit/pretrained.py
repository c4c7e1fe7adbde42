"""Pretrained weights into a ViT, and patches of another size."""

from typing import Any, Literal

import torch
from torch import nn

from .driver import Driver


def resample_patches(driver: Driver, patch_size: int, mode: Literal["bilinear", "flexi"]) -> None:
    """Gives a ViT patches of another size; the grid of its position table stays."""
    embedding = driver.vit.get_submodule("patch_embed")
    old = embedding.proj
    new = nn.Conv2d(
        old.in_channels,
        old.out_channels,
        patch_size,
        stride=patch_size,
        bias=old.bias is not None,
        device=old.weight.device,
        dtype=old.weight.dtype,
    )
    with torch.no_grad():
        if old.bias is not None:
            new.bias.copy_(old.bias)
    embedding.proj = new


def load_pretrained(
    driver: Driver, name: str, source: bool | str, mode: Literal["bilinear", "flexi"], on_mismatch: str
) -> Any:
    raise NotImplementedError
