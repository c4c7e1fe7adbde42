"""Deformable attention as the paper writes it: the form that the others are compared with, and that is exported."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .levels import Shapes, level_sides


def by_grid_sample(
    value: Tensor, shapes: Shapes, points: Tensor, weights: Tensor, reference: Tensor | None = None
) -> Tensor:
    """As the paper writes it, by ``grid_sample``; arguments as in ``deformable_attention.OPERATOR``."""
    # Half precision is too coarse for positions on a map (behaviour 2).
    dtype, result = torch.promote_types(value.dtype, torch.float32), value.dtype
    value, points, weights = value.to(dtype), points.to(dtype), weights.to(dtype)
    if reference is not None:
        # An offset of 1 is one pixel of the level it reads.
        points = reference[:, :, None, :, None] + points / level_sides(shapes, points)[:, None]
        weights = weights.flatten(3).softmax(-1).view(weights.shape)
    locations, weights = points.to(dtype), weights.to(dtype)
    batch, _, heads, channels = value.shape
    queries, per_level = locations.shape[1], locations.shape[4]
    areas = [height * width for height, width in shapes]

    # grid_sample counts from -1 to 1 between the outer edges.
    grids = (2 * locations - 1).permute(3, 0, 2, 1, 4, 5)  # [L, B, M, Q, P, 2]
    weights = weights.permute(3, 0, 2, 1, 4)  # [L, B, M, Q, P]
    output = value.new_zeros(())
    for (height, width), level_value, grid, weight in zip(
        shapes, value.split(areas, dim=1), grids, weights, strict=True
    ):
        # [B, h*w, M, D] -> [B*M, D, h, w]
        maps = level_value.permute(0, 2, 3, 1).reshape(batch * heads, channels, height, width)
        samples = F.grid_sample(
            maps,
            grid.reshape(batch * heads, queries, per_level, 2),
            padding_mode="zeros",
            align_corners=False,
        )  # [B*M, D, Q, P]
        output = output + (samples * weight.reshape(batch * heads, 1, queries, per_level)).sum(-1)
    # [B*M, D, Q] -> [B, Q, M*D]
    return output.reshape(batch, heads * channels, queries).transpose(1, 2).to(result)


def twice_differentiable(
    gradient: Tensor, value: Tensor, shapes: Shapes, points: Tensor, weights: Tensor, reference: Tensor | None
) -> tuple[Tensor, ...]:
    """Gradients of value, points and weights that can be differentiated again.

    The backward passes of the other forms have no derivative of their own; they come here when one is wanted
    (``create_graph=True``).
    """
    inputs = value, points, weights
    wanted = [tensor for tensor in inputs if tensor.requires_grad]
    output = by_grid_sample(value, shapes, points, weights, reference)
    found = iter(torch.autograd.grad(output, wanted, gradient, create_graph=True))
    return tuple(next(found) if tensor.requires_grad else None for tensor in inputs)  # pyright: ignore


def wants_second_derivative() -> bool:
    """Whether the backward pass that runs is to be differentiated."""
    return torch.is_grad_enabled() and not torch.compiler.is_compiling()
