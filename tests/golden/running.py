"""One way to run a case on our modules."""

from collections.abc import Callable, Iterator, Mapping

import torch
from timm.layers import DropPath
from torch import Tensor, nn

from .case import Case
from .comparison import check_gradients, check_outputs
from .names import load_official


class ReplayedDropPath(nn.Module):
    """Stochastic depth whose uniform draws, one a sample, were recorded.

    Args:
        rate: Share of samples that skip the branch.
        draws: Recorded draws, shared by all modules in the order in which they run.
    """

    def __init__(self, rate: float, draws: Iterator[Tensor]) -> None:
        super().__init__()
        self.rate, self.draws = rate, draws

    def forward(self, branch: Tensor) -> Tensor:
        if not self.training:
            return branch
        keep = 1 - self.rate
        draw = next(self.draws, None)
        assert draw is not None, "more draws than recorded"
        draw = draw.to(branch.dtype).reshape(-1, *[1] * (branch.ndim - 1))
        assert draw.shape[0] == branch.shape[0], f"{draw.shape[0]} draws for {branch.shape[0]} samples"
        return branch / keep * torch.floor(keep + draw)


def replay_draws(module: nn.Module, draws: list[Tensor]) -> Iterator[Tensor]:
    """Replaces the stochastic depth of one model instance by recorded draws.

    Returns:
        The draws; what is left of them after the run was not asked for.
    """
    source = iter(draws)
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, DropPath):
                setattr(parent, name, ReplayedDropPath(child.drop_prob, source))
    return source


def run_module(
    case: Case,
    module: nn.Module,
    part: str,
    forward: Callable[[], Mapping[str, Tensor]],
    skip: tuple[str, ...] = (),
    loss: str | None = None,
) -> dict[str, Tensor]:
    """Loads the case's weights, runs forward and backward, and compares all that is recorded.

    Args:
        case: The case.
        module: Our module for it.
        part: Which part of a model it is (``names.PARTS``).
        forward: Gives the outputs by their recorded names.
        skip: Outputs that the caller compares.
        loss: The output whose gradients are recorded; None: the sum of all outputs times their probes.

    Returns:
        All outputs.
    """
    names = load_official(module, case.weights, part)
    module.to(case.dtype).train(case.training)
    unused_draws = replay_draws(module, case.draws)
    case.require_input_gradients()
    with torch.set_grad_enabled(bool(case.grads or case.grad_inputs)):
        outputs = dict(forward())
    left = sum(1 for _ in unused_draws)
    assert left == 0, f"{left} of {len(case.draws)} recorded draws were not asked for"
    for name in [name for name in case.outputs if name.startswith("buffers_after.")]:
        outputs[name] = module.get_buffer(names[name.removeprefix("buffers_after.")])
    if case.grads or case.grad_inputs:
        scalar = (
            outputs[loss]
            if loss
            else sum((outputs[name] * probe).sum() for name, probe in case.probes.items())
        )
        assert isinstance(scalar, Tensor)
        if loss is None:
            outputs["probe_loss"] = scalar
        scalar.backward()
        parameters = dict(module.named_parameters())
        check_gradients(
            case,
            {name: parameters[ours].grad for name, ours in names.items() if ours in parameters},
            {name: case.inputs[name].grad for name in case.grad_inputs},
        )
    check_outputs(case, outputs, skip)
    return outputs


def numbered(name: str, tensors: list[Tensor] | tuple[Tensor, ...]) -> dict[str, Tensor]:
    """Outputs ``name.0``, ``name.1`` ..."""
    return {f"{name}.{index}": tensor for index, tensor in enumerate(tensors)}
