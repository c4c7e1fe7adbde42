"""Tensor functions and layers that are independent of any model."""

from .deformable_attention import deformable_attention
from .deformable_module import DeformableAttention
from .norm import NormKind, check_batch_norm, make_norm

__all__ = ["DeformableAttention", "NormKind", "check_batch_norm", "deformable_attention", "make_norm"]
