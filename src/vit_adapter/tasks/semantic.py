"""Semantic segmentation: a class for every pixel."""

from collections.abc import Collection, Sequence
from functools import partial

import numpy as np

from vit_adapter.annotations import Annotation
from vit_adapter.config import ClassTable, InputError
from vit_adapter.config.mirrored import mirrored_order
from vit_adapter.heads import Targets
from vit_adapter.inference import Application, predict_labels
from vit_adapter.inference.application import HELD_BYTES
from vit_adapter.metrics import SemanticEvaluator

from .answers import Answers, DecodeSettings
from .semantic_result import SemanticResult
from .task import Task, TrainingTruth


def semantic_targets(truth: TrainingTruth, classes: ClassTable, area: tuple[int, int]) -> Targets:
    """Labels as they are, see ``Task.targets``."""
    return Targets(truth.labels, classes.ignore_index, area)


def semantic_results(
    answers: Answers, images: Sequence[np.ndarray], settings: DecodeSettings
) -> list[SemanticResult]:
    """Labels made now, probabilities on request, see ``Task.decode``.

    Raises:
        InputError: See ``inference.application.Application``.
    """
    classes, protocol, threshold = settings.classes, settings.protocol, settings.threshold
    options = {
        "num_classes": len(classes),
        "scores_are": settings.scores_are,
        "batch_size": settings.batch_size,
        "device": settings.device,
        "mirrored": mirrored_order(classes),
    }
    score_function = answers.score
    held_bytes = HELD_BYTES if settings.held else 0
    applications = [
        Application(score_function, [image], protocol, held_bytes=held_bytes, **options) for image in images
    ]
    if settings.held:
        labels = [application.labels(threshold)[0] for application in applications]
    else:
        labels = predict_labels(score_function, images, protocol, threshold=threshold, **options)
    palette = None if classes.colours is None else np.array(classes.colours, np.uint8)
    return [
        SemanticResult(
            labels=label,
            class_names=classes.names,
            image=image,
            palette=palette,
            ids=classes.ids,
            make_scores=partial(_first_scores, application),
            visit_scores=application.visit_scores,
            ignore_id=classes.ignore_id,
        )
        for label, image, application in zip(labels, images, applications, strict=True)
    ]


def _first_scores(application: Application, limit_bytes: int | None) -> np.ndarray:
    return application.scores(limit_bytes)[0]


def semantic_evaluator(classes: ClassTable, left_out: Collection[int], limit: int = 100) -> SemanticEvaluator:
    """Mean IoU, see ``Task.evaluator``; there are no objects to limit."""
    return SemanticEvaluator(len(classes), classes.ignore_index, left_out)


def drawn_labels(image: np.ndarray, truth: Annotation, classes: ClassTable) -> SemanticResult:
    """Labels as a result, see ``Task.drawn``.

    Raises:
        InputError: There are none.
    """
    if truth.labels is None:
        raise InputError("labels are missing in the truth")
    palette = None if classes.colours is None else np.array(classes.colours, np.uint8)
    return SemanticResult(
        labels=truth.labels, class_names=classes.names, image=image, palette=palette, ids=classes.ids
    )


SEMANTIC = Task(
    "semantic",
    semantic_targets,
    semantic_results,
    semantic_evaluator,
    SemanticEvaluator.headline,
    drawn_labels,
)
