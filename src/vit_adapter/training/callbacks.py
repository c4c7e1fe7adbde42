"""What happens after every step of a run, in its order."""

from dataclasses import replace
from typing import Any

import lightning.pytorch as lightning
from lightning.pytorch.callbacks import WeightAveraging
from rich.console import Console

from vit_adapter.config import RunConfig

from .checkpointing import Checkpointing
from .checkpoints import CheckpointFolder
from .frame import RunFrame
from .joint_evaluation import DatasetPart, JointEvaluation
from .progress import ProgressBar
from .recording import Recording
from .signals import StopRequest, StopSignals
from .validation import Validation, ValidationState
from .validation_plan import ValidationPlan


def make_callbacks(
    config: RunConfig,
    plan: ValidationPlan | None,
    validation_set: Any | None,
    files: CheckpointFolder,
    state: ValidationState,
    start: dict[str, Any] | None,
    run: dict[str, Any],
    average: WeightAveraging | None,
    block: Any,
    console: Console,
    first_step: int,
    request: StopRequest,
) -> tuple[list[lightning.Callback], RunFrame, Validation | None, Recording]:
    """In the order in which they act after a step: average, validate, record, save, show.

    Args:
        config: All settings.
        plan: When and on what to validate; None: never.
        validation_set: All validation images.
        files: Where checkpoints are.
        state: Validation's memory.
        start: Checkpoint that the run continues.
        run: Fingerprint of the run.
        average: The averaged weights, if there are any.
        block: Makes the start block.
        console: For lines and the progress bar.
        first_step: Steps done before.
        request: What signals asked of this process.

    Returns:
        All of them, and those that are asked for something when the run is over.
    """
    training = config.training
    validation, evaluate = None, None
    if plan is not None:
        on_the_way, measured = validation_set, config.evaluation
        if plan.sample is not None:
            on_the_way = DatasetPart(validation_set, plan.indices())
            measured = replace(measured, limit=None)
        evaluate = JointEvaluation(on_the_way, measured)
        patience = training.early_stopping
        validation = Validation(evaluate, plan, patience, files.folder, state, average, request)
    recording = Recording(files.folder, training.steps, validation, evaluate, first_step)
    every = training.checkpoint_every or training.validate_every or max(1, training.steps // 10)
    saving = Checkpointing(files, every, run, state, average, start)
    parts = [part for part in (files, validation, recording) if part is not None]
    frame = RunFrame(config, parts, block, console, keep_last_model=validation is None)
    bar = ProgressBar(console, validation, training.quiet)
    callbacks = [average, frame, validation, recording, saving, bar, StopSignals(request)]
    return [callback for callback in callbacks if callback is not None], frame, validation, recording
