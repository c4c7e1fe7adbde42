"""Exponential average of weights and buffers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor


def exponential_average(decay: float) -> WeightAveraging:
    """Lightning's averaging callback: after the first step a copy, then ``decay`` of the old and the rest new.

    Lightning's ready-made exponential form also averages whole-number buffers in floating point and cuts the
    result, which can turn an index of 3 into 2; here they are copied.

    Args:
        decay: 0..1.
    """

    @torch.no_grad()
    def average(averaged: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
        if not averaged.is_floating_point():
            return current
        return torch.lerp(averaged, current, 1 - decay)

    return WeightAveraging(avg_fn=average)


@contextmanager
def averaged_weights(
    average: WeightAveraging | None, trainer: lightning.Trainer, module: lightning.LightningModule
) -> Iterator[None]:
    """Inside, the model has the averaged weights and buffers; without an average nothing changes."""
    if average is None:
        yield
        return
    average.on_validation_epoch_start(trainer, module)
    try:
        yield
    finally:
        average.on_validation_epoch_end(trainer, module)


def average_state(
    average: WeightAveraging | None, trainer: lightning.Trainer, module: lightning.LightningModule
) -> dict[str, Any] | None:
    """What a checkpoint keeps of the average."""
    if average is None:
        return None
    state: dict[str, Any] = {"state_dict": {}}
    average.on_save_checkpoint(trainer, module, state)
    return {"weights": state["state_dict"], "counters": state["averaging_state"]}


def restore_average(
    average: WeightAveraging,
    state: dict[str, Any],
    trainer: lightning.Trainer,
    module: lightning.LightningModule,
) -> None:
    """Put ``average_state`` back."""
    average.on_load_checkpoint(
        trainer,
        module,
        {
            "state_dict": state["weights"],
            "averaging_state": state["counters"],
            "current_model_state": module.state_dict(),
        },
    )
