"""From a name or a module to a ViT that the adapter can drive."""

import copy
from dataclasses import dataclass
from typing import Any, Literal

import timm
import torch
from timm.layers import PatchEmbed
from timm.models.beit import Beit
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from vit_adapter.config import InputError, Normalization

from .beit import BeitDriver
from .driver import Driver
from .eva import EvaDriver
from .names import UNIPERCEIVER, timm_name
from .plain import PlainDriver
from .pretrained import change_patch_size, load_pretrained
from .uniperceiver import UniPerceiver, UniPerceiverDriver

PATCH_SIZE = 16
"""The prior's strides and the reference points are made for it (rule 23)."""


@dataclass(frozen=True)
class BuiltViT:
    """A ViT ready to be driven.

    Attributes:
        driver: Runs it block by block.
        normalization: Mean and standard deviation it was trained with.
        report: What was loaded; None without weights.
        name: timm's name of it; None for a module.
    """

    driver: Driver
    normalization: Normalization
    report: Any | None
    name: str | None = None


def build_vit(
    vit: str | nn.Module,
    *,
    pretrained: bool | str = False,
    prefix_tokens: bool | None = None,
    final_norm: bool = False,
    layer_scale: float | None = None,
    no_layer_scale: bool = False,
    window_sizes: list[int | None] | None = None,
    drop_path_rate: float = 0.0,
    patch_size: int | None = PATCH_SIZE,
    patch_resample: Literal["bilinear", "flexi"] = "bilinear",
    grad_checkpointing: bool = False,
    in_chans: int = 3,
    img_size: int | None = None,
    vit_options: dict | None = None,
    on_mismatch: Literal["error", "keep"] = "error",
) -> BuiltViT:
    """Builds and loads a ViT; arguments as in ``ViTAdapter``.

    Args:
        patch_size: Patches of another size are resampled to it; None: left as they are.

    Raises:
        InputError: The name is unknown, the family is not offered, or the arguments do not fit.
    """
    if isinstance(vit, nn.Module):
        if pretrained:
            raise InputError(
                f"pretrained={pretrained!r} together with a module: load the module's weights yourself"
            )
        if img_size is not None or vit_options:
            raise InputError("img_size and vit_options belong to a name; a module has its own")
        module = vit
    else:
        vit = timm_name(vit)
        module = _create(vit, in_chans, img_size, vit_options)
    normalization = _normalization(module, in_chans)
    driver = _drive(module, prefix_tokens, final_norm)
    own_channels = _first_convolution(module).in_channels
    if own_channels != in_chans:
        raise InputError(f"in_chans={in_chans}, but the ViT takes pictures of {own_channels} channels")
    own_patch_size = driver.patch_size
    if patch_size is not None and driver.patch_size != patch_size:
        change_patch_size(driver, patch_size, patch_resample)
    report = None
    # Layer scales that only the published form has are added before loading: its files hold them.
    added_scales = driver.set_layer_scale(layer_scale, remove=no_layer_scale)
    if pretrained:
        report = load_pretrained(
            driver,
            str(vit),
            pretrained,
            patch_size=own_patch_size,
            mode=patch_resample,
            resize_table=img_size is not None,
            added_layer_scales=added_scales,
            on_mismatch=on_mismatch,
        )
    driver.set_drop_path(drop_path_rate)
    if window_sizes is not None:
        driver.set_windows(window_sizes)
    driver.grad_checkpointing = grad_checkpointing
    return BuiltViT(driver, normalization, report, vit if isinstance(vit, str) else None)


def rebuilding_arguments(arguments: dict[str, Any], built: BuiltViT) -> dict[str, Any] | None:
    """Constructor arguments that build the same backbone again, without weights.

    Args:
        arguments: What the backbone was called with.
        built: Its ViT, whose position table may have taken the size of a loaded file.

    Returns:
        None when the ViT was given as a module, which no file can describe.
    """
    if isinstance(arguments["vit"], nn.Module):
        return None
    side = built.driver.grid[0] * PATCH_SIZE
    # Copied: lists and dictionaries of the caller may change afterwards.
    return copy.deepcopy({**arguments, "vit": built.name, "pretrained": False, "img_size": side})


def _create(name: str, in_chans: int, img_size: int | None, options: dict | None) -> nn.Module:
    """A ViT of that name with random weights, its position table for pictures of ``img_size`` pixels."""
    options = dict(options or {})
    if name == UNIPERCEIVER:
        return UniPerceiver(**{"img_size": img_size or 224, "in_chans": in_chans, **options})
    if img_size is not None:
        # The table has one row a patch; patches become 16 pixels wide later, the number of rows stays.
        own_patch = _own_patch_size(name, options)
        options.setdefault("img_size", img_size // PATCH_SIZE * own_patch)
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
        return int(_first_convolution(timm.create_model(name, num_classes=0)).kernel_size[0])


def _first_convolution(module: nn.Module) -> nn.Conv2d:
    if isinstance(module, UniPerceiver):
        return module.visual_embed.patch_embed.proj
    if not isinstance(getattr(module, "patch_embed", None), PatchEmbed):
        raise InputError(
            f"{type(module).__name__} does not cut its pictures into patches by one convolution, so it is not a plain "
            "ViT; take one such as vit_small_patch16_224"
        )
    return module.patch_embed.proj  # pyright: ignore


def _drive(module: nn.Module, prefix_tokens: bool | None, final_norm: bool) -> Driver:
    if isinstance(module, UniPerceiver):
        return UniPerceiverDriver(module, prefix_tokens, final_norm)
    if isinstance(module, Beit):
        return BeitDriver(module, prefix_tokens, final_norm)
    if isinstance(module, Eva):
        return EvaDriver(module, prefix_tokens, final_norm)
    if isinstance(module, VisionTransformer):
        return PlainDriver(module, prefix_tokens, final_norm)
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


__all__ = ["PATCH_SIZE", "BuiltViT", "build_vit", "rebuilding_arguments"]
