"""Everything that is known of a run before its first step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console

from vit_adapter.config import RunConfig
from vit_adapter.data.digest import data_digest
from vit_adapter.data.sample import AnnotatedImages
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.evaluation.exclusion import labels_left_out
from vit_adapter.segmenter import Segmenter

from .checks import check_run
from .class_occurrence import occurrence_notes, training_pixels
from .class_weights import class_weights
from .folders import with_absolute_paths
from .memory import memory_note
from .resume import Continuation, run_identity
from .start_block import StartBlock
from .validation import ValidationState
from .validation_plan import ValidationPlan, plan_of


@dataclass(frozen=True, kw_only=True)
class PreparedRun:
    """A run that may begin.

    Attributes:
        model: On the CPU; its loss is set up, its weights are those of the checkpoint to continue.
        train_set: The training images.
        validation_set: The validation images; None: no validation.
        config: All settings.
        console: For lines and the progress bar.
        plan: When and on what to validate.
        identity: What the run has to be, for checkpoints.
        continued: The run that this one goes on with; None: it begins anew.
        remembered: Validation's memory.
        block: What the run says before it begins.
    """

    model: Segmenter
    train_set: TrainingSet
    validation_set: AnnotatedImages | None
    config: RunConfig
    console: Console
    plan: ValidationPlan
    identity: dict[str, Any]
    continued: Continuation | None
    remembered: ValidationState
    block: StartBlock

    @property
    def finished(self) -> bool:
        """The checkpoint is that of a run that has come to its end."""
        training, state = self.config.training, self.remembered
        patience = training.early_stopping
        early = state.stopped and patience is not None and state.waited >= patience
        return self.continued is not None and (self.block.first_step >= training.steps or early)


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
    training, labelled, names = config.training, train_set.dataset, list(model.class_names)
    devices = check_run(model, config, len(train_set))
    labels_left_out(config.evaluation.exclude_from_mean, model, validation_set)  # refuses unknown names now

    wanted = training.class_weights if model.head.takes_class_weights else None
    for_weights = wanted == "auto"
    counts = training_pixels(labelled, model.num_classes, for_weights)
    weights = class_weights(wanted, labelled, model.num_classes, counts)
    uncounted = np.flatnonzero(counts == 0).tolist() if counts is not None and for_weights else ()
    model.configure_loss(training, None if weights is None else weights.tolist())
    model.training_facts |= {"ema_decay": training.ema_decay}

    parts = {"training": labelled, "validation": validation_set}
    data = {part: data_digest(dataset) for part, dataset in parts.items()}
    identity = run_identity(model, with_absolute_paths(config), names, len(train_set), data)
    continued = Continuation.of(config, model, identity)
    plan = plan_of(config, model, validation_set, devices.count)

    notes = [*notes, *occurrence_notes(counts, labelled, validation_set, names, for_weights, notes)]
    notes += [] if continued is None else continued.lines
    notes += plan.advice(training)
    warning = memory_note(model, config, devices.kind, devices.count if devices.kind == "cpu" else 1)
    notes += [] if warning is None else [warning]
    block = StartBlock(
        model=model,
        config=config,
        images=(len(train_set), 0 if validation_set is None else len(validation_set)),
        devices=devices,
        plan=plan,
        operator_forms=operator_forms,
        notes=notes,
        first_step=0 if continued is None else continued.checkpoint["step"],
        weights=weights,
        uncounted=frozenset(uncounted),
        published_batch=published_batch,
    )
    return PreparedRun(
        model=model,
        train_set=train_set,
        validation_set=validation_set,
        config=config,
        console=console,
        plan=plan,
        identity=identity,
        continued=continued,
        remembered=ValidationState() if continued is None else continued.remembered,
        block=block,
    )
