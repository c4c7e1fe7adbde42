"""The training loop: every step of a run, and what happens after it."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from lightning_fabric import Fabric
from torch.optim.swa_utils import AveragedModel

from . import processes
from .averaging import exponential_average, keep_average
from .batches import StepBatches
from .checkpointing import checkpoint_of, take_up
from .checkpoints import CheckpointFolder
from .folders import keep_folder
from .group_sampler import EndlessShapeOrder, ShapeOrder
from .joint_evaluation import DatasetPart, JointEvaluation
from .preparation import PreparedRun
from .printing import print_lines
from .progress import TrainingProgress
from .recording import Recording
from .run_state import RunState
from .sampler import Order, SampleOrder, StepSampler
from .signals import StopRequest, stop_signals
from .step import TrainingStep
from .validation import LAST_MODEL, Validation, save_last_model


class Trained(NamedTuple):
    """What is left when the last step is done.

    Attributes:
        validation: Knows the best model; None: there was none.
        recording: Of the run's figures.
        unreadable: Images that a process could not decode, and why.
    """

    validation: Validation | None
    recording: Recording
    unreadable: dict[str, str]


def run_loop(
    prepared: PreparedRun, folder: Path, fabric: Fabric, state: RunState, request: StopRequest
) -> Trained:
    """Do all steps that are still to be done, or those until a signal, or until nothing gets better.

    Args:
        prepared: Model, data, settings and the checkpoint to continue from.
        folder: The run's.
        fabric: Moves tensors, computes in the wanted precision, exchanges gradients.
        state: Where the run stands; it is kept up to date.
        request: What signals ask of this process.

    Raises:
        InputError: The run cannot go on.
    """
    model, training, before = prepared.model, prepared.config.training, prepared.continued
    files = CheckpointFolder(folder) if before is None else before.files
    every = training.checkpoint_every or training.validate_every or max(1, training.steps // 10)
    average = exponential_average(model, training.ema_decay, fabric.device, training.ema_warmup)
    training_step = TrainingStep(model, training, fabric, state, request)
    validation = make_validation(prepared, folder, average, request)
    recording = Recording(folder, prepared.plan, validation, state.step)
    progress = TrainingProgress(prepared.console, prepared.plan, validation, training.quiet)
    batches = make_batches(prepared, state.step, request, pin=fabric.device.type == "cuda")

    def save() -> None:
        content = (training_step, average, prepared.remembered, prepared.identity)
        processes.on_first_process(lambda: files.save(checkpoint_of(*content)))
        state.saved(files.last)

    with closing(batches), closing(recording), closing(progress):
        recording.open()
        if before is not None:
            take_up(before.checkpoint, training_step, average)
            state.last_checkpoint = f"{files.last} (step {state.step})"
        model.train()
        if validation is not None:
            recording.begin(validation.begin(model, state))
        progress.begin(state.step)
        with stop_signals(request):
            for batch in batches:
                batch = fabric.to_device(batch)
                divisor = training_step.agree(batch)
                if state.over:  # asked to stop while it waited for data, or nothing had got better before
                    break
                figures = training_step(batch, divisor)
                if average is not None:
                    average.update_parameters(model)
                keep_folder(folder, prepared.config, state, prepared.console)
                scores = None
                if validation is not None and validation.due(state.step):
                    scores = validation.run(model, state)
                recording.add(state, figures, scores)
                if state.step % every == 0 or state.over:
                    save()
                progress.step_done(state.step, figures, scores)
                if state.over:
                    break
            if state.saved_step != state.step:
                save()
            keep_average(average, model)
            if validation is None and not state.stop_agreed:
                processes.on_first_process(lambda: save_last_model(model, folder / LAST_MODEL, state.step))
            recording.finish()
    unreadable = {name: why for part in processes.gather(state.replaced) for name, why in part.items()}
    return Trained(validation, recording, unreadable)


def make_validation(
    prepared: PreparedRun, folder: Path, average: AveragedModel | None, request: StopRequest
) -> Validation | None:
    """What validates after the steps that the plan says, on all images or a sample; None: nothing."""
    plan, images, measured = prepared.plan, prepared.validation_set, prepared.config.evaluation
    if images is None:
        return None
    if plan.sample is not None:
        images = DatasetPart(images, plan.indices())
        measured = replace(measured, limit=None)
    patience, remembered = prepared.config.training.early_stopping, prepared.remembered
    evaluate = JointEvaluation(images, measured)
    return Validation(evaluate, plan, patience, folder, remembered, average, request)


def make_order(prepared: PreparedRun) -> Order:
    """Which images the batches hold, as ``training.order`` says."""
    training, images = prepared.config.training, prepared.train_set
    if training.order == "shuffled":
        return SampleOrder(len(images), training.seed)
    order = ShapeOrder if training.order == "shapes" else EndlessShapeOrder
    return order(images.is_wide, training.seed)


def make_batches(prepared: PreparedRun, first_step: int, request: StopRequest, pin: bool) -> StepBatches:
    """One batch for each step that is still to be done."""
    training, world = prepared.config.training, processes.world_size()
    sampler = StepSampler(
        make_order(prepared),
        training.batch_size,
        training.accumulate,
        first_step,
        training.steps,
        processes.rank(),
        world,
    )
    return StepBatches(
        prepared.train_set,
        sampler,
        prepared.config.data.workers,
        pin,
        request,
        lambda line: print_lines(prepared.console, [line]),
        max(1, world // training.nodes),
    )
