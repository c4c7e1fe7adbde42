"""A model over a data set: every image at its own size, counted in one matrix."""

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vit_adapter.config import EvaluationConfig, InferenceConfig, InputError
from vit_adapter.images import UnreadableImageError

from .exclusion import labels_left_out
from .metrics import ConfusionMatrix
from .scores import Scores

REST = "(nothing there)"
"""How the pixels without an object are called where a model has a single class; ignored ones are among them."""


@dataclass(frozen=True)
class ImageScore:
    """One image's own result.

    Attributes:
        name: Its name in the data set.
        index: Its number there.
        mIoU: Mean IoU over the classes that occur in its truth or prediction, 0..1; NaN if no pixel counts.
        aAcc: Share of the pixels that count which are right, 0..1; NaN if none counts.
        pixels: All pixels.
        labelled: Those that count: not ignored.
    """

    name: str
    index: int
    mIoU: float
    aAcc: float = math.nan
    pixels: int = 0
    labelled: int = 0


@dataclass(frozen=True)
class EvaluationResult:
    """What a model reached on a data set.

    Attributes:
        scores: Over all pixels together.
        matrix: Counts, truth by prediction.
        class_names: Names of the classes.
        config: How it was measured.
        measured: Number of images that were measured.
        worst: The images with the lowest scores of their own, worst first.
        skipped: (name, reason) of the images that could not be decoded.
        protocol: How the model was applied; None: as its own protocol says.
        images: Every measured image's own result, in the order of the data set.
        published: F1 follows the published rule, which leaves out classes that are never predicted; otherwise they
            count as 0, as in Dice.
    """

    scores: Scores
    matrix: ConfusionMatrix
    class_names: tuple[str, ...]
    config: EvaluationConfig
    measured: int
    worst: list[ImageScore] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    protocol: InferenceConfig | None = None
    images: list[ImageScore] = field(default_factory=list)
    published: bool = False

    @property
    def void_pixels(self) -> int:
        """Pixels labelled as ignored, which count nowhere."""
        return self.matrix.ignored

    @property
    def left_out(self) -> list[str]:
        """Names of the classes that no mean takes in."""
        return [name for label, name in enumerate(self.class_names) if label in self.scores.left_out]


def evaluate(
    model: Any,
    dataset: Any,
    config: EvaluationConfig | None = None,
    *,
    protocol: InferenceConfig | None = None,
    progress: bool = True,
    observe: Callable[[int, Any, Any], None] | None = None,
    published: bool = False,
) -> EvaluationResult:
    """Measures a model; memory grows by a few numbers for each image, not by images (S56).

    Args:
        model: A ``Segmenter``: ``predict`` gives labels at the image's own size, the same walk as prediction.
        dataset: A ``data.SegmentationDataset``.
        config: Limit, batch, precision, threshold, number of worst images.
        protocol: How the model is applied; None: as its own protocol says.
        progress: Show a progress bar on the error stream.
        observe: Called with number, sample and prediction of every image.
        published: F1 by the published rule.

    Returns:
        Scores, those of each image, and which are the worst.

    Raises:
        InputError: No image could be measured, a mask cannot be used, or, where the data set's
            ``stop_on_bad_image`` says so, an image cannot be decoded.
    """
    config = config or EvaluationConfig()
    if config.limit is not None and config.limit < 1:
        raise InputError(f"evaluation.limit is {config.limit}, expected at least 1 or nothing")
    if config.batch_size < 1:
        raise InputError(f"evaluation.batch_size is {config.batch_size}, expected at least 1")
    count = len(dataset) if config.limit is None else min(config.limit, len(dataset))
    if count == 0:
        raise InputError("the data set has no image to evaluate on")
    matrix = empty_matrix(model)
    left_out = labels_left_out(config.exclude_from_mean, model, dataset)
    images: list[ImageScore] = []
    skipped: list[tuple[str, str]] = []
    for group in _groups(dataset, count, max(1, config.batch_size), skipped, progress):
        results = model.predict(
            [sample.image for _, sample in group],
            batch_size=config.batch_size,
            protocol=protocol,
            threshold=config.threshold,
            precision=config.precision,
        )
        for (index, sample), result in zip(group, results, strict=True):
            own = empty_matrix(model)
            if model.num_classes == 1:
                # The rest is the second class: finding the object where it is not has to count.
                own.update(np.minimum(sample.labels, 1), np.minimum(result.labels, 1))
            else:
                own.update(sample.labels, result.labels)
            matrix.merge(own)
            images.append(_own_score(dataset.names[index], index, own, sample.labels.size, left_out))
            if observe is not None:
                observe(index, sample, result)
    if len(skipped) == count:
        raise InputError(f"none of the {count} images could be read; the first: {skipped[0][1]}")
    scores = matrix.scores(left_out)
    return EvaluationResult(
        scores if published else scores.counting_missed(),
        matrix,
        counted_names(model),
        config,
        count - len(skipped),
        worst_of(images, config.worst),
        skipped,
        protocol,
        images=images,
        published=published,
    )


def worst_of(images: list[ImageScore], count: int) -> list[ImageScore]:
    """The ``count`` images with the lowest scores of their own, worst first; those without a score are left out."""
    return sorted(
        (image for image in images if not math.isnan(image.mIoU)), key=lambda image: (image.mIoU, image.index)
    )[:count]


def counted_names(model: Any) -> tuple[str, ...]:
    """Names of what ``empty_matrix`` counts."""
    return tuple(model.class_names) if model.num_classes > 1 else (*model.class_names, REST)


def _own_score(
    name: str, index: int, own: ConfusionMatrix, pixels: int, left_out: Collection[int]
) -> ImageScore:
    labelled = int(own.state.sum())
    right = int(own.intersection.sum())
    accuracy = right / labelled if labelled else math.nan
    return ImageScore(name, index, own.scores(left_out).mIoU, accuracy, pixels, labelled)


def empty_matrix(model: Any) -> ConfusionMatrix:
    """A matrix for a model's classes; for a model of a single class with "nothing there" as the second."""
    if model.num_classes == 1:
        return ConfusionMatrix(2, None)
    return ConfusionMatrix(model.num_classes, model.ignore_index)


def _groups(
    dataset: Any, count: int, size: int, skipped: list[tuple[str, str]], progress: bool
) -> Iterator[list[tuple[int, Any]]]:
    """Samples in groups that are handled together; images that cannot be decoded are noted and left out."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("evaluating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not progress) as bar:
        task = bar.add_task("evaluating", total=count)
        group: list[tuple[int, Any]] = []
        for index in range(count):
            try:
                group.append((index, dataset.read(index)))
            except UnreadableImageError as error:
                if dataset.config.stop_on_bad_image:
                    raise
                skipped.append((dataset.names[index], str(error)))
            if len(group) == size:
                yield group
                group = []
            bar.update(task, completed=index + 1)
        if group:
            yield group
