"""Forms of inference that need no large memory: products for 1×1 convolutions, sums over branches, tokens in parts."""

import pytest
import torch
from torch import nn

from vit_adapter.backbones import interaction_forms
from vit_adapter.backbones.interaction import Extractor, Injector, pixel_centres
from vit_adapter.backbones.interaction_forms import extraction, injection
from vit_adapter.ops import forms, map_tokens, pointwise, recorded_forms, residual

SHAPES = [(8, 6), (4, 3), (2, 2)]
GRID = (4, 3)


def draw(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def ran_form(operator, *inputs):
    with recorded_forms() as ran:
        output = operator(*inputs)
    return output, next(iter(ran[operator.name]))


@pytest.mark.parametrize("bias", [True, False])
def test_product_for_a_pointwise_convolution(bias):
    layer = nn.Conv2d(5, 8, 1, bias=bias).double()
    maps = draw(2, 5, 4, 7)
    last = maps.contiguous(memory_format=torch.channels_last)
    expected = layer(maps)
    with torch.no_grad():
        output, form = ran_form(pointwise, last, layer)
        assert form == "product"
        assert output.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(output, expected)
        assert ran_form(pointwise, maps, layer)[1] == "reference"  # in plain memory order
        assert ran_form(pointwise, last, nn.Conv2d(5, 8, 1, stride=2).double())[1] == "reference"
        assert ran_form(pointwise, last, nn.Conv2d(5, 7, 1).double())[1] == "reference"
        layer.register_forward_hook(lambda *_: None)
        assert ran_form(pointwise, last, layer)[1] == "reference"
    assert ran_form(pointwise, last, layer)[1] == "reference"
    with forms(pointwise="product"):
        torch.testing.assert_close(pointwise(maps, layer), expected)
        with pytest.raises(ValueError, match="1×1"):
            pointwise(maps, nn.Conv2d(5, 3, 3).double())


@pytest.mark.parametrize("scaled", [True, False])
def test_sum_over_a_branch(scaled):
    tokens, branch = draw(2, 3, 4), draw(2, 3, 4, seed=1)
    scale = draw(4, seed=2) if scaled else None
    with forms("reference"):
        expected = residual(tokens, branch, scale)
    assert ran_form(residual, tokens, branch.clone().requires_grad_(), scale)[1] == "reference"
    with torch.no_grad():
        written = branch.clone()
        output, form = ran_form(residual, tokens, written, scale)
        assert form == "over"
        assert output.data_ptr() == written.data_ptr()
        torch.testing.assert_close(output, expected)
        watched = nn.Identity()
        watched.register_forward_pre_hook(lambda *_: None)
        assert ran_form(residual, tokens, branch, scale, (watched,))[1] == "reference"
        assert ran_form(residual, tokens.float(), branch, scale)[1] == "reference"
    with forms(residual="over"):
        torch.testing.assert_close(residual(tokens, branch.requires_grad_(), scale), expected)


def test_tokens_of_a_map_lie_beside_each_other():
    maps = draw(2, 3, 4, 5)
    output, form = ran_form(map_tokens, maps)
    assert form == "rows"
    assert output.is_contiguous()
    with forms("reference"):
        assert torch.equal(map_tokens(maps), output)


def tokens(batch):
    prior = draw(batch, sum(height * width for height, width in SHAPES), 8, seed=3)
    return prior, draw(batch, GRID[0] * GRID[1], 8, seed=4)


def start(module):
    """Weights of which every one counts."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module.double().eval()


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("cffn_ratio", [0.5, None])
@pytest.mark.parametrize("owned", [True, False])
def test_extractor_in_parts(monkeypatch, batch, cffn_ratio, owned):
    monkeypatch.setattr(interaction_forms, "PART_BYTES", 1 << 9)
    module = start(Extractor(8, 2, ratio=1.0, cffn_ratio=cffn_ratio))
    prior, grid = tokens(batch)
    inputs = grid, pixel_centres(SHAPES), GRID, SHAPES
    with forms("reference"):
        expected = module(prior, *inputs)
    before = prior.clone()
    with torch.no_grad():
        output, form = ran_form(extraction, module, prior, *inputs, owned)
    assert form == "parts"
    torch.testing.assert_close(output, expected.detach())
    assert (output.data_ptr() == prior.data_ptr()) == owned
    assert owned or torch.equal(prior, before)
    assert ran_form(extraction, module, before, *inputs)[1] == "reference"
    with forms(extraction="parts"):
        again = module(before.requires_grad_(), *inputs)
    torch.testing.assert_close(again, expected)


@pytest.mark.parametrize("batch", [1, 2])
def test_injector_in_parts(monkeypatch, batch):
    monkeypatch.setattr(interaction_forms, "PART_BYTES", 1 << 9)
    module = start(Injector(8, 2))
    prior, grid = tokens(batch)
    inputs = grid, prior, pixel_centres([GRID]), SHAPES
    with forms("reference"):
        expected = module(*inputs)
    with torch.no_grad():
        output, form = ran_form(injection, module, *inputs)
        assert form == "parts"
        torch.testing.assert_close(output, expected.detach())
        module.attention.register_forward_hook(lambda *_: None)
        assert ran_form(injection, module, *inputs)[1] == "reference"
    with forms(injection="parts"):
        torch.testing.assert_close(module(*inputs), expected)
