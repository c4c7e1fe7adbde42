"""Tensor functions and layers that are independent of any model."""

from .attention import attention
from .convolution import convolution
from .deformable_attention import deformable_attention
from .deformable_module import DeformableAttention
from .mask_paste import paste_masks
from .norm import NormKind, check_batch_norm, make_norm
from .operator import Operator, describe_forms, forms, recorded_forms
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
    "forms",
    "make_norm",
    "paste_masks",
    "recorded_forms",
    "upsampled_convolution",
]
