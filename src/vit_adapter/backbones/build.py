"""A backbone from its configuration, and the configuration of a backbone."""

from typing import Any

from torch import nn

from vit_adapter.config import InputError, ModelConfig

from .adapter import ViTAdapter
from .beit_pyramid import BeitPyramid
from .plain import ViTPyramid

_KINDS = {ViTAdapter: "adapter", ViTPyramid: "pyramid", BeitPyramid: "beit_pyramid"}


def build_backbone(config: ModelConfig) -> nn.Module:
    """The backbone of a configuration, with its pretrained weights if it names some."""
    common = {
        "pretrained": config.pretrained,
        "layer_scale": config.layer_scale,
        "no_layer_scale": config.no_layer_scale,
        "drop_path_rate": config.drop_path_rate,
        "norm": config.norm,
        "grad_checkpointing": config.grad_checkpointing,
        "in_chans": config.in_chans,
        "img_size": config.img_size,
        "vit_options": config.vit_options,
        "on_mismatch": config.on_mismatch,
    }
    if config.backbone == "beit_pyramid":
        if config.frozen:
            raise InputError(
                "--model.frozen vit: backbone 'beit_pyramid' is trained as a whole; leave it out"
            )
        return BeitPyramid(config.vit, out_indices=tuple(config.out_indices), **common)  # pyright: ignore
    common |= {
        "prefix_tokens": config.prefix_tokens,
        "frozen": config.frozen,
        "patch_resample": config.patch_resample,
    }
    if config.backbone == "pyramid":
        return ViTPyramid(config.vit, **common)  # pyright: ignore
    return ViTAdapter(
        config.vit,
        interaction_indexes=config.interaction_indexes,
        injectors=config.injectors,
        deform_heads=config.deform_heads,
        deform_ratio=config.deform_ratio,
        deform_points=config.deform_points,
        cffn_ratio=config.cffn_ratio,
        conv_inplanes=config.conv_inplanes,
        injector_init=config.injector_init,
        window_sizes=config.window_sizes,
        add_vit_feature=config.add_vit_feature,
        final_norm=config.final_norm,
        extra_extractors=config.extra_extractors,
        **common,  # pyright: ignore
    )


def describe_backbone(backbone: nn.Module) -> dict[str, Any] | None:
    """The settings of ``ModelConfig`` that build a backbone again.

    Returns:
        None when it is of another kind, or its ViT was given as a module, which no file can describe.
    """
    arguments = getattr(backbone, "arguments", None)
    kind = _KINDS.get(type(backbone))
    return None if arguments is None or kind is None else {"backbone": kind, **arguments}
