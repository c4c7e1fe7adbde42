"""The families of plain ViT, one small file each."""

from .build import BuiltViT, build_vit, rebuilding_arguments
from .driver import Driver, tokens_to_map
from .names import timm_name
from .uniperceiver import UniPerceiver

__all__ = [
    "BuiltViT",
    "Driver",
    "UniPerceiver",
    "build_vit",
    "rebuilding_arguments",
    "timm_name",
    "tokens_to_map",
]
