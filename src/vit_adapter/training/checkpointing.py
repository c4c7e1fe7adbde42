"""What a checkpoint holds, and how a resumed run restores it."""

from dataclasses import asdict
from typing import Any

from torch.optim.swa_utils import AveragedModel

from vit_adapter.config import InputError

from .averaging import average_state, restore_average
from .checkpoints import VERSION, optimizer_state, restore_optimizer
from .step import TrainingStep
from .validation import ValidationState


def checkpoint_of(
    step: TrainingStep, average: AveragedModel | None, validation: ValidationState, run: dict[str, Any]
) -> dict[str, Any]:
    """Everything that a run needs to go on.

    Args:
        step: With weights, optimizer and gradient scaler.
        average: The averaged weights, if there are any.
        validation: Validation's memory.
        run: Identity of the run.

    Raises:
        InputError: A weight is not finite.
    """
    weights = step.segmenter.state_dict()
    # The loss may be finite all the same: batch norm divides by a variance that has overflown.
    spoilt = [name for name, value in weights.items() if not value.isfinite().all()]
    if spoilt:
        more = f" and {len(spoilt) - 1} more" if len(spoilt) > 1 else ""
        raise InputError(step.not_finite(f"the weights ({spoilt[0]}{more}) are not finite"))
    return {
        "version": VERSION,
        "step": step.state.step,
        "model": weights,
        "optimizer": optimizer_state(step.optimizer.optimizer),
        "scaler": step.fabric.strategy.precision.state_dict(),
        "average": average_state(average),
        "validation": asdict(validation),
        "replaced": step.state.replaced,
        "run": run,
        # A model of modules of one's own cannot be described.
        "segmenter": None if step.segmenter.model_config is None else step.segmenter.to_dict(),
    }


def take_up(start: dict[str, Any], step: TrainingStep, average: AveragedModel | None) -> None:
    """Restore optimizer, gradient scaler, average and what was unreadable; the weights are in the model already.

    Args:
        start: What ``checkpoint_of`` gave; tensors are taken out of it, so that none is held twice.
        step: Of the run that goes on.
        average: The averaged weights, if there are any.
    """
    restore_optimizer(step.optimizer.optimizer, start.pop("optimizer"))
    step.fabric.strategy.precision.load_state_dict(start["scaler"])
    averaged = start.pop("average")
    if average is not None and averaged is not None:
        restore_average(average, averaged)
    step.state.replaced = dict(start["replaced"])
