"""Training from a configuration."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from vit_adapter.backbones import timm_name
from vit_adapter.config import ClassTable, InferenceConfig, InputError, RunConfig, TaskName
from vit_adapter.config.model import changed_model
from vit_adapter.config.normalization import with_protocol_changes
from vit_adapter.config.output_place import check_output_folder
from vit_adapter.config.random_state import random_state_kept
from vit_adapter.config.two_stage_head import learns_masks
from vit_adapter.config.values import check_kind
from vit_adapter.heads import HEADS
from vit_adapter.segmenter import Segmenter
from vit_adapter.tasks import TASKS
from vit_adapter.zoo import (
    find_detection_recipe,
    find_recipe,
)

from .fine_tuning import start_from
from .image_settings import check_channels, named_value_range
from .mirroring import training_notes
from .object_settings import with_object_counts
from .operators import describe_forms
from .protocols import trained_protocol
from .run_report import print_next_commands, report_run
from .starting_files import Published, checked_files, sources, with_published_files

if TYPE_CHECKING:
    from vit_adapter.data.sample import AnnotatedImages
    from vit_adapter.training import RunResult


def train(config: RunConfig, *, recipe: str | None = None, dry_run: bool = False) -> RunResult | None:
    """Trains a model, or goes on with an interrupted run, and reports what came out; the caller's random generators
    stay as they are.

    At the end the run's folder holds the best model, its scores by class and of each image (``metrics.json``,
    ``images.csv``), the confusion matrix and a sheet of examples.

    Args:
        config: Everything that the run needs.
        recipe: The published recipe that the configuration comes from: classes and files that it starts from are
            taken from it where the configuration names none.
        dry_run: Print what would be done, and stop; no weights are fetched.

    Returns:
        What came out: the run's folder, the best model's folder, scores; None for a dry run.

    Raises:
        InputError: Something in the configuration or in the data cannot be used.
    """
    done = run_and_data(config, recipe=recipe, dry_run=dry_run)
    if done is None:
        return None
    run, config, validation = done
    report_run(run, config, validation)
    print_next_commands(run, config, validation)
    return run


@random_state_kept()
def run_and_data(
    config: RunConfig, *, recipe: str | None = None, dry_run: bool = False
) -> tuple[RunResult, RunConfig, AnnotatedImages] | None:
    """``train`` without a report: what came out, the settings as they were used, and the validation images."""
    from vit_adapter.data.crop_size import with_crop
    from vit_adapter.data.dataset import open_dataset
    from vit_adapter.data.detection.published_set import PublishedTrainingSet
    from vit_adapter.data.start_check import check_before_run
    from vit_adapter.data.training_set import TrainingSet
    from vit_adapter.training import PUBLISHED_BATCH, print_plan, run_training

    check_kind("config", config, RunConfig, 'a RunConfig, such as get_recipe("own_data").config()')
    if not dry_run:
        check_output_folder(config.training.out or "runs", "--out")
    config = replace(
        config, model=changed_model(config.model, {"vit.name": timm_name(config.model.vit.name)})
    )
    torch.manual_seed(config.training.seed)
    published = None if recipe is None else find_detection_recipe(recipe) or find_recipe(recipe)
    resume = config.training.resume
    # The published starts take every tensor that fits, the classifier's rows not by name (behaviour 103).
    as_published = published is not None and published.start is not None and config.training.init is None
    config = with_published_files(config, published, fetch=not dry_run and not resume)
    if published is not None and not isinstance(config.protocol, InferenceConfig):
        base = published.config()
        config = with_protocol_changes(replace(config, protocol=base.protocol), config.protocol, base.data)
    if dry_run and published is not None and not config.data.root:
        model = bare_model(config, published.classes())
        counts = published.images
        notes = [
            "no data.root is given: the numbers of images are the published ones",
            *sources(config, published),
        ]
        print_plan(model, config, counts, operator_forms(), notes, published_batch=published.total_batch)
        return None
    # Its queries may find nothing, so that one class is enough.
    data = replace(
        config.data, one_class=config.data.one_class or HEADS[config.model.head.kind].min_classes == 1
    )
    check_channels(config)
    data = replace(data, value_range=named_value_range(config))
    task = wanted_task(config, published)
    if task != "semantic" or config.task is not None:
        config = replace(config, task=task)
    channels = config.model.vit.in_chans
    training, validation = (open_dataset(data, part, channels, task=task) for part in ("train", "val"))
    checked = check_before_run({"train": training, "val": validation})
    augmentation = with_crop(config.data.augmentation, training)
    chosen = augmentation != config.data.augmentation
    crop_note = [f"crop of {augmentation.crop} pixels, by the images' size"] if chosen else []
    config = replace(config, data=replace(config.data, augmentation=augmentation))
    crop_note += training_notes(training.classes, augmentation)
    if published is None and TASKS[task].needs_objects:
        config, object_notes = with_object_counts(config, training)
        crop_note += object_notes
    if dry_run and not resume:
        model, notes = bare_model(config, training.classes), sources(config, published)
        notes += checked_files(model, config, as_published)
    else:
        model, notes = prepare_model(config, training.classes, as_published)
    kind = TrainingSet if config.data.augmentation.pipeline == "crops" else PublishedTrainingSet
    train_set = kind(
        training,
        config.data.augmentation,
        model.protocol.normalization,
        config.training.seed,
        config.data.stop_on_bad_image,
        model.task.needs_objects,
    )
    run = run_training(
        model,
        train_set,
        validation,
        config,
        operator_forms=operator_forms(),
        notes=[*checked, *crop_note, *getattr(training, "remarks", ()), *notes],
        dry_run=dry_run,
        published_batch=PUBLISHED_BATCH if published is None else published.total_batch,
    )
    return None if run is None else (run, config, validation)


def wanted_task(config: RunConfig, recipe: Published | None) -> TaskName:
    """What a run's model learns.

    Args:
        config: The settings; a task that they name is taken.
        recipe: The published recipe that they come from, which is for one task; None: your own settings, with which it
            is the most telling task that the data's truth is enough for and the head answers.

    Raises:
        InputError: The head or the data cannot do what is named.
    """
    from vit_adapter.data.dataset import offered_tasks

    answered = HEADS[config.model.head.kind].tasks
    named = config.task
    if named is None and (recipe is not None or len(answered) == 1):
        return answered[0]
    if named is not None and named not in answered:
        able = [kind for kind, head in HEADS.items() if named in head.tasks]
        raise InputError(
            f"--task {named}: the head {config.model.head.kind} answers {', '.join(answered)}"
            + (f"; take --model.head {able[0]}" if able else "")
        )
    if named == "semantic" and len(answered) == 1:
        return named
    offered = offered_tasks(config.data)
    if offered == ("detection",) and learns_masks(config.model.head):
        raise InputError(
            f"--model.head.kind {config.model.head.kind}: it learns masks, and the objects of this data set are boxes "
            "alone; set --model.head.masks false, or take a head of boxes (atss, gfl, sparse_rcnn)"
        )
    able_both: list[TaskName] = [task for task in offered if task in answered]
    if named is None:
        return able_both[0] if able_both else answered[0]
    if named not in offered:
        raise InputError(
            f"--task {named}: the truth of this data set is enough for {', '.join(offered)} only"
        )
    return named


def bare_model(config: RunConfig, classes: ClassTable) -> Segmenter:
    """A run's model without allocated weights, for what only needs names and shapes."""
    with torch.device("meta"):
        model = Segmenter.from_config(config.model.with_pretrained(False), classes, task=config.task)
    model.protocol = trained_protocol(config, model)
    return model


def prepare_model(
    config: RunConfig, classes: ClassTable, as_published: bool = False
) -> tuple[Segmenter, list[str]]:
    """The model that a run starts from, and lines about where its weights come from.

    Args:
        config: Everything that the run needs.
        classes: Of the data.
        as_published: Of the model in ``training.init`` take every tensor of equal shape, as the official code does.
    """
    model_config = config.model
    if config.training.resume:
        # The checkpoint brings all weights.
        model_config = model_config.with_pretrained(False)
    model = Segmenter.from_config(model_config, classes, task=config.task)
    model.protocol = trained_protocol(config, model)
    channels = len(model.protocol.normalization.mean)
    if channels != config.model.vit.in_chans:
        raise InputError(
            f"data.mean has {channels} values, expected one for each of {config.model.vit.in_chans} channels"
        )
    report = getattr(model.backbone, "load_report", None)
    notes = [] if report is None else [report.summary()]
    if config.training.init is not None and not config.training.resume:
        notes.append(start_from(model, config.training.init, as_published))
    return model, notes


def operator_forms() -> dict[str, str]:
    """By which rule the form of each operator is chosen; printed, so that a fallback is never silent."""
    return {name: text for name, text in describe_forms() if name}
