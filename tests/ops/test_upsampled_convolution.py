"""Convolutions without the upsampled maps, and in Winograd's tiles, against the plain forms."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from vit_adapter.ops import convolution, forms, recorded_forms, upsampled_convolution
from vit_adapter.ops.banded import Band, banded_sum

SIDES = st.tuples(st.integers(1, 41), st.integers(1, 41))


def draw(*size, seed=0, dtype=torch.float64):
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed), dtype=dtype) - 0.5


def in_form(operator, form, *inputs):
    with forms(**{operator.name: form}), recorded_forms() as ran:
        output = operator(*inputs)
    assert ran[operator.name] == {form: 1}
    return output


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(SIDES, min_size=1, max_size=4),
    batch=st.integers(1, 2),
    channels=st.integers(1, 4),
    align_corners=st.booleans(),
    inner=st.sampled_from(["reference", "winograd"]),
)
def test_maps_of_any_sizes(sizes, batch, channels, align_corners, inner):
    maps = [draw(batch, index + 1, *size, seed=index) for index, size in enumerate(sizes)]
    weight = draw(channels, sum(level.shape[1] for level in maps), 3, 3)
    leaves = [tensor.requires_grad_() for tensor in (*maps, weight)]
    bias = draw(channels, seed=8).requires_grad_() if batch == 1 else None
    leaves += [] if bias is None else [bias]
    expected = in_form(upsampled_convolution, "reference", maps, weight, bias, align_corners)
    with forms(convolution=inner):
        output = in_form(upsampled_convolution, "low_resolution", maps, weight, bias, align_corners)
        with torch.no_grad():  # sums in place
            alone = in_form(upsampled_convolution, "low_resolution", maps, weight, bias, align_corners)
    torch.testing.assert_close(output, expected, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(alone, expected, rtol=1e-9, atol=1e-11)
    probe = draw(*expected.shape, seed=9)
    for found, wanted in zip(
        torch.autograd.grad(output, leaves, probe), torch.autograd.grad(expected, leaves, probe)
    ):
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-10)


@settings(max_examples=40, deadline=None)
@given(size=SIDES, batch=st.integers(1, 2), inputs=st.integers(1, 4), outputs=st.integers(1, 4))
def test_winograd_of_any_size(size, batch, inputs, outputs):
    maps, weight = draw(batch, inputs, *size).requires_grad_(), draw(outputs, inputs, 3, 3).requires_grad_()
    expected = in_form(convolution, "reference", maps, weight)
    output = in_form(convolution, "winograd", maps, weight)
    torch.testing.assert_close(output, expected, rtol=1e-9, atol=1e-11)
    probe = draw(*expected.shape, seed=9)
    for found, wanted in zip(
        torch.autograd.grad(output, [maps, weight], probe),
        torch.autograd.grad(expected, [maps, weight], probe),
    ):
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-10)


@pytest.mark.slow
def test_gradients_agree_with_finite_differences():
    maps = [draw(1, 2, 5, 6), draw(1, 1, 2, 3), draw(1, 2, 1, 1)]
    leaves = [tensor.requires_grad_() for tensor in (*maps, draw(2, 5, 3, 3))]
    with forms(upsampled_convolution="low_resolution", convolution="winograd"):
        assert torch.autograd.gradcheck(lambda *all: upsampled_convolution(all[:-1], all[-1]), leaves)
        assert torch.autograd.gradgradcheck(lambda *all: upsampled_convolution(all[:-1], all[-1]), leaves)


def test_large_maps_are_cut_in_strips_and_blocks(monkeypatch):
    monkeypatch.setattr("vit_adapter.ops.winograd.STRIP_BYTES", 1 << 16)
    maps = [draw(2, 3, 130, 101), draw(2, 5, 65, 50), draw(2, 2, 7, 90)]
    weight = draw(4, 10, 3, 3)
    with forms(convolution="winograd"):
        output = in_form(upsampled_convolution, "low_resolution", maps, weight)
    expected = in_form(upsampled_convolution, "reference", maps, weight)
    torch.testing.assert_close(output, expected, rtol=1e-9, atol=1e-11)


def wide(kind=torch.float32, side=48):
    maps = [draw(1, 128, side // factor, side // factor, seed=factor).to(kind) for factor in (1, 2, 4)]
    return maps, draw(128, 3 * 128, 3, 3).to(kind)


def test_float32_is_as_close_as_asked():
    maps, weight = wide(torch.float64)
    expected = in_form(upsampled_convolution, "reference", maps, weight)
    maps, weight = wide()
    with recorded_forms() as ran:
        output = upsampled_convolution(maps, weight)
    assert ran == {"upsampled_convolution": {"low_resolution": 1}, "convolution": {"winograd": 1}}
    assert (output - expected).abs().max() <= 2e-5 * expected.abs().max()


@pytest.mark.parametrize("autocast", [False, True])
def test_half_precision_keeps_its_type_and_takes_no_winograd(autocast):
    maps, weight = wide(torch.float32 if autocast else torch.bfloat16)
    expected = in_form(upsampled_convolution, "reference", *wide(torch.float64))
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast), recorded_forms() as ran:
        output = upsampled_convolution(maps, weight)
    assert output.dtype == torch.bfloat16
    assert ran == {"upsampled_convolution": {"low_resolution": 1}, "convolution": {"reference": 1}}
    assert (output - expected).abs().max() <= 2e-2 * expected.abs().max()


@pytest.mark.slow
def test_small_inputs_and_traced_ones_take_the_reference():
    reference = {"upsampled_convolution": {"reference": 1}}
    for inputs in (wide(side=16), ([maps[:, :8] for maps in wide()[0]], wide()[1][:8, :24])):
        with recorded_forms() as ran:
            upsampled_convolution(*inputs)
        assert ran == reference
    maps, weight = wide()
    with recorded_forms() as ran:
        torch.compile(upsampled_convolution, backend="eager", fullgraph=True)(maps, weight)
    assert ran == reference


def test_bands_with_empty_rows():
    matrix = torch.zeros(70, 5, dtype=torch.float64)
    matrix[2, 1] = matrix[69, 4] = 3.0
    values = draw(2, 5, 3)
    torch.testing.assert_close(banded_sum([Band(matrix)], [values]), matrix @ values)


def test_tensors_without_values_are_not_kept():
    """Memory is counted on such tensors; what is kept between calls must not be theirs."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    shapes = [(1, 64, 40, 48), (1, 64, 20, 24)]
    weight = torch.randn(64, 128, 3, 3)
    with forms(upsampled_convolution="low_resolution"):
        with FakeTensorMode():
            upsampled_convolution([torch.empty(shape) for shape in shapes], torch.empty(64, 128, 3, 3))
        maps = [torch.randn(shape) for shape in shapes]
        found = upsampled_convolution(maps, weight)
        with FakeTensorMode():
            upsampled_convolution([torch.empty(shape) for shape in shapes], torch.empty(64, 128, 3, 3))
    with forms("reference"):
        torch.testing.assert_close(found, upsampled_convolution(maps, weight), rtol=1e-4, atol=1e-3)
