"""Tensor functions and layers that are independent of any model."""

from .attention import attention
from .convolution import convolution
from .deformable_attention import deformable_attention
from .deformable_module import DeformableAttention
from .layout import map_tokens, memory_layout
from .mask_paste import paste_masks
from .norm import NormKind, check_batch_norm, make_norm, normalized
from .operator import Operator, all_parts, describe_forms, forms, overwrites, recorded_forms
from .pointwise import pointwise
from .sums import doubled_sum, residual, resized_sum
from .upsampled_convolution import upsampled_convolution

__all__ = [
    "DeformableAttention",
    "NormKind",
    "Operator",
    "all_parts",
    "attention",
    "check_batch_norm",
    "convolution",
    "deformable_attention",
    "describe_forms",
    "doubled_sum",
    "forms",
    "make_norm",
    "map_tokens",
    "memory_layout",
    "normalized",
    "overwrites",
    "paste_masks",
    "pointwise",
    "recorded_forms",
    "residual",
    "resized_sum",
    "upsampled_convolution",
]
