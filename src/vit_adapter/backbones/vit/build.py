"""From a name or a module to a ViT that the adapter can run block by block."""

from dataclasses import dataclass
from typing import Any

import timm
import torch
from timm.layers import PatchEmbed
from timm.models.beit import Beit
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from vit_adapter.config import InputError, Normalization, ViTConfig

from .beit import BeitWrapper
from .eva import EvaWrapper
from .names import UNIPERCEIVER
from .plain import PlainWrapper
from .pretrained import change_patch_size, load_pretrained
from .rotary import RotaryPositions
from .uniperceiver import UniPerceiver, UniPerceiverWrapper
from .wrapper import ViTWrapper

PATCH_SIZE = 16
"""The prior's strides and the reference points are made for it (behaviour 5)."""


@dataclass(frozen=True)
class BuiltViT:
    """A ViT ready to be run.

    Attributes:
        wrapper: Runs it block by block.
        normalization: Mean and standard deviation it was trained with.
        report: What was loaded; None without weights.
    """

    wrapper: ViTWrapper
    normalization: Normalization
    report: Any | None


def build_vit(
    config: ViTConfig, module: nn.Module | None = None, patch_size: int | None = PATCH_SIZE
) -> BuiltViT:
    """Builds and loads a ViT.

    Args:
        config: Its settings.
        module: A ViT to take instead of a new one of ``config.name``.
        patch_size: Patches of another size are resampled to it; None: left as they are.

    Raises:
        InputError: The name is unknown, the family is not offered, or settings do not fit.
    """
    if module is None:
        module = _create(config)
    elif config.pretrained:
        raise InputError(
            f"pretrained={config.pretrained!r} together with a module: load the module's weights yourself"
        )
    elif config.img_size is not None or config.options:
        raise InputError("img_size and options belong to a name; a module has its own")
    normalization = _normalization(module, config.in_chans)
    wrapper = _wrap(module, config)
    if not isinstance(getattr(module, "rope", None), RotaryPositions):
        for setting in ("rotary_rescale", "pretraining_parts"):
            if getattr(config, setting):
                raise InputError(f"{setting} is offered for DINOv3 alone, and {config.name} is another ViT")
    own_channels = _first_convolution(module).in_channels
    if own_channels != config.in_chans:
        raise InputError(f"in_chans={config.in_chans}, but the ViT takes images of {own_channels} channels")
    own_patch_size = wrapper.patch_size
    if config.keep_patch_size:
        patch_size = None
    if patch_size is not None and wrapper.patch_size != patch_size:
        change_patch_size(wrapper, patch_size, config.patch_resample)
    # Layer scales that only the published form has are added before loading: its files hold them.
    added_scales = wrapper.set_layer_scale(config.layer_scale, remove=config.no_layer_scale)
    if config.window_sizes is not None:
        wrapper.set_windows(config.window_sizes)  # before loading: BEiT's tables take the size of the windows
    report = load_pretrained(wrapper, config, own_patch_size, added_scales) if config.pretrained else None
    if config.frozen != "vit":  # a frozen one is never in training mode
        wrapper.set_drop_path(config.drop_path_rate)
    wrapper.grad_checkpointing = config.grad_checkpointing
    return BuiltViT(wrapper, normalization, report)


def _create(config: ViTConfig) -> nn.Module:
    """A ViT with random weights, its position table for images of ``img_size`` pixels."""
    name, in_chans, img_size = config.name, config.in_chans, config.img_size
    options: dict[str, Any] = dict(config.options or {})
    if name == UNIPERCEIVER:
        return UniPerceiver(**{"img_size": img_size or 224, "in_chans": in_chans, **options})
    if img_size is not None:
        # The table has one row per patch; patches become 16 pixels wide later, the number of rows stays.
        own_patch = _own_patch_size(name, options)
        patch = own_patch if config.keep_patch_size else PATCH_SIZE
        options.setdefault("img_size", img_size // patch * own_patch)
    try:
        family = timm.model_entrypoint(name)
        if family.__module__.endswith(".eva"):
            options["dynamic_img_size"] = True  # rotary positions for every grid
        return timm.create_model(name, pretrained=False, num_classes=0, in_chans=in_chans, **options)
    except (TypeError, AssertionError, ValueError, RuntimeError) as error:
        if "vit_options" in str(options) or options:
            raise InputError(
                f"timm cannot build {name!r} with {options}: {str(error).splitlines()[0]}"
            ) from error
        raise


def _own_patch_size(name: str, options: dict) -> int:
    if "patch_size" in options:
        return int(options["patch_size"])
    with torch.device("meta"):
        one_block = timm.create_model(name, num_classes=0, depth=1)
        return int(_first_convolution(one_block).kernel_size[0])


def _first_convolution(module: nn.Module) -> nn.Conv2d:
    if isinstance(module, UniPerceiver):
        return module.visual_embed.patch_embed.proj
    if not isinstance(getattr(module, "patch_embed", None), PatchEmbed):
        raise InputError(
            f"{type(module).__name__} does not cut its images into patches by one convolution, so it is not a plain "
            "ViT; take one such as vit_small_patch16_224"
        )
    return module.patch_embed.proj  # pyright: ignore


def _wrap(module: nn.Module, config: ViTConfig) -> ViTWrapper:
    if isinstance(module, UniPerceiver):
        return UniPerceiverWrapper(module, config)
    if isinstance(module, Beit):
        return BeitWrapper(module, config)
    if isinstance(module, Eva):
        return EvaWrapper(module, config)
    if isinstance(module, VisionTransformer):
        return PlainWrapper(module, config)
    raise InputError(
        f"{type(module).__name__} is not a plain ViT of the families VisionTransformer, Beit, Eva or UniPerceiver"
    )


def _normalization(module: nn.Module, channels: int) -> Normalization:
    """The mean and deviation that timm records for a model, in pixel values; ImageNet's otherwise."""
    settings = getattr(module, "pretrained_cfg", None) or {}
    if channels != 3:
        return Normalization((127.5,) * channels, (127.5,) * channels)
    mean, std = settings.get("mean"), settings.get("std")
    if mean is None or std is None:
        return Normalization()
    return Normalization(
        tuple(round(255.0 * value, 6) for value in mean), tuple(round(255.0 * value, 6) for value in std)
    )


__all__ = ["PATCH_SIZE", "BuiltViT", "build_vit"]
