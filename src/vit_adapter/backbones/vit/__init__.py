"""The families of plain ViT, one small file each."""

from .build import PATCH_SIZE, BuiltViT, build_vit
from .names import timm_name
from .uniperceiver import UniPerceiver
from .wrapper import ViTWrapper, tokens_as_map, tokens_to_map

__all__ = [
    "PATCH_SIZE",
    "BuiltViT",
    "UniPerceiver",
    "ViTWrapper",
    "build_vit",
    "timm_name",
    "tokens_as_map",
    "tokens_to_map",
]
