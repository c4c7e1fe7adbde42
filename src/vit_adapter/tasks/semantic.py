"""Semantic segmentation: a class for every pixel."""

from collections.abc import Collection, Sequence

import numpy as np
from torch import Tensor

from vit_adapter.config import ClassTable
from vit_adapter.config.mirrored import mirrored_order
from vit_adapter.heads import Targets
from vit_adapter.inference import apply_protocol, predict_labels
from vit_adapter.inference.windows import ScoreFunction
from vit_adapter.metrics import SemanticEvaluator

from .semantic_result import SemanticResult
from .task import DecodeSettings, Task


def semantic_targets(labels: Tensor, classes: ClassTable, area: tuple[int, int]) -> Targets:
    """Labels as they are, see ``Task.targets``."""
    return Targets(labels, classes.ignore_index, area)


def semantic_results(
    score_function: ScoreFunction, images: Sequence[np.ndarray], settings: DecodeSettings
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
    if settings.held:
        predictions = [apply_protocol(score_function, image, protocol, **options) for image in images]
        labels = [prediction.labels(threshold) for prediction in predictions]
    else:
        labels = predict_labels(score_function, images, protocol, threshold=threshold, **options)
        predictions = [
            apply_protocol(score_function, image, protocol, held_bytes=0, **options) for image in images
        ]
    palette = None if classes.colours is None else np.array(classes.colours, np.uint8)
    return [
        SemanticResult(
            labels=label,
            class_names=classes.names,
            image=image,
            palette=palette,
            ids=classes.ids,
            make_scores=prediction.scores,
            ignore_id=classes.ignore_id,
        )
        for label, image, prediction in zip(labels, images, predictions, strict=True)
    ]


def semantic_evaluator(classes: ClassTable, left_out: Collection[int]) -> SemanticEvaluator:
    """Mean IoU, see ``Task.evaluator``."""
    return SemanticEvaluator(len(classes), classes.ignore_index, left_out)


SEMANTIC = Task("semantic", semantic_targets, semantic_results, semantic_evaluator)
