"""Exponential average of weights and buffers."""

import math
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

_PREFIX = "segmenter."  # of names in checkpoints


def exponential_average(
    model: nn.Module, decay: float | None, device: torch.device, warmup: int | None = None
) -> AveragedModel | None:
    """After the first step a copy, then ``decay`` of the old and the rest new.

    PyTorch's ready-made exponential form also averages whole-number buffers in floating point and cuts the
    result, which can turn an index of 3 into 2; here they are copied.

    Args:
        model: Whose weights and buffers are averaged.
        decay: 0..1; None: there is no average.
        device: Where the average is kept.
        warmup: The new counts for nearly all at first: the share of the old grows towards ``decay`` with this time
            constant, in steps, and there is no copy after the first step (as published for COCO panoptic). None: it is
            ``decay`` from the beginning.
    """
    if decay is None:
        return None
    share = 1 - decay

    @torch.no_grad()
    def average(averaged: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
        if not averaged.is_floating_point():
            return current
        return torch.lerp(
            averaged, current, share if warmup is None else share_of_new(decay, int(count), warmup)
        )

    averaged = AveragedModel(model, device, average, use_buffers=True)
    if warmup is not None:
        averaged.n_averaged.fill_(1)  # the weights at the start are its first value
    return averaged


def share_of_new(decay: float, count: int, warmup: int) -> float:
    """Weight of the newest values in step ``count``, from 1."""
    return decay * math.exp(-count / warmup) + 1 - decay


@torch.no_grad()
def keep_average(average: AveragedModel | None, model: nn.Module) -> None:
    """Put the averaged weights and buffers into the model, where there is an average."""
    if average is None:
        return
    averaged: Any = average.module
    pairs = zip(averaged.parameters(), model.parameters(), strict=True)
    for mean, current in chain(pairs, zip(averaged.buffers(), model.buffers(), strict=True)):
        current.copy_(mean)


def average_state(average: AveragedModel | None) -> dict[str, Any] | None:
    """What a checkpoint keeps of the average."""
    if average is None:
        return None
    weights = {_PREFIX + name: value for name, value in average.module.state_dict().items()}
    return {"weights": weights, "counters": {"n_averaged": average.n_averaged}}


def restore_average(average: AveragedModel, state: dict[str, Any]) -> None:
    """Put ``average_state`` back."""
    weights = {name.removeprefix(_PREFIX): value for name, value in state["weights"].items()}
    average.module.load_state_dict(weights)
    average.n_averaged.copy_(state["counters"]["n_averaged"])
