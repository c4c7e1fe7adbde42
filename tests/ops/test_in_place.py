"""Forms that write over maps in inference: the same numbers, and never over what somebody may still hold."""

# pyright: reportCallIssue=false, reportArgumentType=false

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from vit_adapter import ViTAdapter
from vit_adapter.ops import doubled_sum, forms, memory_layout, normalized, recorded_forms, resized_sum
from vit_adapter.ops.feedforward import feedforward
from vit_adapter.ops.scratch import release_scratch, scratch


def draw(*size, seed=0, dtype=torch.float64):
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed), dtype=dtype) - 0.5


def channels_last(maps):
    return maps.contiguous(memory_format=torch.channels_last)


def ran_form(operator, *inputs):
    with recorded_forms() as ran:
        output = operator(*inputs)
    return output, next(iter(ran[operator.name]))


@settings(max_examples=40, deadline=None)
@given(
    coarse=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    more=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    batch=st.integers(1, 2),
    align_corners=st.booleans(),
)
def test_sum_with_a_resized_map(coarse, more, batch, align_corners):
    finer = draw(batch, 3, coarse[0] + more[0], coarse[1] + more[1])
    coarser = draw(batch, 3, *coarse, seed=1)
    with forms("reference"):
        expected = resized_sum(finer, coarser, align_corners)
    with torch.no_grad():
        written = channels_last(finer.clone())
        output, form = ran_form(resized_sum, written, coarser, align_corners)
    torch.testing.assert_close(output, expected, rtol=1e-9, atol=1e-11)
    leaves = [finer.requires_grad_(), coarser.requires_grad_()]
    with forms(resized_sum="banded"):
        again = resized_sum(*leaves, align_corners)
    with forms("reference"):
        expected = resized_sum(*leaves, align_corners)
    torch.testing.assert_close(again, expected, rtol=1e-9, atol=1e-11)
    probe = draw(*expected.shape, seed=2)
    for found, wanted in zip(
        torch.autograd.grad(again, leaves, probe), torch.autograd.grad(expected, leaves, probe)
    ):
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-10)
    assert form == "reference" or output.data_ptr() == written.data_ptr()


def test_sums_are_written_in_place_in_inference_alone():
    finer, coarser = channels_last(draw(1, 4, 8, 12)), draw(1, 4, 4, 6, seed=1)
    assert ran_form(resized_sum, finer, coarser)[1] == "reference"
    with torch.no_grad():
        assert ran_form(resized_sum, finer.clone(), coarser)[1] == "banded"
        # Not where the finer map is the smaller one, nor in another memory order.
        assert ran_form(resized_sum, coarser.clone(), finer)[1] == "reference"
        assert ran_form(resized_sum, finer.contiguous(), coarser)[1] == "reference"


@settings(max_examples=30, deadline=None)
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    batch=st.integers(1, 2),
    inputs=st.integers(1, 3),
    outputs=st.integers(1, 3),
)
def test_sum_with_a_doubled_map(size, batch, inputs, outputs):
    finer = draw(batch, outputs, 2 * size[0], 2 * size[1]).requires_grad_()
    leaves = [finer, draw(batch, inputs, *size, seed=1).requires_grad_()]
    leaves += [draw(inputs, outputs, 2, 2, seed=2).requires_grad_(), draw(outputs, seed=3).requires_grad_()]
    with forms("reference"):
        expected = doubled_sum(*leaves)
    output, form = ran_form(doubled_sum, *leaves)
    assert form == "product"
    torch.testing.assert_close(output, expected, rtol=1e-9, atol=1e-11)
    probe = draw(*expected.shape, seed=9)
    for found, wanted in zip(
        torch.autograd.grad(output, leaves, probe), torch.autograd.grad(expected, leaves, probe)
    ):
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-10)
    with torch.no_grad():
        for written in (finer.clone(), channels_last(finer.clone())):
            alone = doubled_sum(written, *leaves[1:])
            assert alone.data_ptr() == written.data_ptr()
            torch.testing.assert_close(alone, expected.detach(), rtol=1e-9, atol=1e-11)


def test_batch_norm_in_place():
    norm = nn.BatchNorm2d(5).double()
    norm.running_mean = draw(5, seed=1)
    norm.running_var = draw(5, seed=2) + 1
    with torch.no_grad():
        norm.weight.copy_(draw(5, seed=3))
        norm.bias.copy_(draw(5, seed=4))
        maps = draw(2, 5, 6, 7)
        assert ran_form(normalized, maps.clone(), norm)[1] == "reference"  # it is training
        norm.eval()
        expected = norm(maps)
        for written in (maps.clone(), channels_last(maps.clone())):
            output, form = ran_form(normalized, written, norm)
            assert form == "fixed"
            assert output.data_ptr() == written.data_ptr()
            torch.testing.assert_close(output, expected, rtol=1e-9, atol=1e-11)
        norm.register_forward_hook(lambda *_: None)
        assert ran_form(normalized, maps.clone(), norm)[1] == "reference"
    assert ran_form(normalized, maps.clone(), norm.requires_grad_(True))[1] == "reference"


@pytest.mark.parametrize("watched", ["spatial_prior", "spatial_prior.project4", "interactions.3.extractor"])
def test_what_a_hook_kept_is_not_written_over(watched):
    backbone = ViTAdapter("vit_tiny_patch16_224", img_size=64, drop_path_rate=0.0).eval()
    kept = []

    def keep(module, inputs, output):
        tensors = output if isinstance(output, tuple) else (output,)
        kept.extend((one, one.clone()) for one in tensors)

    images = draw(1, 3, 64, 64, dtype=torch.float32)
    with torch.no_grad():
        expected = backbone(images)
        handle = backbone.get_submodule(watched).register_forward_hook(keep)
        found = backbone(images)
    handle.remove()
    assert kept
    for now, then in kept:
        torch.testing.assert_close(now, then, rtol=0, atol=0)
    for one, other in zip(found, expected):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_scratch_is_kept_and_can_be_released():
    like = torch.empty(0)
    first = scratch("test", (4, 3), like)
    assert first.shape == (4, 3)
    assert scratch("test", (2, 6), like).data_ptr() == first.data_ptr()
    assert scratch("another", (4, 3), like).data_ptr() != first.data_ptr()
    assert scratch("test", (2,), like.double()).dtype == torch.float64
    with torch.inference_mode():
        scratch("made in inference", (2,), like)
    scratch("made in inference", (2,), like).add_(torch.ones(2))
    release_scratch()
    assert scratch("test", (4, 3), like).shape == (4, 3)


def test_layout_is_plain_where_one_image_is_trained_with():
    maps = channels_last(draw(1, 3, 4, 5))
    assert memory_layout(maps).is_contiguous()
    assert memory_layout(draw(2, 3, 4, 5)).is_contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        assert memory_layout(maps.contiguous()).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("tokens", [1, 7, 5000])
def test_feedforward_in_parts(tokens):
    leaves = [
        draw(2, tokens, 4),
        draw(600, 4, seed=1),
        draw(600, seed=2),
        draw(3, 600, seed=3),
        draw(3, seed=4),
    ]
    with forms("reference"):
        expected = feedforward(*leaves)
    with torch.no_grad():
        output, form = ran_form(feedforward, *leaves)
    assert form == "parts"
    assert ran_form(feedforward, *leaves)[1] == "reference"
    torch.testing.assert_close(output, expected, rtol=1e-9, atol=1e-11)
    with forms(feedforward="parts"):
        torch.testing.assert_close(feedforward(*leaves), expected, rtol=1e-9, atol=1e-11)
