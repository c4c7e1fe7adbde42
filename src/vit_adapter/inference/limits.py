"""What scores may be asked for, and what labels mean where no class is. No torch here."""

from vit_adapter.config import InputError

SCORES_LIMIT_BYTES = 1 << 32
"""Largest full-size score map that is made without being forced: 4 GiB."""
NOTHING = 255
"""Label of pixels that a model of a single class assigns to no class."""


def check_threshold(threshold: float | None, num_classes: int) -> None:
    """Refuses a threshold that has no meaning.

    Raises:
        InputError: For more than two classes, or outside 0..1.
    """
    if threshold is None:
        return
    if num_classes > 2:
        raise InputError(f"a threshold needs a model of one or two classes, this one has {num_classes}")
    if not 0 <= threshold <= 1:
        raise InputError(f"threshold is {threshold}, expected a probability from 0 to 1")
