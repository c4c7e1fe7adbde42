"""Which classes a run can learn: those that its training masks hold."""

from collections.abc import Sequence

import numpy as np

from vit_adapter.data.sample import AnnotatedImages

from .class_weights import COUNTED, count_pixels

LOOKED_AT = 200  # masks of each part that are counted where class weights do not need more


def training_pixels(dataset: AnnotatedImages, num_classes: int, for_weights: bool) -> np.ndarray | None:
    """Pixels of every class in the training masks.

    Args:
        dataset: The training images; None: not known.
        num_classes: Number of classes K.
        for_weights: Class weights are made from them; otherwise fewer masks are looked at, and only those that are
            files of their own.

    Returns:
        int64 [K]; None where nothing was counted.
    """
    if for_weights:
        return count_pixels(dataset, num_classes)
    return count_pixels(dataset, num_classes, LOOKED_AT) if hasattr(dataset, "read_labels") else None


def occurrence_notes(
    counts: np.ndarray | None,
    training: AnnotatedImages,
    validation: AnnotatedImages | None,
    names: Sequence[str],
    for_weights: bool,
    said: Sequence[str] = (),
) -> list[str]:
    """Lines on classes that no training mask holds: those in validation only, and those nowhere.

    Args:
        counts: What ``training_pixels`` gave.
        training: The training images.
        validation: The validation images; None: there are none.
        names: Names of the classes.
        for_weights: As for ``training_pixels``.
        said: Lines that a reader has seen already; none of them is said again.
    """
    if counts is None or counts.all():
        return []
    missing = np.flatnonzero(counts == 0).tolist()
    looked = min(len(training), COUNTED if for_weights else LOOKED_AT)
    where = "" if looked == len(training) else f" (of {looked} of {len(training)} training masks looked at)"
    validated = np.zeros(len(names), np.int64)
    if validation is not None and hasattr(validation, "read_labels"):
        validated = count_pixels(validation, len(names), LOOKED_AT)
    lines = []
    only = [names[label] for label in missing if validated[label]]
    if only:
        lines.append(
            f"classes that occur in validation only: {_some(only)}{where}; a model cannot learn them"
        )
    nowhere = [names[label] for label in missing if not validated[label]]
    if nowhere:
        lines.append(f"classes that no training mask holds: {_some(nowhere)}{where}")
    return [line for line in lines if not any(line.partition(":")[0] in other for other in said)]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
