"""Recorded stochastic depth is replayed in the order in which modules run."""

import pytest
import torch
from timm.layers import DropPath
from torch import nn

from vit_adapter.backbones import ViTAdapter

from .running import ReplayedDropPath, replay_draws

DEPTH, EXTRACTORS, BATCH = 4, 6, 2
DRAWS = 2 * (DEPTH - 1) + EXTRACTORS  # the first block has rate 0 and draws nothing


def make_adapter(rate):
    torch.manual_seed(0)
    form = {"img_size": 32, "embed_dim": 12, "depth": DEPTH, "num_heads": 3, "mlp_ratio": 1}
    return ViTAdapter(
        "vit_base_patch16_224", options=form, conv_inplanes=4, deform_heads=3, drop_path_rate=rate
    ).train()


def test_a_branch_is_kept_where_the_draw_reaches_the_rate_and_scaled():
    drop = ReplayedDropPath(0.25, iter([torch.tensor([0.24, 0.25])])).train()
    kept = drop(torch.ones(2, 3, 4, dtype=torch.float64))
    assert not kept[0].any()
    assert torch.allclose(kept[1], torch.tensor(4 / 3, dtype=torch.float64))


def test_nothing_is_drawn_in_evaluation_mode():
    branch = torch.ones(2, 3)
    assert ReplayedDropPath(0.5, iter([])).eval()(branch) is branch


def test_every_module_draws_once_in_the_order_of_the_forward_pass():
    adapter = make_adapter(0.3)
    source = replay_draws(adapter, [torch.full((BATCH,), 0.9) for _ in range(DRAWS)])
    assert not any(isinstance(module, DropPath) for module in adapter.modules())
    order = []
    for name, module in adapter.named_modules():
        if isinstance(module, ReplayedDropPath):
            module.register_forward_hook(lambda *_, name=name: order.append(name))
    adapter(torch.randn(BATCH, 3, 32, 32))
    assert next(source, None) is None
    expected = ["interactions.0.extractor.drop_path"]
    for stage in (1, 2, 3):
        expected += [f"vit.blocks.{stage}.drop_path1", f"vit.blocks.{stage}.drop_path2"]
        expected += [f"interactions.{stage}.extractor.drop_path"]
    expected += [f"interactions.3.extra_extractors.{index}.drop_path" for index in (0, 1)]
    assert order == expected


def test_a_model_that_draws_more_often_than_recorded_fails():
    adapter = make_adapter(0.3)
    replay_draws(adapter, [torch.full((BATCH,), 0.9) for _ in range(DRAWS - 1)])
    with pytest.raises(AssertionError, match="more draws"):
        adapter(torch.randn(BATCH, 3, 32, 32))


def test_draws_change_what_is_computed():
    def run(draw):
        adapter = make_adapter(0.3)
        for module in adapter.modules():  # layers that start at zero would hide the ViT's branches
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.3)
        replay_draws(adapter, [torch.full((BATCH,), draw) for _ in range(DRAWS)])
        return adapter(torch.linspace(-1, 1, BATCH * 3 * 32 * 32).reshape(BATCH, 3, 32, 32))

    kept, again, dropped = run(0.9), run(0.95), run(0.0)
    for one, same, other in zip(kept, again, dropped, strict=True):
        assert torch.equal(one, same)
        assert not torch.allclose(one, other, atol=1e-3)
