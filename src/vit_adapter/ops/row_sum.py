"""Deformable attention on the CPU, as sums of weighted rows.

A bilinear sample is a weighted sum of four pixels, so what a head of a query reads is one weighted sum of
levels × points × 4 rows of the table of all values. ``embedding_bag`` does such sums without keeping the rows.
Maps get a border of zeros, so that a point outside of a map needs no mask: it is moved into the border.

In the backward pass the gradient of a row is the weighted sum over the samples that read it: the transposed product
with the same sparse matrix, whose columns are the bags. Nothing but the inputs is kept for it.
"""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import is_fake

from .levels import Shapes, level_sides
from .registration import register

_CHUNK = 1 << 20
"""Rows that are summed at a time: their indices and weights stay in the cache."""


class _Layout(NamedTuple):
    """Where the pixels of all levels lie in the table of rows.

    Attributes:
        pitch: Rows of pixels from one line of a map to the next, the same for all levels: the widest and a border.
        starts: First row of every level.
        rows: Rows of one image and head.
    """

    pitch: int
    starts: list[int]
    rows: int


class _Points(NamedTuple):
    """Sampling points in the table; K = L * P.

    Attributes:
        corner: int32 [B, Q, M * K] rows of their upper left pixels.
        x, y: [B, Q, M * K] shares of the right and of the lower pixels, 0..1.
        inside: bool [B, Q, M * K, 2], where a point was not moved; None: not asked for.
    """

    corner: Tensor
    x: Tensor
    y: Tensor
    inside: Tensor | None


def fits_row_sum(value: Tensor, shapes: Shapes) -> bool:
    """Whether the rows can be counted in 32 bits."""
    batch, _, heads, _ = value.shape
    return batch * heads * _layout(shapes).rows < 2**31


def _forward(
    value: Tensor, shapes: Shapes, points: Tensor, weights: Tensor, reference: Tensor | None
) -> Tensor:
    dtype = torch.promote_types(value.dtype, torch.float32)
    batch, _, heads, channels = value.shape
    queries, levels, per_level = points.shape[1], points.shape[3], points.shape[4]
    points, weights = points.to(dtype), weights.to(dtype)
    layout = _layout(shapes)
    table = _table(value.to(dtype), shapes, layout)
    step = max(1, min(queries, _CHUNK // (batch * heads * levels * per_level * 4)))
    output = []
    for first in range(0, max(queries, 1), step):
        part = slice(first, first + step)
        found = _points(points[:, part], _of_queries(reference, part), shapes, layout)
        indices, shares = _rows(found, _attention(weights[:, part], reference), layout)
        output.append(F.embedding_bag(indices, table, mode="sum", per_sample_weights=shares))
        output[-1] = output[-1].view(batch, -1, heads * channels)
    return (output[0] if len(output) == 1 else torch.cat(output, dim=1)).to(value.dtype)


def _backward(
    gradient: Tensor,
    value: Tensor,
    shapes: Shapes,
    points: Tensor,
    weights: Tensor,
    reference: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of value, points and weights for that of the output [B, Q, M * D], in their types."""
    results = value.dtype, points.dtype, weights.dtype
    dtype = torch.promote_types(value.dtype, torch.float32)
    gradient, value, points, weights = (one.to(dtype) for one in (gradient, value, points, weights))
    found = _gradients(gradient, value, shapes, points, weights, reference)
    return tuple(one.to(result) for one, result in zip(found, results, strict=True))  # pyright: ignore


row_sum = register("row_sum", _forward, _backward)


def _gradients(
    gradient: Tensor,
    value: Tensor,
    shapes: Shapes,
    points: Tensor,
    weights: Tensor,
    reference: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    channels = value.shape[3]
    layout = _layout(shapes)
    table = _table(value, shapes, layout)
    found = _points(points, reference, shapes, layout, mask=True)
    attention = _attention(weights, reference)
    indices, shares = _rows(found, attention, layout)
    per_bag = gradient.reshape(-1, channels)  # [bags, D]

    rows = _transposed_sum(indices, shares, per_bag, len(table))
    to_value = _values(rows, value.shape, shapes, layout)

    # What each row would give: [bags, 4 * K] -> upper left, upper right, lower left, lower right of [B, Q, M * K]
    dots = _row_products(indices, table, per_bag).unflatten(1, (4, -1))
    corners = [dots[:, corner].reshape(found.x.shape) for corner in range(4)]
    upper_left, upper_right, lower_left, lower_right = corners
    upper = torch.lerp(upper_left, upper_right, found.x)
    lower = torch.lerp(lower_left, lower_right, found.x)
    per_weight = torch.lerp(upper, lower, found.y).view(weights.shape)
    slope = torch.stack(
        [torch.lerp(upper_right - upper_left, lower_right - lower_left, found.y), lower - upper], dim=-1
    )
    assert found.inside is not None
    slope = (slope * attention.view(found.x.shape)[..., None]).masked_fill_(~found.inside, 0.0)
    slope = slope.view(points.shape)
    if reference is None:
        # Locations are counted in sides of the map, not in pixels.
        return to_value, slope * level_sides(shapes, points)[:, None], per_weight
    # The softmax: w * (g - sum(w * g)) over levels and points.
    weighted = per_weight * attention
    return to_value, slope, weighted - attention * weighted.sum((-2, -1), keepdim=True)


def value_gradient(
    value: Tensor,
    shapes: Shapes,
    points: Tensor,
    weights: Tensor,
    reference: Tensor | None,
    gradient: Tensor,
) -> Tensor:
    """That of value alone, on any device, summed in the same order in every run: float32 or float64 [B, S, M, D]."""
    batch, _, heads, channels = value.shape
    layout = _layout(shapes)
    found = _points(points, reference, shapes, layout)
    indices, shares = _rows(found, _attention(weights, reference), layout)
    per_bag = gradient.reshape(-1, channels).to(value.dtype)
    rows = _transposed_sum(indices, shares, per_bag, batch * layout.rows * heads)
    return _values(rows, value.shape, shapes, layout)


def _layout(shapes: Shapes) -> _Layout:
    pitch = max(width for _, width in shapes) + 1
    starts, rows = [], 0
    for height, _ in shapes:
        starts.append(rows)
        rows += (height + 2) * pitch  # a line of zeros above and below
    return _Layout(pitch, starts, rows + pitch + 2)


def _table(value: Tensor, shapes: Shapes, layout: _Layout) -> Tensor:
    """[B * rows * M, D]: the maps, each with zeros above, below and at the left; the latter end the line above."""
    batch, _, heads, channels = value.shape
    table = value.new_zeros(batch, layout.rows, heads * channels)
    areas = [height * width for height, width in shapes]
    for (height, width), start, level in zip(shapes, layout.starts, value.split(areas, dim=1)):
        lines = table.narrow(1, start, (height + 2) * layout.pitch).unflatten(1, (height + 2, layout.pitch))
        lines[:, 1 : height + 1, 1 : width + 1] = level.reshape(batch, height, width, heads * channels)
    return table.view(-1, channels)


def _values(rows: Tensor, size: torch.Size, shapes: Shapes, layout: _Layout) -> Tensor:
    """The inverse of ``_table``: [B * rows * M, D] -> [B, S, M, D]."""
    batch, _, heads, channels = size
    table = rows.view(batch, layout.rows, heads, channels)
    maps = []
    for (height, width), start in zip(shapes, layout.starts):
        lines = table.narrow(1, start, (height + 2) * layout.pitch).unflatten(1, (height + 2, layout.pitch))
        maps.append(lines[:, 1 : height + 1, 1 : width + 1].flatten(1, 2))
    return torch.cat(maps, dim=1)


def _points(
    points: Tensor, reference: Tensor | None, shapes: Shapes, layout: _Layout, mask: bool = False
) -> _Points:
    batch, queries, heads, levels, per_level, _ = points.shape
    sides = level_sides(shapes, points)
    wholes, shares, inside = [], [], []
    for axis in range(2):  # each alone: pairs of numbers are handled several times more slowly
        side = sides[:, axis]
        # In pixels of the bordered maps: the centre of the first pixel is at 1.
        if reference is None:
            places = (points[..., axis] * side[:, None]).add_(0.5)
        else:
            # Laid out for all points first: sums of a few numbers at a time would be slow.
            centres = (reference[..., axis] * side + 0.5).to(points.dtype)  # [1 or B, Q, L]
            centres = centres[..., None].expand(-1, -1, -1, per_level).flatten(2)
            places = points[..., axis].flatten(3) + centres[:, :, None]
        places = places.reshape(batch, queries, heads * levels * per_level)
        last = (side + 1)[:, None].expand(heads, levels, per_level).reshape(-1)
        kept = torch.clamp(places, torch.zeros_like(last), last)
        if mask:
            inside.append(places == kept)
        wholes.append(kept.floor())
        shares.append(kept.sub_(wholes[-1]))

    # [M * K], and [B, 1, 1] for the images
    rows = batch * layout.rows * heads
    # Sums of whole numbers that the type of the points holds exactly; others are counted in integers.
    kind = points.dtype if rows <= 1 << 24 else torch.int32
    starts = torch.stack([sides.new_full((), start, dtype=kind) for start in layout.starts])
    head = torch.arange(heads, dtype=kind, device=points.device)
    first = (starts[:, None] * heads + head[:, None, None]).expand(-1, -1, per_level).reshape(-1)
    image = torch.arange(batch, dtype=kind, device=points.device)[:, None, None] * (layout.rows * heads)
    corner = torch.add(wholes[0].to(kind), wholes[1].to(kind), alpha=layout.pitch).mul_(heads)
    corner = corner.add_(first + image).int()
    # A point that is not a number may read anything, but nothing outside of the table.
    corner = corner.clamp_(0, (batch * layout.rows - layout.pitch - 2) * heads)
    return _Points(corner, shares[0], shares[1], torch.stack(inside, dim=-1) if mask else None)


def _of_queries(reference: Tensor | None, part: slice) -> Tensor | None:
    return None if reference is None else reference[:, part]


def _attention(weights: Tensor, reference: Tensor | None) -> Tensor:
    """[B, Q, M, L, P]; the softmax where ``weights`` are logits."""
    if reference is None:
        return weights
    # Over the first axis: over so few numbers in the last one, PyTorch's softmax takes as long as the sampling.
    shares = weights.flatten(0, 2).flatten(1).t().softmax(0)
    return shares.t().contiguous().view(weights.shape)


def _rows(found: _Points, attention: Tensor, layout: _Layout) -> tuple[Tensor, Tensor]:
    """Indices and weights [bags, 4 * K] of what every bag reads: upper left, upper right, lower left, lower right."""
    heads, levels, per_level = attention.shape[2:]
    size = levels * per_level
    corner, x, y = (part.reshape(-1, size) for part in (found.corner, found.x, found.y))
    indices = corner.new_empty(len(corner), 4, size)
    below = layout.pitch * heads
    for place, step in enumerate((0, heads, below, below + heads)):
        torch.add(corner, step, out=indices[:, place])
    attention = attention.reshape(-1, size)
    lower = attention * y
    upper = attention - lower
    shares = attention.new_empty(len(corner), 4, size)
    for place, row in ((0, upper), (2, lower)):
        torch.mul(row, x, out=shares[:, place + 1])
        torch.sub(row, shares[:, place + 1], out=shares[:, place])
    return indices.flatten(1), shares.flatten(1)


def _transposed_sum(indices: Tensor, shares: Tensor, per_bag: Tensor, rows: int) -> Tensor:
    """[rows, D]: what each row gives to the bags, times the gradients of those, summed."""
    if per_bag.device.type == "cpu" and not is_fake(per_bag):
        return _sparse_product(indices, shares, per_bag, rows)
    per_row, order = indices.flatten().sort(stable=True)
    every = torch.arange(rows, dtype=torch.int32, device=indices.device)
    firsts = torch.searchsorted(per_row, every, out_int32=True)
    bags = order.div(indices.shape[1], rounding_mode="floor").int()
    shares = shares.flatten().index_select(0, order)
    return F.embedding_bag(bags, per_bag, firsts, mode="sum", per_sample_weights=shares)


def _sparse_product(indices: Tensor, shares: Tensor, per_bag: Tensor, rows: int) -> Tensor:
    """The same bag by bag on one core, which takes a fifth of the time that sorting does."""
    from scipy.sparse import csc_array  # late, as only training needs it

    bags, size = indices.shape
    ends = np.arange(0, bags * size + 1, size)
    matrix = csc_array((shares.flatten().numpy(), indices.flatten().numpy(), ends), shape=(rows, bags))
    return torch.from_numpy(matrix @ per_bag.numpy())


def _row_products(indices: Tensor, table: Tensor, per_bag: Tensor) -> Tensor:
    """[bags, 4 * K]: the product of every row that is read with its bag's gradient."""
    (bags, size), channels = indices.shape, table.shape[1]
    step = max(1, _CHUNK // (128 * size))
    products = []
    for first in range(0, max(bags, 1), step):
        if products and is_fake(table):  # memory is counted: the other parts take what the first one took
            products.append(table.new_empty(bags - first, size))
            break
        part = indices[first : first + step]
        read = table.index_select(0, part.flatten()).view(-1, size, channels)
        products.append(read.mul_(per_bag[first : first + step, None]).sum(-1))
    return torch.cat(products)
