"""A model applied to many images of any sizes."""

from collections.abc import Sequence

import numpy as np
import torch

from vit_adapter.config import InferenceConfig, ScoresAre

from .application import Application
from .augmentation import plan_views
from .windows import ScoreFunction

TOGETHER_BYTES = 1 << 28
"""Scores of the images that are handled together: more of them are taken in turns."""


def predict_labels(
    score_function: ScoreFunction,
    images: Sequence[np.ndarray],
    protocol: InferenceConfig,
    *,
    num_classes: int,
    scores_are: ScoresAre = "logits",
    batch_size: int = 4,
    device: str | torch.device = "cpu",
    threshold: float | None = None,
    mirrored: Sequence[int] | None = None,
) -> list[np.ndarray]:
    """Labels of images of any sizes; windows of images of one size share calls of the model.

    Images are never padded to each other: the labels are those that each image has alone.

    Args:
        score_function: See ``Application``, as for the other arguments.
        images: Images [H, W, C].
        protocol: How the model is applied.
        num_classes: K.
        scores_are: "logits" or "class_sums".
        batch_size: Largest number of windows in one call.
        device: Where windows are sent.
        threshold: For two classes: smallest probability of class 1 that makes a pixel class 1.
        mirrored: For every class the one that it becomes in a mirror image; None: itself.

    Returns:
        Labels [H, W] in the order of the images, see ``Application.labels``.

    Raises:
        InputError: See ``Application``.
    """
    same: dict[tuple, list[int]] = {}
    for index, image in enumerate(images):
        same.setdefault((image.shape, image.dtype), []).append(index)
    labels: dict[int, np.ndarray] = {}
    for (shape, _), indices in same.items():
        largest = max(view.padded[0] * view.padded[1] for view in plan_views(shape[:2], protocol))
        together = max(1, min(batch_size, TOGETHER_BYTES // (4 * num_classes * largest)))
        for start in range(0, len(indices), together):
            group = indices[start : start + together]
            application = Application(
                score_function,
                [images[index] for index in group],
                protocol,
                num_classes=num_classes,
                scores_are=scores_are,
                batch_size=batch_size,
                device=device,
                held_bytes=0,
                mirrored=mirrored,
            )
            labels.update(zip(group, application.labels(threshold)))
    return [labels[index] for index in range(len(images))]
