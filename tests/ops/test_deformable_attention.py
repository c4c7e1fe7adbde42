"""Deformable attention against a loop in float64, at borders, and in its gradients."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from vit_adapter.config import InputError
from vit_adapter.ops import DeformableAttention, deformable_attention, forms, recorded_forms, row_sum
from vit_adapter.ops.deformable_attention import OPERATOR

FORMS = [form for form in OPERATOR.forms if OPERATOR.missing(form) is None]
"""Those that can run here."""
every_form = pytest.mark.parametrize("form", FORMS)


def in_form(form, *inputs):
    """``deformable_attention`` in one form."""
    with forms(deformable_attention=form):
        return deformable_attention(*inputs)


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


@every_form
@settings(max_examples=25, deadline=None)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=3),
    heads=st.integers(1, 3),
    channels=st.integers(1, 4),
    points=st.integers(1, 3),
    batch=st.integers(1, 2),
    seed=st.integers(0, 1000),
)
def test_equals_a_loop(form, shapes, heads, channels, points, batch, seed):
    value, locations, weights = make(shapes, batch, heads, channels, 2, points, seed=seed)
    expected = looped(value, shapes, locations, weights)
    torch.testing.assert_close(
        in_form(form, value, shapes, locations, weights), expected, rtol=1e-10, atol=1e-12
    )


@every_form
def test_gradients_agree_with_finite_differences(form):
    shapes = [(3, 4), (2, 2)]
    value, locations, weights = make(shapes, 2, 2, 2, 3, 2)
    inputs = tuple(tensor.requires_grad_() for tensor in (value, locations, weights))
    assert torch.autograd.gradcheck(lambda v, s, w: in_form(form, v, shapes, s, w), inputs)


@every_form
def test_gradients_from_reference_points_agree_with_finite_differences(form):
    """Offsets and logits: location arithmetic and softmax are part of the operator."""
    shapes = [(3, 4), (2, 2)]
    value, offsets, logits = make(shapes, 2, 2, 2, 3, 2, spread=3.0)
    reference = torch.rand(1, 3, 1, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    inputs = tuple(tensor.requires_grad_() for tensor in (value, offsets - 0.5, logits))

    def run(*inputs):
        with forms(deformable_attention=form):
            return OPERATOR(inputs[0], shapes, *inputs[1:], reference)

    assert torch.autograd.gradcheck(run, tuple(tensor.detach().requires_grad_() for tensor in inputs))


@every_form
@pytest.mark.parametrize("distance", [1e4, 1e9, 1e30])
def test_far_outside_is_zero_without_gradient(form, distance):
    shapes = [(4, 4)]
    value, locations, weights = make(shapes)
    locations = locations.sign() * distance
    locations.requires_grad_()
    output = in_form(form, value, shapes, locations, weights)
    output.sum().backward()
    assert output.abs().max() == 0
    assert locations.grad.abs().max() == 0


@every_form
def test_borders_as_in_the_reference(form):
    """Points on, just inside and just outside of the outermost pixels' reach, where samples fade to zero."""
    shapes = [(3, 5)]
    value, _, _ = make(shapes, 1)
    steps = torch.tensor([-1.5, -1.001, -1.0, -0.999, -0.5, 0.0, 0.25], dtype=torch.float64)
    xs, ys = [torch.cat([steps, side - 1 - steps.flip(0)]) for side in (5, 3)]
    pixels = torch.cartesian_prod(xs, ys)
    locations = ((pixels + 0.5) / pixels.new_tensor([5, 3])).view(1, -1, 1, 1, 1, 2).repeat(1, 1, 2, 1, 1, 1)
    weights = torch.rand(locations.shape[:-1], dtype=torch.float64)
    probe = torch.randn(1, len(pixels), 6, dtype=torch.float64)
    found = []
    for name in (form, "reference"):
        inputs = [tensor.clone().requires_grad_() for tensor in (value, locations, weights)]
        output = in_form(name, inputs[0], shapes, *inputs[1:])
        found.append([output, *torch.autograd.grad(output, inputs, probe)])
    # Half way into the outermost pixel the slope jumps; both sides are right there.
    on_a_pixel = (pixels == pixels.round()).any(1)
    for index, (ours, theirs) in enumerate(zip(*found, strict=True)):
        kept = ~on_a_pixel if index == 2 else slice(None)
        ours, theirs = (ours, theirs) if index == 1 else (ours[:, kept], theirs[:, kept])
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@every_form
def test_a_point_that_is_not_a_number_reads_nothing_beyond(form):
    shapes = [(4, 4), (2, 3)]
    inputs = [tensor.requires_grad_() for tensor in make(shapes)]
    inputs[1].data[0, 1] = math.nan
    output = in_form(form, inputs[0], shapes, *inputs[1:])
    assert output[:, 2:].isfinite().all()
    output.sum().backward()
    assert inputs[1].grad[:, 2:].isfinite().all()


def test_rows_are_summed_in_parts(monkeypatch):
    shapes = [(4, 3), (2, 2)]
    inputs = [tensor.requires_grad_() for tensor in make(shapes, queries=7)]
    results = []
    for chunk in (row_sum._CHUNK, 100, 1):
        monkeypatch.setattr(row_sum, "_CHUNK", chunk)
        output = in_form("row_sum", inputs[0], shapes, *inputs[1:])
        results.append([output, *torch.autograd.grad(output.square().sum(), inputs)])
    for other in results[1:]:
        torch.testing.assert_close(other, results[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_form_that_runs_on_the_cpu(dtype):
    shapes = [(3, 4)]
    value, locations, weights = make(shapes)
    exact = deformable_attention(value, shapes, locations, weights)
    with recorded_forms() as ran:
        output = deformable_attention(value.to(dtype), shapes, locations.float(), weights.float())
    assert ran == {"deformable_attention": {"row_sum": 1}}
    assert output.dtype == dtype
    # Sums and positions are float32: what is off is the rounding of the values and of the output.
    assert (output.double() - exact).abs().max() <= 8 * torch.finfo(dtype).eps * exact.abs().max()


@every_form
def test_second_derivatives_agree_with_finite_differences(form):
    """``create_graph=True``; other forms compute their gradients by the reference then."""
    shapes = [(3, 4)]
    inputs = tuple(tensor.requires_grad_() for tensor in make(shapes, 1, 1, 2, 2, 2))
    assert torch.autograd.gradgradcheck(lambda v, s, w: in_form(form, v, shapes, s, w), inputs)


@pytest.mark.slow
@pytest.mark.parametrize("given_reference", [False, True])
def test_row_sum_is_an_operator_as_torch_wants_it(given_reference):
    """Schema, shapes without values, gradients, and traced with sizes that are symbols."""
    shapes = [(3, 4), (2, 2)]
    value, points, weights = (one.float().requires_grad_() for one in make(shapes, 2, 2, 8, 3, 2))
    reference = torch.rand(1, 3, 1, 2) if given_reference else None
    inputs = (value, points, weights, reference, [3, 4, 2, 2])
    torch.library.opcheck(torch.ops.vit_adapter.row_sum, inputs)
    torch.library.opcheck(torch.ops.vit_adapter.row_sum, (value.detach().bfloat16(), *inputs[1:]))


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
