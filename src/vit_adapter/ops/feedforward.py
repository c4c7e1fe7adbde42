"""Linear, ReLU, linear: the feed-forward part of Mask2Former's layers."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .operator import Operator, overwrites
from .precision import autocast_type
from .scratch import scratch

PART_BYTES = 1 << 22
"""Hidden values of the tokens that are handled at once: they should stay in the caches."""


def _reference(tokens: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor) -> Tensor:
    """Transforms every token.

    Args:
        tokens: [..., C].
        weight1: [H, C].
        bias1: [H].
        weight2: [D, H].
        bias2: [D].

    Returns:
        [..., D].
    """
    hidden = F.relu(F.linear(tokens, weight1, bias1), inplace=not torch.is_grad_enabled())
    return F.linear(hidden, weight2, bias2)


def _choose(tokens: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor) -> str:
    same = tokens.dtype == weight1.dtype and autocast_type(tokens) is None
    return "parts" if same and overwrites(tokens) else "reference"


feedforward = Operator(
    "feedforward",
    _reference,
    _choose,
    rule="parts in inference on the CPU, else reference",
)


@feedforward.form("parts")
def _parts(tokens: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor) -> Tensor:
    """A part of the tokens at a time, so that the hidden values of all are nowhere."""
    rows = tokens.reshape(-1, tokens.shape[-1])
    step = max(1, PART_BYTES // (weight1.shape[0] * tokens.element_size()))
    if torch.is_grad_enabled():  # writing to buffers has no gradient
        found = [_reference(part, weight1, bias1, weight2, bias2) for part in rows.split(step)]
        return torch.cat(found).view(*tokens.shape[:-1], weight2.shape[0])
    output = rows.new_empty(len(rows), weight2.shape[0])
    for part, result in zip(rows.split(step), output.split(step), strict=True):
        hidden = scratch("feedforward", (len(part), weight1.shape[0]), rows)
        torch.addmm(bias1, part, weight1.T, out=hidden).relu_()
        torch.addmm(bias2, hidden, weight2.T, out=result)
    return output.view(*tokens.shape[:-1], weight2.shape[0])
