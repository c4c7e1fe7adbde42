"""Relative position biases that are kept between calls are those of the table as it is now."""

import pytest
import torch

from tiny import TINY
from vit_adapter import ViTAdapter
from vit_adapter.backbones.vit import relative_bias
from vit_adapter.ops import forms, recorded_forms


@pytest.fixture
def backbone():
    torch.manual_seed(0)
    model = ViTAdapter("beit_base_patch16_224", options=TINY, img_size=64)
    for block in model.vit.blocks:
        torch.nn.init.normal_(block.attn.relative_position_bias_table)
    return model.eval()


def coarsest(model, images):
    with torch.no_grad():
        return model(images)[3]


def test_kept_biases_give_the_same_numbers(backbone, monkeypatch):
    sizes = [(64, 64), (64, 64), (96, 64), (64, 64)]
    images = [torch.randn(1, 3, *size) for size in sizes]
    kept = [coarsest(backbone, image) for image in images]
    assert len(backbone.wrapper._biases._kept) == 4
    monkeypatch.setattr(backbone.wrapper, "kept_bytes", 0, raising=True)
    backbone.wrapper._biases.clear()
    for image, expected in zip(images, kept):
        assert torch.equal(coarsest(backbone, image), expected)
    assert not backbone.wrapper._biases._kept


@pytest.mark.parametrize("change", ["data", "copy", "train"])
def test_a_changed_table_is_spread_anew(backbone, change):
    image = torch.randn(1, 3, 64, 64)
    before = coarsest(backbone, image)
    table = backbone.vit.blocks[1].attn.relative_position_bias_table
    if change == "data":
        table.data.mul_(-1)
    elif change == "copy":
        with torch.no_grad():
            table.copy_(-table)
    else:
        optimizer = torch.optim.SGD([table], lr=1.0)
        torch.stack([one.sum() for one in backbone.train()(image.expand(2, -1, -1, -1))]).sum().backward()
        optimizer.step()
        backbone.eval()
    after = coarsest(backbone, image)
    backbone.wrapper._biases.clear()
    assert not torch.allclose(after, before)
    assert torch.equal(coarsest(backbone, image), after)


def test_attention_in_both_forms(backbone):
    image = torch.randn(1, 3, 64, 96)
    with forms("reference"):
        expected = coarsest(backbone, image)
    torch.testing.assert_close(coarsest(backbone, image), expected, rtol=1e-4, atol=1e-5)


def test_gradients_with_and_without_rows_in_plain_order():
    table = torch.randn(20, 3, requires_grad=True)
    index = torch.randint(0, 20, (6, 6))
    with torch.no_grad():
        plain = relative_bias.spread(table, index)
    assert torch.equal(plain, relative_bias.spread(table, index))
    assert plain.is_contiguous()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_biases_of_a_few_heads_at_a_time(monkeypatch, dtype):
    """Those of large grids, which are not kept."""
    monkeypatch.setattr(relative_bias, "PART_BYTES", 1 << 12)
    draw = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 5, 17, 4, generator=draw, dtype=dtype) for _ in range(3))
    table = torch.randn(49 + 3, 5, generator=draw, dtype=dtype)
    index = torch.randint(0, len(table), (17, 17), generator=draw)
    inputs = query, key, value, table.requires_grad_(), index
    with forms(relative_attention="reference"):
        expected = relative_bias.relative_attention(*inputs)
    with forms(relative_attention="heads"):
        found = relative_bias.relative_attention(*inputs)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    gradients = (torch.autograd.grad(one.square().sum(), table)[0] for one in (found, expected))
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)
    with torch.no_grad(), recorded_forms() as ran:
        alone = relative_bias.relative_attention(*inputs)
    assert ran["relative_attention"] == {"heads": 1}
    torch.testing.assert_close(alone, expected.detach(), rtol=1e-5, atol=1e-6)
