"""Deformable attention against a loop in float64, at borders, and in its gradients."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from vit_adapter.config import InputError
from vit_adapter.ops import DeformableAttention, deformable_attention


def looped(value, shapes, locations, weights):
    """The definition, one sample at a time."""
    batch, _, heads, channels = value.shape
    queries, levels, points = locations.shape[1], len(shapes), locations.shape[4]
    output = torch.zeros(batch, queries, heads, channels, dtype=value.dtype)
    starts = [0]
    for height, width in shapes:
        starts.append(starts[-1] + height * width)
    for b in range(batch):
        for q in range(queries):
            for m in range(heads):
                for level in range(levels):
                    height, width = shapes[level]
                    for p in range(points):
                        x = locations[b, q, m, level, p, 0].item() * width - 0.5
                        y = locations[b, q, m, level, p, 1].item() * height - 0.5
                        for row in (math.floor(y), math.floor(y) + 1):
                            for column in (math.floor(x), math.floor(x) + 1):
                                if 0 <= row < height and 0 <= column < width:
                                    share = (1 - abs(y - row)) * (1 - abs(x - column))
                                    token = value[b, starts[level] + row * width + column, m]
                                    output[b, q, m] += weights[b, q, m, level, p] * share * token
    return output.flatten(2)


def make(shapes, batch=2, heads=2, channels=3, queries=4, points=2, spread=1.5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *size: torch.rand(*size, generator=generator, dtype=torch.float64)  # noqa: E731
    value = draw(batch, sum(h * w for h, w in shapes), heads, channels) - 0.5
    locations = (draw(batch, queries, heads, len(shapes), points, 2) - 0.5) * spread + 0.5
    weights = draw(batch, queries, heads, len(shapes), points)
    return value, locations, weights


@settings(max_examples=25, deadline=None)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=3),
    heads=st.integers(1, 3),
    channels=st.integers(1, 4),
    points=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_equals_a_loop(shapes, heads, channels, points, seed):
    value, locations, weights = make(shapes, 1, heads, channels, 2, points, seed=seed)
    expected = looped(value, shapes, locations, weights)
    torch.testing.assert_close(
        deformable_attention(value, shapes, locations, weights), expected, rtol=1e-10, atol=1e-12
    )


def test_gradients_agree_with_finite_differences():
    shapes = [(3, 4), (2, 2)]
    value, locations, weights = make(shapes, 1, 2, 2, 3, 2)
    inputs = tuple(tensor.requires_grad_() for tensor in (value, locations, weights))
    assert torch.autograd.gradcheck(lambda v, s, w: deformable_attention(v, shapes, s, w), inputs)


def test_far_outside_is_zero_without_gradient():
    shapes = [(4, 4)]
    value, locations, weights = make(shapes)
    locations = locations.sign() * 1e4
    locations.requires_grad_()
    output = deformable_attention(value, shapes, locations, weights)
    output.sum().backward()
    assert output.abs().max() == 0
    assert locations.grad.abs().max() == 0


def test_wrong_shapes_are_named():
    value, locations, weights = make([(3, 4)])
    with pytest.raises(ValueError, match=r"12 tokens.*\[\(3, 3\)\]"):
        deformable_attention(value, [(3, 3)], locations, weights)


def test_heads_that_do_not_divide_are_refused():
    with pytest.raises(InputError, match="deform_heads=5"):
        DeformableAttention(12, levels=1, heads=5)


def test_half_precision_samples_in_float32():
    layer = DeformableAttention(8, levels=1, heads=2, points=2)
    torch.nn.init.normal_(layer.sampling_offsets.weight, std=0.1)
    query, tokens = torch.randn(1, 6, 8), torch.randn(1, 12, 8)
    reference = torch.rand(1, 6, 1, 2)
    expected = layer(query, reference, tokens, [(3, 4)])
    with torch.autocast("cpu", torch.bfloat16):
        output = layer(query, reference, tokens, [(3, 4)])
    assert output.dtype == torch.bfloat16
    assert (output.float() - expected).abs().max() <= 2e-2 * expected.abs().max()
