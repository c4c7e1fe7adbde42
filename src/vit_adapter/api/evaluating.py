"""Measuring a model on a data set."""

from __future__ import annotations

import copy
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vit_adapter.config import (
    ClassTable,
    DataConfig,
    EvaluationConfig,
    InferenceConfig,
    InputError,
    TaskName,
)
from vit_adapter.config.output_place import check_output_folder
from vit_adapter.config.paths import takes_paths
from vit_adapter.config.values import check_kind
from vit_adapter.images import UnreadableImageError
from vit_adapter.segmenter import Segmenter
from vit_adapter.segmenter.parts import channels_of

from .mirroring import application_notes, print_notes
from .models import load_named
from .protocols import ProtocolChanges, applied_protocol
from .whole_images import warns_about_whole

if TYPE_CHECKING:
    from vit_adapter.data.dataset import AnnotatedImages
    from vit_adapter.evaluation import EvaluationResult


@takes_paths("model", "checkpoint", "out")
def evaluate(
    model: str | Path | Segmenter,
    data: DataConfig,
    evaluation: EvaluationConfig | None = None,
    *,
    checkpoint: str | Path | None = None,
    protocol: ProtocolChanges = None,
    out: str | Path | None = None,
    split: str = "val",
    quiet: bool = False,
    task: TaskName | None = None,
) -> EvaluationResult:
    """Measures a model on a data set, at the images' own size.

    Args:
        model: A model, or what ``load`` takes.
        data: The data set.
        evaluation: Device, precision, limit, multi-scale ...
        checkpoint: For a recipe: its weights.
        protocol: What should differ in the way it is applied, such as ``{"flip": True}``: the rest is the model's own,
            which stays as it is. A ``InferenceConfig`` replaces all of it.
        out: Folder for ``metrics.json``, ``images.csv`` (every image's own scores), confusion matrix and the worst
            images; None: the table alone.
        split: "val", "train", or "test" where the data set has such a part.
        quiet: No progress bar.
        task: What the model is asked for and measured by; None: what it was trained for.

    Raises:
        InputError: Model or data cannot be used, or their classes differ.
    """
    from vit_adapter.data.dataset import open_dataset
    from vit_adapter.data.image_reading import ImageReading
    from vit_adapter.data.start_check import check_before_run
    from vit_adapter.evaluation import measure, print_table, provenance, write_report

    check_kind("data", data, DataConfig, 'a DataConfig, such as DataConfig(root="my_folder")')
    if out is not None:
        check_output_folder(out, "--out")
    evaluation = evaluation or EvaluationConfig()
    name = None if isinstance(model, Segmenter) else str(model)
    recipe = None
    if not isinstance(model, Segmenter):
        model, recipe = load_named(model, checkpoint, evaluation.device)
    if task is not None and task != model.task_name:
        model.task_named(task)  # refuses what the head does not answer
        model = copy.copy(model)  # shares all weights: the given model keeps its own task
        model.task_name = task
    protocol = applied_protocol(model, protocol, tta=evaluation.tta, recipe=recipe, data=data)
    ImageReading.of(data, channels_of(model, model.protocol))  # names data.mean, which is in the protocol now
    data = replace(data, value_range=protocol.value_range)  # of the data, if they name one; else the model's
    if data.classes is None and recipe is not None:
        data = replace(data, classes=list(model.class_names))
    if model.num_classes == 1:
        data = replace(data, one_class=True)
    channels = channels_of(model, protocol)
    dataset = open_dataset(data, split, channels, model.classes, truth_for(model))  # pyright: ignore
    check_classes(model, dataset.classes)
    for line in check_before_run({split: dataset}, evaluation.limit):
        print(line)
    for line in getattr(dataset, "remarks", ()):
        print(f"note: {line}")
    if data.mirrored_classes is not None:
        # A copy that shares all weights: the given model keeps its own pairs.
        model = copy.copy(model)
        model.classes = replace(model.classes, mirrored=dataset.classes.mirrored)
    print_notes(application_notes(model, protocol, evaluation.tta))
    _warn_about_whole(dataset, protocol)
    result = measure(
        model, dataset, evaluation, protocol=protocol, progress=not quiet, published=recipe is not None
    )
    print_table(result)
    if out is not None:
        about = provenance(
            result, model, dataset, name if checkpoint is None else f"{name} {checkpoint}", split
        )
        written = write_report(result, model, dataset, Path(out), evaluation.batch_size, about=about)
        print(f"written to {out}: {', '.join(path.name + '/' * path.is_dir() for path in written)}")
    return result


def truth_for(model: Segmenter) -> TaskName:
    """The task that a data set is opened for, so that its classes are the model's."""
    things = model.classes.is_thing
    if model.task_name in ("instance", "detection") and things is not None and not all(things):
        return "panoptic"  # for instances alone the classes of stuff would be left out
    return model.task_name


def _warn_about_whole(dataset: AnnotatedImages, protocol: InferenceConfig) -> None:
    """Says so where the first image is too large to be processed whole."""
    if protocol.mode == "whole":
        with suppress(UnreadableImageError):  # counted later
            warns_about_whole(dataset.names[0], dataset.read(0).image, protocol)


def check_classes(model: Segmenter, classes: ClassTable) -> None:
    """Refuses a data set whose classes are not the model's.

    Raises:
        InputError: Their number differs, or the same names are in another order.
    """
    if len(classes) != model.num_classes:
        known, some = (
            ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")
            for names in (model.class_names, classes.names)
        )
        raise InputError(
            f"the model knows {model.num_classes} classes ({known}), the data set has {len(classes)} ({some}); name "
            "the model's classes with --data.classes, and ignore with --data.ignored_values only what was ignored in "
            "training, or classes that have the model's names"
        )
    if classes.names != model.class_names and set(classes.names) == set(model.class_names):
        index = next(i for i, pair in enumerate(zip(classes.names, model.class_names)) if pair[0] != pair[1])
        raise InputError(
            f"class {index} is {classes.names[index]!r} in the data set but {model.class_names[index]!r} in the model"
        )
