"""What a backbone takes: checked, and in the precision of its weights."""

import math
from typing import Any

import torch
from torch import Tensor

from vit_adapter.config import InputError
from vit_adapter.config.backbone import COARSEST_STRIDE
from vit_adapter.ops import check_batch_norm


def prepared_images(images: Any, in_chans: int | None, weight: Tensor | None) -> Tensor:
    """A batch of images as the weights can take it.

    Args:
        images: [B, in_chans, H, W] normalised floats.
        in_chans: Channels that the model was built for; None: any number.
        weight: Any weight of the model: images of another floating type become its type (under autocast they stay,
            the operators cast by themselves). None: they stay.

    Returns:
        The images, on the device where they were.

    Raises:
        InputError: No tensor, no floats, not four axes, no image, or another number of channels.
    """
    if not isinstance(images, Tensor):
        raise InputError(
            f"images are {type(images).__name__}, expected a tensor [B, C, H, W] of normalised floats "
            "(Segmenter.predict takes paths, Pillow images and arrays)"
        )
    if images.ndim != 4:
        add = "; add the batch axis with images[None]" if images.ndim == 3 else ""
        raise InputError(f"images have {images.ndim} axes ({_shape(images)}), expected 4: [B, C, H, W]{add}")
    if not images.is_floating_point():
        raise InputError(
            f"images are {images.dtype}, expected normalised floats: (pixels - mean) / std, as "
            "backbone.normalization says (Segmenter.predict takes pixels as they are)"
        )
    if in_chans is not None and images.shape[1] != in_chans:
        told = "; its last axis looks like the channels" if images.shape[3] == in_chans else ""
        raise InputError(
            f"images are {_shape(images)}, {images.shape[1]} channels, the model was built for {in_chans}: expected "
            f"[B, {in_chans}, H, W]{told}; set another number with in_chans (--model.vit.in_chans)"
        )
    if images.shape[0] == 0:
        raise InputError(f"the batch is empty ({_shape(images)}), expected at least one image")
    if (
        weight is not None
        and images.dtype != weight.dtype
        and not torch.is_autocast_enabled(images.device.type)
    ):
        images = images.to(weight.dtype)
    return images


def _shape(images: Tensor) -> str:
    # For messages only: a traced program cannot write sizes that are symbols.
    return "x".join(map(str, images.shape))


def check_sides(images: Tensor, patch_size: int = 16) -> tuple[int, int]:
    """(height, width) of a batch of images whose sides must be multiples of 32 (behaviour 4), and of the patches."""
    height, width = images.shape[-2:]
    if COARSEST_STRIDE % patch_size and (height % patch_size or width % patch_size):
        side = math.lcm(COARSEST_STRIDE, patch_size)
        raise InputError(
            f"images are {height} x {width} (height x width); with patches of {patch_size} pixels the backbone needs "
            f"sides that are multiples of {side}; keep_patch_size=False resamples the patches to 16"
        )
    if height % COARSEST_STRIDE or width % COARSEST_STRIDE or height == 0 or width == 0:
        fitting = (max(1, math.ceil(side / COARSEST_STRIDE)) * COARSEST_STRIDE for side in (height, width))
        raise InputError(
            f"images are {height} x {width} (height x width); the backbone needs sides that are multiples of "
            f"{COARSEST_STRIDE}, such as {' x '.join(map(str, fitting))}. A Segmenter pads automatically"
        )
    return height, width


def whole_patches(images: Tensor, patch_size: int) -> Tensor:
    """Images without the pixels at the right and at the bottom that fill no patch."""
    height, width = (side // patch_size * patch_size for side in images.shape[-2:])
    return images[..., :height, :width].contiguous()


def check_coarsest(norm: torch.nn.Module, images: Tensor) -> None:
    """Refuses a batch whose stride-32 map would give batch norm one value per channel in training mode."""
    batch, _, height, width = images.shape
    check_batch_norm(norm, batch * (height // COARSEST_STRIDE) * (width // COARSEST_STRIDE))
