"""Parameters that no gradient reaches."""

import torch
from stand_ins import TinyModel

from tiny import tiny_model
from vit_adapter.config import ClassTable
from vit_adapter.segmenter import Segmenter
from vit_adapter.training.unused import unused_parameters


def test_what_the_loss_does_not_reach():
    model = TinyModel()
    before, state = (
        torch.random.get_rng_state(),
        {name: value.clone() for name, value in model.state_dict().items()},
    )
    assert unused_parameters(model) == ["unused"]
    model.unused.requires_grad_(False)
    assert unused_parameters(model) == []
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in state.items())


def test_agrees_with_a_backward_pass_of_a_real_model():
    config = tiny_model(img_size=None)
    model = Segmenter.from_config(config, ClassTable.numbered(3))
    unused = unused_parameters(model)
    model.train()
    model.loss(torch.rand(2, 3, 64, 64), torch.zeros(2, 64, 64, dtype=torch.int64))["loss"].backward()
    assert unused == [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
