"""A model over a data set: every picture at its own size, counted in one matrix."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vit_adapter.config import EvaluationConfig, InputError, Protocol
from vit_adapter.images import UnreadableImageError

from .metrics import ConfusionMatrix
from .scores import Scores

REST = "(nothing there)"
"""How the pixels without an object are called where a model has a single class; ignored ones are among them."""


@dataclass(frozen=True)
class PictureScore:
    """One picture's own result.

    Attributes:
        name: Its name in the data set.
        index: Its number there.
        mIoU: Mean IoU over the classes that occur in its truth or prediction, 0..1.
    """

    name: str
    index: int
    mIoU: float


@dataclass(frozen=True)
class EvaluationResult:
    """What a model reached on a data set.

    Attributes:
        scores: Over all pixels together.
        matrix: Counts, truth by prediction.
        class_names: Names of the classes.
        config: How it was measured.
        pictures: Number of pictures that were measured.
        worst: The pictures with the lowest scores of their own, worst first.
        skipped: (name, reason) of the pictures that could not be decoded.
        protocol: How the model was applied; None: as its own protocol says.
    """

    scores: Scores
    matrix: ConfusionMatrix
    class_names: tuple[str, ...]
    config: EvaluationConfig
    pictures: int
    worst: list[PictureScore] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    protocol: Protocol | None = None


def evaluate(
    model: Any,
    dataset: Any,
    config: EvaluationConfig | None = None,
    *,
    protocol: Protocol | None = None,
    progress: bool = True,
) -> EvaluationResult:
    """Measures a model; memory does not grow with the number of pictures (S56).

    Args:
        model: A ``Segmenter``: ``predict`` gives labels at the picture's own size, the same walk as prediction.
        dataset: A ``data.SegmentationDataset``.
        config: Limit, batch, precision, threshold, number of worst pictures.
        protocol: How the model is applied; None: as its own protocol says.
        progress: Show a progress bar on the error stream.

    Returns:
        Scores and the worst pictures.

    Raises:
        InputError: No picture could be measured, a mask cannot be used, or, where the data set's
            ``stop_on_bad_image`` says so, a picture cannot be decoded.
    """
    config = config or EvaluationConfig()
    if config.limit is not None and config.limit < 1:
        raise InputError(f"evaluation.limit is {config.limit}, expected at least 1 or nothing")
    count = len(dataset) if config.limit is None else min(config.limit, len(dataset))
    if count == 0:
        raise InputError("the data set has no picture to evaluate on")
    matrix = empty_matrix(model)
    worst: list[tuple[float, int]] = []  # a heap whose smallest entry is the best of the worst
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
            score = own.scores().mIoU
            if config.worst and not np.isnan(score):
                heapq.heappush(worst, (-score, -index))
                if len(worst) > config.worst:
                    heapq.heappop(worst)
    if len(skipped) == count:
        raise InputError(f"none of the {count} pictures could be read; the first: {skipped[0][1]}")
    ordered = sorted((-negative, -index) for negative, index in worst)
    return EvaluationResult(
        matrix.scores(),
        matrix,
        tuple(model.class_names) if model.num_classes > 1 else (*model.class_names, REST),
        config,
        count - len(skipped),
        [PictureScore(dataset.names[index], index, score) for score, index in ordered],
        skipped,
        protocol,
    )


def empty_matrix(model: Any) -> ConfusionMatrix:
    """A matrix for a model's classes; for a model of a single class with "nothing there" as the second."""
    if model.num_classes == 1:
        return ConfusionMatrix(2, None)
    return ConfusionMatrix(model.num_classes, model.ignore_index)


def _groups(
    dataset: Any, count: int, size: int, skipped: list[tuple[str, str]], progress: bool
) -> Iterator[list[tuple[int, Any]]]:
    """Samples in groups that are handled together; pictures that cannot be decoded are noted and left out."""
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
