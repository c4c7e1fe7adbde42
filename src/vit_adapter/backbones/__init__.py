"""From images to feature pyramids."""

from .adapter import ViTAdapter
from .beit_pyramid import BeitPyramid
from .block_pyramid import BlockPyramid
from .build import build_backbone, describe_backbone
from .images import prepared_images
from .plain import ViTPyramid
from .vit import UniPerceiver, timm_name

__all__ = [
    "BeitPyramid",
    "BlockPyramid",
    "UniPerceiver",
    "ViTAdapter",
    "ViTPyramid",
    "build_backbone",
    "describe_backbone",
    "prepared_images",
    "timm_name",
]
