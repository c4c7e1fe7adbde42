"""A training run, put together from its pieces."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import nn

from vit_adapter.config import InputError, RunConfig
from vit_adapter.data.digest import data_digest
from vit_adapter.evaluation.exclusion import labels_left_out
from vit_adapter.evaluation.loop import EvaluationResult
from vit_adapter.heads import Head

from . import processes
from .averaging import exponential_average
from .callbacks import make_callbacks
from .checkpoints import CheckpointFolder
from .checks import check_batch_norm, check_settings
from .class_occurrence import occurrence_notes, training_pixels
from .class_weights import class_weights
from .engine import choose_accelerator, count_devices, make_trainer, one_line_errors, quiet_lightning
from .facts import note_facts
from .final_evaluation import evaluate_best
from .folder_lock import folder_locks
from .folders import resume_command, with_absolute_paths
from .frame import LAST_MODEL, RunFrame, print_lines
from .module import TrainingModule
from .plan import plan_lines, rule_name
from .progress import evaluation_progress
from .resume import changes_of, check_same_run, fingerprint
from .run_data import RunData
from .signals import StopRequest
from .start_block import PUBLISHED_BATCH, StartBlock
from .unused import unused_parameters
from .validation import BEST, ValidationState
from .validation_plan import plan_of


@dataclass(frozen=True)
class RunResult:
    """What came out of a run.

    Attributes:
        folder: Everything that was written.
        model_folder: The best model ("best"), or without validation the last one ("last").
        steps: Steps done.
        best_mIoU: Highest score, 0..1, of all validation images; None without validation.
        best_step: Steps done then.
        scores: Of the last validation of this call ("mIoU", "mAcc", "aAcc", 0..1).
        unreadable: Images that could not be decoded and were replaced by others, and why.
        evaluation: The best model on all validation images; None without validation, and where the run was finished
            before.
    """

    folder: Path
    model_folder: Path
    steps: int
    best_mIoU: float | None
    best_step: int
    scores: dict[str, float]
    unreadable: dict[str, str]
    evaluation: EvaluationResult | None = None


@folder_locks()
def run_training(
    model: nn.Module,
    train_set: Any,
    validation_set: Any | None,
    config: RunConfig,
    *,
    console: Console | None = None,
    operator_forms: dict[str, str] | None = None,
    notes: Sequence[str] = (),
    dry_run: bool = False,
    published_batch: int | None = PUBLISHED_BATCH,
) -> RunResult | None:
    """Train a model, or continue an interrupted run exactly.

    Args:
        model: A ``Segmenter``; it is trained in place.
        train_set: A ``data.TrainingSet``.
        validation_set: A ``data.SegmentationDataset``; None: no validation, the last model is kept.
        config: All settings of the run.
        console: Where lines and the progress bar go; None: standard output.
        operator_forms: Operator to the form of it that will run, for the start block.
        notes: Further lines for the start block.
        published_batch: Images in a step of the published model, for the start block; None: not reported.
        dry_run: Print the plan of the run and its start block, and do nothing.

    Returns:
        What came out; None for a dry run.

    Raises:
        InputError: A setting, file or device cannot be used, the loss is not finite, memory or disk is full.
        KeyboardInterrupt: The run was interrupted; a checkpoint was written first.
        SystemExit: The same for SIGTERM and SIGUSR1, with 128 plus the signal's number.
    """
    training = config.training
    console = console or Console()
    check_settings(config, len(train_set))
    accelerator = choose_accelerator(training)
    world = count_devices(training, accelerator) * training.nodes
    check_batch_norm(model, config, world, synchronised=accelerator == "cuda")
    labels_left_out(config.evaluation.exclude_from_mean, model, validation_set)  # refuses unknown names now
    head: Head = model.head  # pyright: ignore
    wanted = training.class_weights if head.takes_class_weights else None
    labelled, for_weights = getattr(train_set, "dataset", None), wanted == "auto"
    counts = training_pixels(labelled, model.num_classes, for_weights)  # pyright: ignore
    weights = class_weights(wanted, labelled, model.num_classes, counts)  # pyright: ignore
    model.configure_loss(training, weights)  # pyright: ignore
    parts = {"training": getattr(train_set, "dataset", None), "validation": validation_set}
    data = {part: data_digest(dataset) for part, dataset in parts.items()}
    names = list(model.class_names)  # pyright: ignore
    run = fingerprint(model, with_absolute_paths(config), names, len(train_set), data)

    notes = [*notes, *occurrence_notes(counts, labelled, validation_set, names, for_weights, notes)]
    note_facts(model, ema_decay=training.ema_decay)
    files, state, start, lines = _take_up(config, model, run)
    first_step = start["step"] if start else 0
    plan = None if validation_set is None else plan_of(config, model, validation_set, world)
    lines += [] if plan is None else plan.advice(training)

    def block(process_count: int, device: str, folder: str) -> StartBlock:
        images = len(train_set), 0 if validation_set is None else len(validation_set)
        forms = operator_forms or {}
        notes_ = [*notes, *lines]
        return StartBlock(
            *images,
            names,
            process_count,
            device,
            first_step,
            weights,
            forms,
            folder,
            notes_,
            published_batch,
            "" if plan is None else plan.words(),
            frozenset()
            if counts is None or not for_weights
            else frozenset(np.flatnonzero(counts == 0).tolist()),
        )

    if dry_run:
        folder = training.out or "a new one under runs/"
        facts = block(world, accelerator, folder).lines(training, model)
        print_lines(console, [*facts, "", *plan_lines(model, config, rule_name)])
        return None
    if start and (first_step >= training.steps or _stopped_early(state, config)):
        lines.append(f"{files.last}: the run is finished, at step {first_step}")
        print_lines(console, lines)
        return _result(files.folder, state, first_step, {}, start["replaced"])

    # Convolutions are faster in this order of memory, on the CPU and in half precision on CUDA.
    model.to(memory_format=torch.channels_last)  # pyright: ignore
    request = StopRequest()
    module = TrainingModule(model, training, rule_name, first_step, request)
    average = None if training.ema_decay is None else exponential_average(training.ema_decay)
    callbacks, frame, validation, recording = make_callbacks(
        config, plan, validation_set, files, state, start, run, average, block, console, first_step, request
    )
    probed = world > 1 and head.reaches_all_parameters
    all_used = probed and not unused_parameters(model, config.model.vit.in_chans)
    trainer = make_trainer(training, training.steps - first_step, callbacks, all_used)
    batches = RunData(train_set, config, first_step, request, console)
    try:
        with quiet_lightning(), one_line_errors(training):
            trainer.fit(module, datamodule=batches)
    except BaseException:
        if processes.rank() == 0 and module.last_checkpoint is not None:
            command = resume_command(frame.folder, *module.remedy)
            print_lines(console, [f"{module.last_checkpoint} is kept; continue with: {command}"])
        raise
    finally:
        batches.close()
    if module.local_trouble is not None:  # at the last step
        raise InputError(module.local_trouble)
    if module.stop_agreed:
        _end_interrupted(request, frame, module, console)
    if processes.rank() == 0:
        print_lines(console, _unreadable_lines(frame.unreadable))
    if validation is None:
        return _result(frame.folder, state, module.step, {}, frame.unreadable)
    device = trainer.strategy.root_device
    try:
        with evaluation_progress(console, training.quiet) as announce:
            evaluation = evaluate_best(
                validation, recording, model, validation_set, config.evaluation, device, announce
            )
    except KeyboardInterrupt:
        ready = f"{frame.folder / BEST}: the model is ready; to measure it: {resume_command(frame.folder)}"
        print_lines(console, [ready])
        raise
    scores = validation.scores or {}
    return _result(frame.folder, state, module.step, scores, frame.unreadable, evaluation)


def _take_up(
    config: RunConfig, model: nn.Module, run: dict[str, Any]
) -> tuple[CheckpointFolder, ValidationState, dict[str, Any] | None, list[str]]:
    """The checkpoint to continue from, with the model's weights loaded, and lines about it."""
    training = config.training
    files = CheckpointFolder(training.out or "")
    if not training.resume:
        return files, ValidationState(), None, []
    if training.out is None:
        raise InputError("training.resume: expected training.out, the folder of the run to continue")
    start, note = files.load()
    lines = [] if note is None else [note]
    if start["step"] > training.steps:
        raise InputError(f"{files.last}: {start['step']} steps are done, but training.steps={training.steps}")
    lines += [f"changed: {change}" for change in check_same_run(start["run"], run, str(files.last))]
    if any("training.steps" in line for line in lines):
        lines.append("the learning rate follows the schedule of the new length from here on")
    lines.append(f"continued from {files.last}, step {start['step']}")
    model.load_state_dict(start.pop("model"))
    state = ValidationState(**start["validation"])
    state.other_images = bool(changes_of(start["run"], run, "validation"))
    return files, state, start, lines


def _stopped_early(state: ValidationState, config: RunConfig) -> bool:
    patience = config.training.early_stopping
    return state.stopped and patience is not None and state.waited >= patience


def _result(
    folder: Path,
    state: ValidationState,
    step: int,
    scores: dict[str, float],
    unreadable: dict[str, str],
    evaluation: EvaluationResult | None = None,
) -> RunResult:
    validated = state.best_score is not None
    model_folder = folder / (BEST if validated else LAST_MODEL)
    score = state.best_score
    if evaluation is not None and state.sample is not None:
        score = evaluation.score
    return RunResult(folder, model_folder, step, score, state.best_step, scores, unreadable, evaluation)


def _unreadable_lines(unreadable: dict[str, str]) -> list[str]:
    if not unreadable:
        return []
    first = [f"  {name}: {reason}" for name, reason in sorted(unreadable.items())[:10]]
    return [f"{len(unreadable)} images could not be decoded and were replaced by others:", *first]


def _end_interrupted(request: StopRequest, frame: RunFrame, module: TrainingModule, console: Console) -> None:
    if processes.rank() != 0:
        raise SystemExit(0)
    print_lines(console, [f"stopped at step {module.step}; continue with: {resume_command(frame.folder)}"])
    if request.received is None or request.received.name == "SIGINT":
        raise KeyboardInterrupt
    raise SystemExit(128 + request.received)
