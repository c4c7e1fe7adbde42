"""Models of other packages at the size of ViT-B, with random weights: what they take beside ours."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from vit_adapter.config import InputError

CLASSES = 150
QUERIES = 100


def make_peer(name: str, size: int) -> nn.Module:
    """A peer in evaluation mode.

    Args:
        name: One of ``PEERS``.
        size: Side of the images in pixels.

    Raises:
        InputError: Its package is not installed.
    """
    try:
        return PEERS[name](size).eval().requires_grad_(False)
    except ImportError as error:
        raise InputError(
            f"bench: {name} needs the package {error.name}: pip install vit-adapter[dev]"
        ) from error


def apply_peer(model: nn.Module, images: Tensor) -> Callable[[], None]:
    """A call on normalised images [B, 3, H, W], whose answer nobody compares with ours."""

    @torch.no_grad()
    def run() -> None:
        model(images)

    return run


def _transformers() -> Any:
    """The package, whose configurations take more than their types say."""
    import transformers

    return transformers


def _upernet(size: int) -> nn.Module:
    transformers = _transformers()
    backbone = transformers.BeitConfig(
        image_size=size,
        out_features=["stage3", "stage5", "stage7", "stage11"],
        add_fpn=True,
        reshape_hidden_states=True,
        use_relative_position_bias=True,
    )
    config = transformers.UperNetConfig(
        backbone_config=backbone, hidden_size=512, use_auxiliary_head=False, num_labels=CLASSES
    )
    return transformers.UperNetForSemanticSegmentation(config)


def _mask2former(size: int) -> nn.Module:
    transformers = _transformers()
    backbone = transformers.SwinConfig(
        image_size=size,
        embed_dim=128,
        depths=[2, 2, 18, 2],
        num_heads=[4, 8, 16, 32],
        window_size=8,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = transformers.Mask2FormerConfig(backbone_config=backbone, num_queries=QUERIES, num_labels=CLASSES)
    return transformers.Mask2FormerForUniversalSegmentation(config)


def _eomt(size: int) -> nn.Module:
    transformers = _transformers()
    config = transformers.EomtConfig(
        image_size=size,
        hidden_size=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        num_blocks=3,
        num_queries=QUERIES,
        num_labels=CLASSES,
    )
    return transformers.EomtForUniversalSegmentation(config)


def _smp(size: int) -> nn.Module:
    from segmentation_models_pytorch import UPerNet

    return UPerNet("mit_b5", encoder_weights=None, classes=CLASSES)


PEERS: dict[str, Callable[[int], nn.Module]] = {
    "transformers UperNet, BEiT-B": _upernet,
    "smp UPerNet, MiT-B5": _smp,
    "transformers Mask2Former, Swin-B": _mask2former,
    "transformers EoMT, ViT-B": _eomt,
}
"""By the name of their side: encoders of 82 to 88 million parameters."""
