"""What all backbones around a plain ViT share: building it, freezing it, describing how it was built."""

import copy
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from vit_adapter.config import BackboneConfig, ViTConfig, ViTSettings

from .vit import PATCH_SIZE, build_vit, timm_name


class PlainViTBackbone(nn.Module, ABC):
    """A feature pyramid from a plain ViT.

    Args:
        vit: Name of a ViT, its whole settings, or a module of the families VisionTransformer, Beit and Eva or a
            ``UniPerceiver``. A module becomes a part of this one and is changed with it.
        patch_size: Patches of another size are resampled to it; None: left as they are.
        settings: Fields of ``ViTConfig``, on top of ``vit``.

    Attributes:
        vit: The ViT itself.
        wrapper: Runs it block by block.
        channels: Widths of the maps, fine to coarse.
        strides: Their strides.
        normalization: Mean and standard deviation that the ViT was trained with, in pixel values.
        load_report: What was loaded, resampled, left out and newly initialised; None without weights.
        vit_settings: The ViT's settings as they were given.
        in_chans: Channels of the images.
        vit_config: What builds the ViT again, without its weights; None when it was given as a module.
        config: The settings of what is around the ViT.
        norm: "batch" or "group".
        frozen: The ViT stays in evaluation mode and its weights get no gradients.

    Raises:
        InputError: The name is unknown, the family is not offered, or settings do not fit.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]
    config: BackboneConfig
    norm: str

    def __init__(
        self,
        vit: str | nn.Module | ViTConfig,
        patch_size: int | None = PATCH_SIZE,
        **settings: Unpack[ViTSettings],
    ) -> None:
        super().__init__()
        config = _vit_config(vit, settings)
        built = build_vit(config, vit if isinstance(vit, nn.Module) else None, patch_size)
        self.vit, self.wrapper = built.wrapper.vit, built.wrapper
        self.normalization, self.load_report = built.normalization, built.report
        # The position table may have taken the size of a loaded file.
        side = self.wrapper.grid[0] * (self.wrapper.patch_size if config.keep_patch_size else PATCH_SIZE)
        self.vit_config = (
            None
            if isinstance(vit, nn.Module)
            else copy.deepcopy(replace(config, pretrained=False, img_size=side))
        )
        self.vit_settings, self.in_chans = config, config.in_chans
        self.frozen = config.frozen == "vit"
        if self.frozen:
            self.vit.requires_grad_(False)
            self.vit.eval()

    def train(self, mode: bool = True) -> "PlainViTBackbone":
        """Training or evaluation mode; a frozen ViT stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.vit.eval()
        return self

    def vit_gradients(self, wanted: bool) -> AbstractContextManager[Any]:
        """Where the ViT runs: without a graph when no gradient is ``wanted`` of it."""
        return torch.set_grad_enabled(torch.is_grad_enabled() and wanted)

    @abstractmethod
    def forward(self, images: Tensor) -> list[Tensor]:
        """[B, in_chans, H, W] normalised images to maps, fine to coarse."""


def _vit_config(vit: str | nn.Module | ViTConfig, settings: ViTSettings) -> ViTConfig:
    if isinstance(vit, nn.Module):
        return ViTConfig(**{"name": type(vit).__name__, "pretrained": False, **settings})
    config = vit if isinstance(vit, ViTConfig) else ViTConfig(name=vit, pretrained=False)
    return replace(config, **{"name": timm_name(config.name), **settings})
