"""Tensor functions and layers that are independent of any model."""

from .attention import attention
from .convolution import convolution
from .deformable_attention import deformable_attention
from .deformable_module import DeformableAttention
from .layout import memory_layout
from .mask_paste import paste_masks
from .norm import NormKind, check_batch_norm, make_norm, normalized
from .operator import Operator, describe_forms, forms, recorded_forms
from .sums import doubled_sum, resized_sum
from .upsampled_convolution import upsampled_convolution

__all__ = [
    "DeformableAttention",
    "NormKind",
    "Operator",
    "attention",
    "check_batch_norm",
    "convolution",
    "deformable_attention",
    "describe_forms",
    "doubled_sum",
    "forms",
    "make_norm",
    "memory_layout",
    "normalized",
    "paste_masks",
    "recorded_forms",
    "resized_sum",
    "upsampled_convolution",
]
