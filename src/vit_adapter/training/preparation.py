"""Everything that is known of a run before its first step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from torch import nn

from vit_adapter.config import InputError, RunConfig
from vit_adapter.data.digest import data_digest
from vit_adapter.data.sample import AnnotatedImages
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.evaluation.exclusion import labels_left_out
from vit_adapter.segmenter import Segmenter

from .checkpoints import CheckpointFolder
from .checks import check_run
from .class_occurrence import occurrence_notes, training_pixels
from .class_weights import class_weights
from .facts import note_facts
from .folders import with_absolute_paths
from .memory import memory_note
from .resume import changes_of, check_same_run, run_fingerprint
from .start_block import StartBlock
from .validation import ValidationState
from .validation_plan import ValidationPlan, plan_of


@dataclass(kw_only=True)
class PreparedRun:
    """A run that may begin.

    Attributes:
        model: A ``Segmenter``, on the CPU; its loss is set up, its weights are those of the checkpoint to continue.
        train_set: A ``data.TrainingSet``.
        validation_set: A ``data.AnnotatedImages``; None: no validation.
        config: All settings.
        console: For lines and the progress bar.
        plan: When and on what to validate; None: never.
        files: Where checkpoints are.
        start: Checkpoint that the run continues, without the model's weights; None: it begins anew.
        remembered: Validation's memory.
        fingerprint: Of the run, for checkpoints.
        block: What the run says before it begins.
        lines: About the checkpoint that it continues.
    """

    model: Segmenter
    train_set: TrainingSet
    validation_set: AnnotatedImages | None
    config: RunConfig
    console: Console
    plan: ValidationPlan | None
    files: CheckpointFolder
    start: dict[str, Any] | None
    remembered: ValidationState
    fingerprint: dict[str, Any]
    block: StartBlock
    lines: list[str]

    @property
    def first_step(self) -> int:
        """Steps done before."""
        return self.start["step"] if self.start else 0

    @property
    def finished(self) -> bool:
        """The checkpoint is that of a run that has come to its end."""
        training, state = self.config.training, self.remembered
        patience = training.early_stopping
        early = state.stopped and patience is not None and state.waited >= patience
        return self.start is not None and (self.first_step >= training.steps or early)


def prepare_run(
    model: Segmenter,
    train_set: TrainingSet,
    validation_set: AnnotatedImages | None,
    config: RunConfig,
    console: Console,
    operator_forms: dict[str, str],
    notes: Sequence[str],
    published_batch: int | None,
) -> PreparedRun:
    """Check settings, set up the loss, read the checkpoint to continue; arguments as of ``run_training``.

    Raises:
        InputError: A setting, file or device cannot be used.
    """
    training = config.training
    accelerator, world = check_run(model, config, len(train_set))
    labels_left_out(config.evaluation.exclude_from_mean, model, validation_set)  # refuses unknown names now
    wanted = training.class_weights if model.head.takes_class_weights else None
    labelled, for_weights = train_set.dataset, wanted == "auto"
    counts = training_pixels(labelled, model.num_classes, for_weights)
    weights = class_weights(wanted, labelled, model.num_classes, counts)
    model.configure_loss(training, None if weights is None else weights.tolist())
    parts = {"training": labelled, "validation": validation_set}
    data = {part: data_digest(dataset) for part, dataset in parts.items()}
    names = list(model.class_names)
    run = run_fingerprint(model, with_absolute_paths(config), names, len(train_set), data)

    notes = [*notes, *occurrence_notes(counts, labelled, validation_set, names, for_weights, notes)]
    note_facts(model, ema_decay=training.ema_decay)
    files, remembered, start, lines = _read_checkpoint(config, model, run)
    plan = None if validation_set is None else plan_of(config, model, validation_set, world)
    lines += [] if plan is None else plan.advice(training)
    warning = memory_note(model, config, accelerator, world if accelerator == "cpu" else 1)
    lines += [] if warning is None else [warning]
    block = StartBlock(
        training_images=len(train_set),
        validation_images=0 if validation_set is None else len(validation_set),
        class_names=names,
        processes=world,
        device=accelerator,
        operator_forms=operator_forms,
        notes=[*notes, *lines],
        first_step=start["step"] if start else 0,
        weights=weights,
        uncounted=frozenset(
            np.flatnonzero(counts == 0).tolist() if counts is not None and for_weights else ()
        ),
        published_batch=published_batch,
        validation="" if plan is None else plan.words(),
    )
    return PreparedRun(
        model=model,
        train_set=train_set,
        validation_set=validation_set,
        config=config,
        console=console,
        plan=plan,
        files=files,
        start=start,
        remembered=remembered,
        fingerprint=run,
        block=block,
        lines=lines,
    )


def _read_checkpoint(
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
