"""One optimisation step of a published model on the CPU, checked; as a program it prints the peak of its memory."""

import resource
import sys

import torch

from vit_adapter import Segmenter
from vit_adapter.training.parameter_groups import parameter_groups
from vit_adapter.zoo.recipes import RECIPES


def step(name: str, crop: int, batch: int = 2) -> None:
    """Forward and backward passes and AdamW's update with the recipe's groups; every tensor moves as its group says.

    Raises:
        AssertionError: A number is not finite, or a tensor moves otherwise.
    """
    torch.manual_seed(0)
    recipe = RECIPES[name]
    config = recipe.model.with_pretrained(False)
    model = Segmenter.from_config(config, recipe.classes(), recipe.protocol).train()
    assert sum(parameter.numel() for parameter in model.parameters()) == recipe.parameters
    groups = parameter_groups(model, recipe.training)
    optimizer = torch.optim.AdamW(groups, lr=recipe.training.learning_rate, weight_decay=0.0, foreach=False)
    images = torch.randn(batch, 3, crop, crop)
    labels = torch.randint(0, model.num_classes, (batch, crop, crop))
    labels[:, :4] = model.ignore_index
    loss = model.loss(images, labels)["loss"]
    assert torch.isfinite(loss)
    loss.backward()
    # A step may move an entry by its rate at most, and by what decay takes off.
    bounds = []
    for group in optimizer.param_groups:
        for own, parameter in zip(group["names"], group["params"], strict=True):
            assert parameter.grad is None or torch.isfinite(parameter.grad).all(), own
            kept = parameter.detach().flatten()[:1000].clone()
            pushed = None if parameter.grad is None else parameter.grad.flatten()[:1000].abs()
            moves = pushed is not None and bool((pushed > 1e-6).any())
            bounds.append((own, parameter, kept, group["lr"], group["weight_decay"], moves))
    optimizer.step()
    moving = 0
    for own, parameter, kept, rate, decay, moves in bounds:
        change = (parameter.detach().flatten()[:1000] - kept).abs()
        assert (change <= rate * (1.001 + decay * kept.abs()) + 1e-6 * kept.abs()).all(), own
        moving += moves
        assert not moves or change.max() > 0 or kept.abs().min() > 100 * rate, own
    assert moving > 0.8 * len(bounds), f"{moving} of {len(bounds)} tensors get gradients"


if __name__ == "__main__":
    step(sys.argv[1], int(sys.argv[2]))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
