"""Multi-scale deformable attention: every query reads a few bilinear samples from maps of several sizes.

Source: Deformable DETR (Zhu et al., ICLR 2021), equation 3, as ViT-Adapter uses it.
"""

import os
from importlib.util import find_spec

import torch
from torch import Tensor

from .deformable_reference import by_grid_sample
from .levels import Shapes, check_levels
from .operator import Operator
from .row_sum import fits_row_sum, row_sum


def deformable_attention(value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
    """Sums bilinear samples of the value maps, weighted per query, head, level and point.

    Args:
        value: [B, S, M, D] tokens of all levels, level after level, rows first; S is the sum of height × width;
            M heads of D channels.
        shapes: (height, width) of every level, L of them, as Python integers.
        locations: [B, Q, M, L, P, 2] sampling locations (x, y); 0 and 1 are the outer edges of the map, so the
            centre of pixel i of n lies at (i + 0.5) / n. Outside the map the value is zero.
        weights: [B, Q, M, L, P] attention weights; they are used as they are, without a softmax.

    Returns:
        [B, Q, M * D], heads one after the other. Differentiable in value, locations and weights.

    Raises:
        ValueError: S is not the sum of the levels' areas, or the number of levels differs.
    """
    check_levels(value, shapes, locations.shape[3])
    return OPERATOR(value, shapes, locations, weights)


def _choose(
    value: Tensor, shapes: Shapes, points: Tensor, weights: Tensor, reference: Tensor | None = None
) -> str:
    if torch.compiler.is_exporting() or (reference is not None and reference.requires_grad):
        return "reference"
    if value.is_cuda and missing_for_triton() is None and len(shapes) <= 4:
        return "triton"
    if value.device.type == "cpu" and fits_row_sum(value, shapes):
        return "row_sum"
    return "reference"


OPERATOR = Operator(
    "deformable_attention",
    by_grid_sample,
    _choose,
    rule="triton on a GPU where it is installed, row_sum on the CPU, else and in exported programs reference",
)
"""Deformable attention in two ways of asking for it.

Arguments:
    value: [B, S, M, D]; as in ``deformable_attention``.
    shapes: (height, width) of every level.
    points: [B, Q, M, L, P, 2] locations; with ``reference`` offsets from it, in pixels of the level.
    weights: [B, Q, M, L, P]; with ``reference`` logits, over whose levels and points a softmax is taken.
    reference: [1 or B, Q, 1 or L, 2] points (x, y) in 0..1 that ``points`` start from; None: from the origin.

Every form sums in float32 (of float64 values in float64) and returns [B, Q, M * D] in the type of ``value``.
"""


OPERATOR.form("row_sum")(row_sum)


def missing_for_triton() -> str | None:
    """What the form "triton" lacks here; None: nothing."""
    if find_spec("triton") is None:
        return "Triton is not installed"
    if not torch.cuda.is_available() and os.environ.get("TRITON_INTERPRET") != "1":
        return "there is no GPU that PyTorch can use"
    return None


@OPERATOR.form("triton", missing=missing_for_triton)
def _triton(
    value: Tensor, shapes: Shapes, points: Tensor, weights: Tensor, reference: Tensor | None = None
) -> Tensor:
    from .deformable_triton import attend  # not before it is asked for: Triton may be missing

    return attend(value, shapes, points, weights, reference)
