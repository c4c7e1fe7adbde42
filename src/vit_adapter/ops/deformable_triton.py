# Kernels are written in a language of their own, whose types Python checkers do not know.
# pyright: reportGeneralTypeIssues=false, reportOperatorIssue=false, reportArgumentType=false
"""Deformable attention on a GPU: one kernel forwards, one backwards, written in Triton.

Import it only where Triton is installed. Softmax, locations, sampling and sum are one pass over the queries; nothing is
kept for the backward pass but the inputs, and the host never waits for the device. Values may be of half precision:
positions and sums are float32 in any case (float64 for float64 values).
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from .levels import Shapes
from .registration import register
from .row_sum import value_gradient

MAX_LEVELS = 4
"""Sizes of levels are arguments of the kernels, by name."""
_TILE = 1024
"""Numbers that a program sums at a time: queries × channels of a head."""


@triton.jit
def _read(value, base, row, column, height, width, d, inside, step, channels: tl.constexpr):
    """Pixels [queries, channels] of one map, zero outside; and their offsets and mask."""
    within = inside & (row >= 0) & (row < height) & (column >= 0) & (column < width)
    offsets = base + (row * width + column)[:, None] * step + d[None, :]
    mask = within[:, None] & (d < channels)[None, :]
    return tl.load(value + offsets, mask=mask, other=0.0), offsets, mask


@triton.jit
def _softmax_terms(weights, item, valid, number: tl.constexpr, accumulator: tl.constexpr):
    """Largest logit of every query, and the sum of the exponentials of the others' distances to it."""
    top = tl.load(weights + item * number, mask=valid, other=0.0).to(accumulator)
    total = top * 0.0 + 1.0
    for index in range(1, number):
        logit = tl.load(weights + item * number + index, mask=valid, other=0.0).to(accumulator)
        higher = tl.maximum(top, logit)
        total = total * tl.exp(top - higher) + tl.exp(logit - higher)
        top = higher
    return top, total


@triton.jit
def _place(
    points, at, valid, x_from, y_from, height, width, offsets: tl.constexpr, accumulator: tl.constexpr
):
    """Upper left pixel, shares of its right and lower neighbours, and whether the point reaches the map."""
    x = tl.load(points + at, mask=valid, other=0.0).to(accumulator)
    y = tl.load(points + at + 1, mask=valid, other=0.0).to(accumulator)
    if offsets:
        x = x_from * width + x - 0.5
        y = y_from * height + y - 0.5
    else:
        x = x * width - 0.5
        y = y * height - 0.5
    # Points far outside, or not numbers, have no pixel that an integer could name.
    inside = valid & (x >= -1.0) & (x <= width) & (y >= -1.0) & (y <= height)
    x = tl.where(inside, x, 0.0)
    y = tl.where(inside, y, 0.0)
    left = tl.floor(x)
    upper = tl.floor(y)
    return left.to(tl.int32), upper.to(tl.int32), x - left, y - upper, inside


@triton.jit
def _size(level: tl.constexpr, h0, w0, h1, w1, h2, w2, h3, w3):
    """Height, width and first token of a level."""
    if level == 0:
        height, width, start = h0, w0, 0
    elif level == 1:
        height, width, start = h1, w1, h0 * w0
    elif level == 2:
        height, width, start = h2, w2, h0 * w0 + h1 * w1
    else:
        height, width, start = h3, w3, h0 * w0 + h1 * w1 + h2 * w2
    return height, width, start


@triton.jit
def forward_kernel(
    value, points, weights, reference, output,
    queries, tokens, reference_step,
    h0, w0, h1, w1, h2, w2, h3, w3,
    heads: tl.constexpr, channels: tl.constexpr, levels: tl.constexpr, per_level: tl.constexpr,
    offsets: tl.constexpr, accumulator: tl.constexpr, block_q: tl.constexpr, block_d: tl.constexpr,
):  # fmt: skip
    """One head of ``block_q`` queries of one image; see ``_arguments``."""
    image = (tl.program_id(1) // heads).to(tl.int64)
    head = tl.program_id(1) % heads
    q = tl.program_id(0) * block_q + tl.arange(0, block_q)
    d = tl.arange(0, block_d)
    valid = q < queries
    number: tl.constexpr = levels * per_level
    step: tl.constexpr = heads * channels
    item = (image * queries + q) * heads + head
    top = tl.zeros([block_q], accumulator)
    total, x_from, y_from = top, top, top
    if offsets:
        top, total = _softmax_terms(weights, item, valid, number, accumulator)
    summed = tl.zeros([block_q, block_d], accumulator)
    for level in tl.static_range(levels):
        height, width, start = _size(level, h0, w0, h1, w1, h2, w2, h3, w3)
        base = (image * tokens + start) * step + head * channels
        if offsets:
            at = reference + image * reference_step + (q * levels + level) * 2
            x_from = tl.load(at, mask=valid, other=0.0).to(accumulator)
            y_from = tl.load(at + 1, mask=valid, other=0.0).to(accumulator)
        for point in range(per_level):
            index = item * number + level * per_level + point
            share = tl.load(weights + index, mask=valid, other=0.0).to(accumulator)
            if offsets:
                share = tl.exp(share - top) / total
            left, upper, x, y, inside = _place(
                points, index * 2, valid, x_from, y_from, height, width, offsets, accumulator
            )
            for corner in tl.static_range(4):
                pixels, _, _ = _read(
                    value,
                    base,
                    upper + corner // 2,
                    left + corner % 2,
                    height,
                    width,
                    d,
                    inside,
                    step,
                    channels,
                )
                part = share * (x if corner % 2 else 1.0 - x) * (y if corner // 2 else 1.0 - y)
                summed += part[:, None] * pixels.to(accumulator)
    written = (item * channels)[:, None] + d[None, :]
    mask = valid[:, None] & (d < channels)[None, :]
    tl.store(output + written, summed.to(output.dtype.element_ty), mask=mask)


@triton.jit
def backward_kernel(
    value, points, weights, reference, gradient, to_value, to_points, to_weights,
    queries, tokens, reference_step,
    h0, w0, h1, w1, h2, w2, h3, w3,
    heads: tl.constexpr, channels: tl.constexpr, levels: tl.constexpr, per_level: tl.constexpr,
    offsets: tl.constexpr, accumulator: tl.constexpr, block_q: tl.constexpr, block_d: tl.constexpr,
    atomic: tl.constexpr,
):  # fmt: skip
    """Gradients of one head of ``block_q`` queries.

    ``to_weights`` is that of the attention weights: after the softmax, where weights are logits. Without ``atomic``,
    ``to_value`` is left as it is.
    """
    image = (tl.program_id(1) // heads).to(tl.int64)
    head = tl.program_id(1) % heads
    q = tl.program_id(0) * block_q + tl.arange(0, block_q)
    d = tl.arange(0, block_d)
    valid = q < queries
    number: tl.constexpr = levels * per_level
    step: tl.constexpr = heads * channels
    item = (image * queries + q) * heads + head
    top = tl.zeros([block_q], accumulator)
    total, x_from, y_from = top, top, top
    if offsets:
        top, total = _softmax_terms(weights, item, valid, number, accumulator)
    written = (item * channels)[:, None] + d[None, :]
    mask = valid[:, None] & (d < channels)[None, :]
    wanted = tl.load(gradient + written, mask=mask, other=0.0).to(accumulator)
    for level in tl.static_range(levels):
        height, width, start = _size(level, h0, w0, h1, w1, h2, w2, h3, w3)
        base = (image * tokens + start) * step + head * channels
        if offsets:
            at = reference + image * reference_step + (q * levels + level) * 2
            x_from = tl.load(at, mask=valid, other=0.0).to(accumulator)
            y_from = tl.load(at + 1, mask=valid, other=0.0).to(accumulator)
        for point in range(per_level):
            index = item * number + level * per_level + point
            share = tl.load(weights + index, mask=valid, other=0.0).to(accumulator)
            if offsets:
                share = tl.exp(share - top) / total
            left, upper, x, y, inside = _place(
                points, index * 2, valid, x_from, y_from, height, width, offsets, accumulator
            )
            to_x = tl.zeros([block_q], accumulator)
            to_y, to_share = to_x, to_x
            for corner in tl.static_range(4):
                pixels, at_pixels, read = _read(
                    value,
                    base,
                    upper + corner // 2,
                    left + corner % 2,
                    height,
                    width,
                    d,
                    inside,
                    step,
                    channels,
                )
                across = x if corner % 2 else 1.0 - x
                down = y if corner // 2 else 1.0 - y
                product = tl.sum(pixels.to(accumulator) * wanted, axis=1)
                to_share += product * across * down
                to_x += product * down if corner % 2 else -product * down
                to_y += product * across if corner // 2 else -product * across
                if atomic:
                    given = (share * across * down)[:, None] * wanted
                    tl.atomic_add(to_value + at_pixels, given, mask=read, sem="relaxed")
            # Where a point moves the sample: in pixels from a reference, else in sides of the map.
            to_x = to_x * share
            to_y = to_y * share
            if not offsets:
                to_x = to_x * width
                to_y = to_y * height
            tl.store(to_points + index * 2, to_x.to(to_points.dtype.element_ty), mask=valid)
            tl.store(to_points + index * 2 + 1, to_y.to(to_points.dtype.element_ty), mask=valid)
            tl.store(to_weights + index, to_share.to(to_weights.dtype.element_ty), mask=valid)


def _forward(
    value: Tensor, shapes: Shapes, points: Tensor, weights: Tensor, reference: Tensor | None
) -> Tensor:
    value, points, weights = value.contiguous(), points.contiguous(), weights.contiguous()
    batch, _, heads, channels = value.shape
    output = value.new_empty(batch, points.shape[1], heads * channels)
    grid, arguments, constants = _arguments(value, points, reference, shapes)
    if output.numel():
        forward_kernel[grid](value, points, weights, arguments[0], output, *arguments[1:], **constants)
    return output


def _backward(
    gradient: Tensor,
    value: Tensor,
    shapes: Shapes,
    points: Tensor,
    weights: Tensor,
    reference: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Those of value are summed in an order that changes from run to run, unless torch is told to be deterministic."""
    gradient, value = gradient.contiguous(), value.contiguous()
    points, weights = points.contiguous(), weights.contiguous()
    dtype = torch.promote_types(value.dtype, torch.float32)
    deterministic = torch.are_deterministic_algorithms_enabled()
    # Sums in half precision would be slow as atomic operations, and wrong.
    to_value = torch.empty_like(value, dtype=dtype) if deterministic else torch.zeros_like(value, dtype=dtype)
    to_points, to_weights = torch.empty_like(points), torch.empty_like(weights, dtype=dtype)
    grid, arguments, constants = _arguments(value, points, reference, shapes)
    if gradient.numel():
        backward_kernel[grid](
            value, points, weights, arguments[0], gradient, to_value, to_points, to_weights, *arguments[1:],
            **constants, atomic=not deterministic,
        )  # fmt: skip
    if deterministic:
        exact = value.to(dtype), shapes, points.to(dtype), weights.to(dtype)
        to_value = value_gradient(*exact, reference, gradient)
    if reference is not None:
        # The softmax over levels and points.
        shares = weights.to(dtype).flatten(3).softmax(-1).view(weights.shape)
        weighted = to_weights * shares
        to_weights = weighted - shares * weighted.sum((-2, -1), keepdim=True)
    return to_value.to(value.dtype), to_points, to_weights.to(weights.dtype)


attend = register("deformable_attention", _forward, _backward)


def _arguments(value: Tensor, points: Tensor, reference: Tensor | None, shapes: Shapes) -> tuple:
    """Grid; reference points [1 or B, Q, L, 2] and numbers; constants that a kernel is compiled for."""
    batch, tokens, heads, channels = value.shape
    queries, levels, per_level = points.shape[1], points.shape[3], points.shape[4]
    step = 0
    if reference is not None:
        reference = reference.expand(-1, -1, levels, -1).contiguous()
        step = reference[0].numel() if len(reference) > 1 else 0
    block_d = triton.next_power_of_2(channels)
    block_q = max(1, _TILE // block_d)
    constants = {
        "heads": heads,
        "channels": channels,
        "levels": levels,
        "per_level": per_level,
        "offsets": reference is not None,
        "accumulator": tl.float64 if value.dtype == torch.float64 else tl.float32,
        "block_q": block_q,
        "block_d": block_d,
    }
    sides = [side for shape in shapes for side in shape]
    numbers = [queries, tokens, step, *sides, *[1] * (2 * MAX_LEVELS - len(sides))]
    grid = (triton.cdiv(queries, block_q), batch * heads)
    return grid, [points if reference is None else reference, *numbers], constants
