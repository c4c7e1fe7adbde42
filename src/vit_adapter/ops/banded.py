"""Products with banded matrices: what bilinear interpolation along one axis is.

A row of an interpolation matrix has two entries beside each other that differ from zero, and they wander along the
diagonal. So the matrix is cut in blocks of rows, and each block is multiplied with the few columns that it touches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import is_fake

from .kept import kept
from .scratch import scratch

BLOCK_ROWS = 32
"""Rows of a block: tall enough for a matrix product, low enough to skip most zeros."""


@dataclass(frozen=True, eq=False)
class Band:
    """A matrix whose rows have their entries beside each other.

    Attributes:
        matrix: [rows, columns], entries outside the band are zero.
    """

    matrix: Tensor

    @cached_property
    def blocks(self) -> list[tuple[int, int, int, int, Tensor]]:
        """(first row, row after the last, first column, column after the last, that part) of every block."""
        found = []
        touched = (self.matrix != 0).cpu()
        for top in range(0, self.matrix.shape[0], BLOCK_ROWS):
            bottom = min(top + BLOCK_ROWS, self.matrix.shape[0])
            columns = touched[top:bottom].any(dim=0).nonzero()
            left, right = (int(columns[0]), int(columns[-1]) + 1) if len(columns) else (0, 1)
            found.append((top, bottom, left, right, self.matrix[top:bottom, left:right].contiguous()))
        return found

    @cached_property
    def transposed(self) -> "Band":
        """The same matrix, columns as rows."""
        return Band(self.matrix.T.contiguous())


def interpolation_matrix(old: int, new: int, align_corners: bool, like: Tensor) -> Tensor:
    """[new, old] matrix that resizes an axis bilinearly, with torch's own weights; type and device of ``like``.

    The weights are computed in float64 where ``like`` is float64, else in float32, as torch does.
    """
    exact = torch.promote_types(like.dtype, torch.float32)
    unit = torch.eye(old, dtype=exact, device=like.device)[None]  # [1, old, old]: every pixel in a channel
    return F.interpolate(unit, size=new, mode="linear", align_corners=align_corners)[0].T.to(like.dtype)


@kept(maxsize=64)
def interpolation_band(
    old: int, new: int, align_corners: bool, dtype: torch.dtype, device: torch.device
) -> Band:
    """``interpolation_matrix`` as a band."""
    matrix = interpolation_matrix(old, new, align_corners, torch.empty(0, dtype=dtype, device=device))
    return Band(matrix.contiguous())


def add_resized_(rows: Tensor, maps: Tensor, down: Band, across: Band) -> None:
    """Adds a map that is resized along both axes, in place and without gradients.

    Args:
        rows: [H, W * C].
        maps: [h, w, C].
        down: [H, h].
        across: [W, w].
    """
    height, _, channels = maps.shape
    for first, end, left, right, part in across.blocks:
        # A few columns of the result at a time, which stay in the caches.
        columns = scratch("resized_columns", (height, end - first, channels), maps)
        torch.bmm(part.expand(height, -1, -1), maps[:, left:right], out=columns)
        target, source = rows[:, first * channels : end * channels], columns.view(height, -1)
        for top, bottom, upper, lower, weights in down.blocks:
            target[top:bottom].addmm_(weights, source[upper:lower])


def banded_sum(bands: Sequence[Band], inputs: Sequence[Tensor]) -> Tensor:
    """Sum over i of bands[i] @ inputs[i].

    Args:
        bands: Matrices [rows, columns_i].
        inputs: [N, columns_i, M] each.

    Returns:
        [N, rows, M]; differentiable in the inputs.
    """
    output: Tensor = _BandedSum.apply(bands, *inputs)  # pyright: ignore
    return output


class _BandedSum(torch.autograd.Function):
    """Its backward pass is a product with the transposed bands, which are banded too."""

    @staticmethod
    def forward(ctx, bands, *inputs):
        ctx.bands = bands
        batch, _, width = inputs[0].shape
        output = inputs[0].new_empty(batch, bands[0].matrix.shape[0], width)
        return _accumulate(bands, inputs, output)

    @staticmethod
    def backward(ctx, gradient):  # pyright: ignore
        found = [
            banded_sum([band.transposed], [gradient.contiguous()]) if wanted else None
            for band, wanted in zip(ctx.bands, ctx.needs_input_grad[1:], strict=True)
        ]
        return None, *found


def _accumulate(bands: Sequence[Band], inputs: Sequence[Tensor], output: Tensor) -> Tensor:
    """Writes the first product over ``output`` and adds the others."""
    if is_fake(output):  # it has no values, as where memory is counted, and the products take none
        return output
    for index in range(len(bands[0].blocks)):
        for position, (band, values) in enumerate(zip(bands, inputs, strict=True)):
            top, bottom, left, right, part = band.blocks[index]
            target, source = output[:, top:bottom], values[:, left:right]
            for one in range(target.shape[0]):
                beta = 0.0 if position == 0 else 1.0
                target[one].addmm_(part, source[one], beta=beta)
    return output
