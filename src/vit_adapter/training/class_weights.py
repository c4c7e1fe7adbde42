"""Class weights for the loss: from a file, or from how often each class occurs."""

from pathlib import Path

import numpy as np

from vit_adapter.config import InputError
from vit_adapter.data.sample import AnnotatedImages

COUNTED = 1000
"""Images whose labels are counted, evenly spaced over the data set: more would only make the start slow."""


BOUNDS = 0.1, 10.0
"""Smallest and largest automatic weight: a class a hundred times rarer than the median has the largest, and so has a
single stray pixel, which would otherwise weigh hundreds and make every step its own."""


def count_pixels(dataset: AnnotatedImages, num_classes: int, most: int = COUNTED) -> np.ndarray:
    """Pixels of every class over ``most`` images of a data set, or all; ignored pixels count nowhere.

    Returns:
        int64 [num_classes].
    """
    counts = np.zeros(num_classes, np.int64)
    # No image is decoded where a mask is a file of its own.
    read_labels = getattr(dataset, "read_labels", None)
    count = min(len(dataset), most)
    for index in np.linspace(0, len(dataset) - 1, count).round().astype(int).tolist():
        labels = dataset.read(index).labels if read_labels is None else read_labels(index)
        labels = np.asarray(labels).reshape(-1)
        counts += np.bincount(labels[labels < num_classes], minlength=num_classes)
    return counts


def balanced_weights(counts: np.ndarray) -> np.ndarray:
    """Square root of (median frequency / frequency) of every class, within ``BOUNDS``.

    The median is that of the classes that occur. A class that occurs nowhere weighs 1: it is in no loss term, and
    any other number would only mislead a reader.

    Args:
        counts: [num_classes] pixels of every class.

    Returns:
        float64 [num_classes].
    """
    weights = np.ones(len(counts), np.float64)
    present = counts > 0
    if present.any():
        weights[present] = np.sqrt(np.median(counts[present]) / counts[present]).clip(*BOUNDS)
    return weights


def read_weights(path: str | Path, num_classes: int) -> np.ndarray:
    """Weights from a text file with one number per class, separated by line breaks, spaces or commas.

    Raises:
        InputError: The file cannot be read, holds something else, or another count of numbers.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(
            f"training.class_weights={path}: no such file; expected auto, null (none), or a text file with one number "
            "per class"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: class weights cannot be read: {error}") from error
    try:
        weights = np.array([float(word) for word in text.replace(",", " ").split()])
    except ValueError as error:
        raise InputError(f"{path}: {error}; expected one number per class") from error
    if len(weights) != num_classes:
        raise InputError(f"{path}: {len(weights)} class weights, expected {num_classes}, one for each class")
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise InputError(f"{path}: class weight {weights.min():g}, expected finite numbers of at least 0")
    return weights


def class_weights(
    setting: str | None, dataset: AnnotatedImages, num_classes: int, counts: np.ndarray | None = None
) -> np.ndarray | None:
    """Weights as ``training.class_weights`` says: None, "auto" (``balanced_weights``) or a file.

    Args:
        setting: The setting.
        dataset: Whose pixels are counted for "auto".
        num_classes: Number of classes K.
        counts: int64 [K], if the pixels were counted before.
    """
    if setting is None:
        return None
    if setting == "auto":
        return balanced_weights(count_pixels(dataset, num_classes) if counts is None else counts)
    return read_weights(setting, num_classes)
