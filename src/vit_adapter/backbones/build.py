"""A backbone from its configuration, and the configuration of a backbone."""

from torch import nn

from vit_adapter.config import ModelConfig
from vit_adapter.config.model import constructor_arguments

from .adapter import ViTAdapter
from .backbone import PlainViTBackbone
from .beit_pyramid import BeitPyramid
from .block_pyramid import BlockPyramid
from .plain import ViTPyramid

BACKBONES: dict[str, type[PlainViTBackbone]] = {
    "adapter": ViTAdapter,
    "pyramid": ViTPyramid,
    "beit_pyramid": BeitPyramid,
    "block_pyramid": BlockPyramid,
}
"""By the ``kind`` of their settings."""


def build_backbone(config: ModelConfig) -> PlainViTBackbone:
    """The backbone of a configuration, with its pretrained weights if it names some."""
    kind = BACKBONES[config.backbone.kind]
    return kind(config.vit, norm=config.norm, **constructor_arguments(config.backbone))  # pyright: ignore


def describe_backbone(backbone: nn.Module) -> ModelConfig | None:
    """Settings whose ``build_backbone`` builds a backbone again, without weights; the head is the default.

    Returns:
        None when it is of another kind, or its ViT was given as a module, which no file can describe.
    """
    if type(backbone) not in BACKBONES.values():
        return None
    assert isinstance(backbone, PlainViTBackbone)
    if backbone.vit_config is None:
        return None
    return ModelConfig(backbone.vit_config, backbone.config, norm=backbone.norm)  # pyright: ignore
