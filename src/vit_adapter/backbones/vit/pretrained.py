"""Pretrained weights into a ViT, and patches of another size."""

import logging
import sys
from typing import Literal

import timm
import torch
from huggingface_hub import constants, try_to_load_from_cache
from torch import Tensor, nn

from vit_adapter.config import InputError, ViTConfig
from vit_adapter.config.network import offline_by_choice, unreachable
from vit_adapter.weights.files import WeightsFile, read_state_dict
from vit_adapter.weights.report import LoadReport
from vit_adapter.weights.resample import resample_patches
from vit_adapter.weights.vit_weights import adapt_vit_weights

from .wrapper import ViTWrapper

Mode = Literal["bilinear", "flexi"]


def change_patch_size(wrapper: ViTWrapper, patch_size: int, mode: Mode) -> None:
    """Resamples a ViT's patches to another size; the grid of its position table stays (behaviour 102)."""
    embedding = wrapper.patch_embedding
    old = embedding.proj
    kernel = resample_patches(old.weight.detach(), patch_size, mode)
    new = nn.Conv2d(
        old.in_channels,
        old.out_channels,
        patch_size,
        stride=patch_size,
        bias=old.bias is not None,
        device=kernel.device,
        dtype=kernel.dtype,
    )
    with torch.no_grad():
        new.weight.copy_(kernel)
        if new.bias is not None and old.bias is not None:
            new.bias.copy_(old.bias)
    embedding.proj = new


def load_pretrained(
    wrapper: ViTWrapper, config: ViTConfig, patch_size: int, added_layer_scales: bool
) -> LoadReport:
    """Loads a ViT's weights.

    Args:
        wrapper: The ViT, its patches already of the wanted size.
        config: ``pretrained`` is True for timm's weights, which timm downloads, or a file. With ``img_size`` the
            position table is resampled to the model's grid; otherwise it keeps the stored one.
        patch_size: The ViT's own patch size, before it was changed.
        added_layer_scales: The model has layer scales that the named ViT lacks.

    Returns:
        What was done with every entry.

    Raises:
        InputError: There are no such weights, or they are another ViT's.
    """
    source = config.pretrained
    state, file = _timm_weights(config.name) if source is True else read_state_dict(str(source))
    adapted = adapt_vit_weights(
        state,
        wrapper.vit.state_dict(),
        patch_size=patch_size,
        grid=wrapper.grid,
        table_prefix=wrapper.table_prefix,
        patch_resample=config.patch_resample,
        resize_table=config.img_size is not None,
        added_layer_scales=added_layer_scales,
        on_mismatch=config.on_mismatch,
        broadcast=wrapper.broadcasts,
        file=file,
    )
    if adapted.grid is not None and adapted.grid != wrapper.grid:
        wrapper.take_grid(adapted.grid)
    wrapper.vit.load_state_dict(adapted.state, strict=False)
    return adapted.report


def _timm_weights(name: str) -> tuple[dict[str, Tensor], WeightsFile]:
    if not timm.is_model(name):
        raise InputError(
            f"pretrained=True with {name!r}: timm has no weights of it; name a file on disk: pretrained=PATH "
            "(--model.vit.pretrained PATH)"
        )
    _announce(name)
    # The hub's client reports every retry; one line at the end says the same.
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        model = timm.create_model(name, pretrained=True, num_classes=0)
    except Exception as error:
        # Whatever goes wrong here (no network, no such file, no weights of that name), the remedy is the same.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"pretrained=True: timm could not get the weights of {name!r} ({reason}); with a network it downloads "
            "them by itself, without one name a file on disk: pretrained=PATH (--model.vit.pretrained PATH)"
        ) from error
    finally:
        logger.setLevel(level)
    return dict(model.state_dict()), WeightsFile(path=f"timm {name}", kind="safetensors")


def _announce(name: str) -> None:
    """Says that weights will be fetched, before any waiting; without a network, says so at once.

    Raises:
        InputError: They are not on this machine, and their server cannot be reached.
    """
    settings = timm.get_pretrained_cfg(name)
    if settings is None or not settings.has_weights:
        raise InputError(
            f"pretrained=True with {name!r}: timm has no weights of it; name a file on disk: pretrained=PATH "
            "(--model.vit.pretrained PATH), or start from random ones: pretrained=False"
        )
    repository: str | None = settings.hf_hub_id
    if repository and repository.endswith("/"):
        repository += f"{settings.architecture}.{settings.tag}" if settings.tag else name
    if repository and any(
        isinstance(try_to_load_from_cache(repository, file), str)
        for file in (settings.hf_hub_filename, "model.safetensors", "pytorch_model.bin")
        if file
    ):
        return
    url = f"{constants.ENDPOINT}/{repository}" if repository else str(settings.url)
    reason = "HF_HUB_OFFLINE is set" if repository and offline_by_choice() else unreachable(url)
    if reason is not None:
        place = f"{url}/resolve/main/model.safetensors" if repository else url
        raise InputError(
            f"the weights of {name} are not on this machine and cannot be fetched: {reason}; fetch {place} elsewhere "
            "and name the file with --model.vit.pretrained FILE (pretrained=FILE), or start from random weights with "
            "--model.vit.pretrained false"
        )
    with torch.device("meta"):
        size = sum(4 * p.numel() for p in timm.create_model(name, pretrained=False).parameters())
    print(f"getting weights of {name} (about {size / 1e6:.0f} MB) from {url}", file=sys.stderr, flush=True)
