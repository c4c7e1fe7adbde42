"""Attention of all tokens to all tokens."""

import torch.nn.functional as F
from torch import Tensor

from .operator import Operator


def _reference(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
    """softmax(query key^T / sqrt(d) + bias) value, as its definition says (Vaswani et al., 2017, equation 1).

    Args:
        query: [..., heads, N, d].
        key: [..., heads, M, d].
        value: [..., heads, M, d].
        bias: Added to the scores, broadcastable to [..., heads, N, M]; None: nothing.

    Returns:
        [..., heads, N, d].
    """
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    if bias is not None:
        scores = scores + bias
    return scores.softmax(dim=-1) @ value


def _choose(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> str:
    return "fused"


attention = Operator(
    "attention",
    _reference,
    _choose,
    rule="fused (scaled_dot_product_attention) everywhere; Eva runs timm's own",
)


@attention.form("fused")
def _fused(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
