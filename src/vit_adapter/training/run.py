"""A training run, put together from its pieces."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch
from rich.console import Console

from vit_adapter.config import RunConfig
from vit_adapter.config.counting import counted
from vit_adapter.data.sample import AnnotatedImages
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.evaluation.loop import EvaluationResult
from vit_adapter.segmenter import Segmenter

from . import processes
from .engine import join_processes, make_fabric, one_line_errors, quiet_lightning, synchronized_batch_norm
from .final_evaluation import evaluate_best
from .folder_lock import folder_locks
from .folders import open_folder, resume_command
from .loop import run_loop
from .plan import dry_run_lines
from .preparation import PreparedRun, prepare_run
from .printing import print_lines
from .run_state import RunState
from .schedule import Schedule
from .signals import StopRequest
from .start_block import PUBLISHED_BATCH
from .unused import unused_parameters
from .validation import BEST, LAST_MODEL


@dataclass(frozen=True)
class RunResult:
    """What came out of a run.

    Attributes:
        folder: Everything that was written.
        model_folder: The best model ("best"), or without validation the last one ("last").
        steps: Steps done.
        best_score: Highest headline score, 0..1, of all validation images; None without validation.
        best_step: Steps done then.
        scores: Of the last validation of this call, 0..1 (of labels "mIoU", "mAcc", "aAcc").
        unreadable: Images that could not be decoded and were replaced by others, and why.
        evaluation: The best model on all validation images; None without validation, and where the run was finished
            before.
        headline: Name of the score by which models were compared: "mIoU", "AP" or "PQ".
    """

    folder: Path
    model_folder: Path
    steps: int
    best_score: float | None
    best_step: int
    scores: dict[str, float]
    unreadable: dict[str, str]
    evaluation: EvaluationResult | None = None
    headline: str = "mIoU"

    @property
    def best_mIoU(self) -> float | None:
        """The best score where that is the mean IoU, else None."""
        return self.best_score if self.headline == "mIoU" else None


@folder_locks()
def run_training(
    model: Segmenter,
    train_set: TrainingSet,
    validation_set: AnnotatedImages | None,
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
        validation_set: A ``data.AnnotatedImages``; None: no validation, the last model is kept.
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
    console = console or Console()
    prepared = prepare_run(
        model, train_set, validation_set, config, console, operator_forms or {}, notes, published_batch
    )
    if dry_run:
        print_lines(console, dry_run_lines(prepared.block))
        return None
    before = prepared.continued
    if before is not None and prepared.finished:
        step, last = prepared.block.first_step, before.files.last
        print_lines(console, [*before.lines, f"{last}: the run is finished, at step {step}"])
        return _result(prepared, last.parent, step, unreadable=before.checkpoint["replaced"])
    # Convolutions are faster in this order of memory, on the CPU and in half precision on CUDA.
    model.to(memory_format=torch.channels_last)  # pyright: ignore
    with quiet_lightning(), one_line_errors(config.training):
        return _train(prepared)


def _train(prepared: PreparedRun) -> RunResult:
    config, console, model = prepared.config, prepared.console, prepared.model
    Schedule.of(config.training)  # refuses a warm-up as long as the run before anything is written
    state, request = RunState(prepared.block.first_step, config.training.steps), StopRequest()
    probed = prepared.block.devices.count > 1 and model.head.reaches_all_parameters
    all_used = probed and not unused_parameters(model, config.model.vit.in_chans)
    fabric = make_fabric(config.training, all_used)
    join_processes(fabric, config.training.nodes)
    folder = open_folder(config)
    if processes.rank() == 0:
        print_lines(console, prepared.block.lines(folder))
    try:
        with synchronized_batch_norm(model, fabric):
            trained = run_loop(prepared, folder, fabric, state, request)
    except BaseException:
        if processes.rank() == 0 and state.last_checkpoint is not None:
            command = resume_command(folder, *state.remedy)
            print_lines(console, [f"{state.last_checkpoint} is kept; continue with: {command}"])
        raise
    model.cpu()
    troubles = [trouble for trouble in processes.gather(state.local_trouble) if trouble is not None]
    if troubles:  # at the last step
        processes.stop_together(troubles[0])
    if state.stop_agreed:
        _end_interrupted(request, folder, state, console)
    if processes.rank() == 0:
        print_lines(console, _unreadable_lines(trained.unreadable))
    if trained.validation is None:
        return _result(prepared, folder, state.step, unreadable=trained.unreadable)
    try:
        evaluation = evaluate_best(prepared, trained.validation, trained.recording, fabric.device)
    except BaseException:  # Ctrl-C, SIGTERM, a full disk
        ready = f"{folder / BEST}: the model is ready; to measure it: {resume_command(folder)}"
        print_lines(console, [ready])
        raise
    scores = trained.validation.scores or {}
    return _result(prepared, folder, state.step, scores, trained.unreadable, evaluation)


def _result(
    prepared: PreparedRun,
    folder: Path,
    step: int,
    scores: dict[str, float] | None = None,
    unreadable: dict[str, str] | None = None,
    evaluation: EvaluationResult | None = None,
) -> RunResult:
    state = prepared.remembered
    score = state.best_score
    if evaluation is not None and state.sample is not None:
        score = evaluation.score
    return RunResult(
        folder,
        folder / (LAST_MODEL if state.best_score is None else BEST),
        step,
        score,
        state.best_step,
        scores or {},
        unreadable or {},
        evaluation,
        prepared.model.task.headline,
    )


def _unreadable_lines(unreadable: dict[str, str]) -> list[str]:
    if not unreadable:
        return []
    first = [f"  {name}: {reason}" for name, reason in sorted(unreadable.items())[:10]]
    count = counted(len(unreadable), "image")
    return [f"could not be decoded, and replaced by others: {count}", *first]


def _end_interrupted(request: StopRequest, folder: Path, state: RunState, console: Console) -> NoReturn:
    if processes.rank() != 0:
        raise SystemExit(0)
    print_lines(console, [f"stopped at step {state.step}; continue with: {resume_command(folder)}"])
    if request.received is None or request.received.name == "SIGINT":
        raise KeyboardInterrupt
    raise SystemExit(128 + request.received)
