"""What can be had without looking at more than a pixel."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

Predict = Callable[[np.ndarray], np.ndarray]
PIXELS_AN_IMAGE = 600


def majority(training: Any) -> Predict:
    """The class with the most training pixels, everywhere."""
    counts = np.zeros(len(training.classes), np.int64)
    for index in range(len(training)):
        labels = training.read(index).labels
        counts += np.bincount(labels[labels < len(counts)], minlength=len(counts))
    return lambda image: np.full(image.shape[:2], counts.argmax(), np.uint8)


def pixels(training: Any) -> Predict:
    """Boosted trees on colour and position, 600 pixels of every training image."""
    generator = np.random.default_rng(0)
    features, targets = [], []
    for index in range(len(training)):
        sample = training.read(index)
        valid = np.flatnonzero(sample.labels.ravel() != training.classes.ignore_index)
        chosen = generator.choice(valid, min(PIXELS_AN_IMAGE, len(valid)), replace=False)
        features.append(_features(sample.image)[chosen])
        targets.append(sample.labels.ravel()[chosen])
    trees = HistGradientBoostingClassifier(max_iter=40, random_state=0).fit(
        np.concatenate(features), np.concatenate(targets)
    )
    return lambda image: trees.predict(_features(image)).reshape(image.shape[:2])


def _features(image: np.ndarray) -> np.ndarray:
    """[H*W, 5] red, green, blue, row and column as shares of the sides."""
    height, width = image.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    place = np.stack([rows / height, columns / width], -1).reshape(-1, 2)
    return np.concatenate([image.reshape(-1, 3).astype(np.float32), place.astype(np.float32)], 1)
