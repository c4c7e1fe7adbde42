"""What is done with validation pictures: scores, and a few overlays to look at."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from vit_adapter.config import EvaluationConfig
from vit_adapter.evaluation.loop import empty_matrix, evaluate
from vit_adapter.evaluation.metrics import ConfusionMatrix
from vit_adapter.visualization import overlay

from . import processes
from .joint_evaluation import DatasetPart, joint_scores

EXAMPLES = 3


def make_evaluate(dataset: Any, config: EvaluationConfig) -> Callable[[Any], dict[str, float]]:
    """Model to joint scores over a data set.

    Args:
        dataset: All validation pictures.
        config: How they are measured; ``limit`` counts those of all processes together.
    """

    def scores(model: Any) -> dict[str, float]:
        part = DatasetPart(dataset, processes.rank(), processes.world_size(), config.limit)
        return joint_scores(lambda: _count(model, part, config))

    return scores


def _count(model: Any, part: DatasetPart, config: EvaluationConfig) -> ConfusionMatrix:
    if len(part) == 0:  # more processes than pictures
        return empty_matrix(model)
    return evaluate(model, part, replace(config, limit=None, worst=0), progress=False).matrix


def example_overlays(dataset: Any, count: int = EXAMPLES) -> Callable[[Any], list[np.ndarray]]:
    """Model to pictures with truth on the left and prediction on the right, of evenly spaced pictures.

    Args:
        dataset: With ``read`` and ``classes``.
        count: Number of pictures.
    """
    indices = sorted({int(index) for index in np.linspace(0, len(dataset) - 1, min(count, len(dataset)))})

    def draw(model: Any) -> list[np.ndarray]:
        pictures = []
        for index in indices:
            sample = dataset.read(index)
            result = model.predict(sample.image)
            sides = [
                overlay(sample.image, labels, result.palette, result.class_names, legend=False)
                for labels in (sample.labels, result.labels)
            ]
            pictures.append(np.concatenate(sides, axis=1))
        return pictures

    return draw
