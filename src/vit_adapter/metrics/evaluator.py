"""What every metric promises, so that the loop over a data set, validation and reports do not have to know which."""

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeAlias

import numpy as np

from vit_adapter.annotations import Annotation

State: TypeAlias = Mapping[str, np.ndarray]
"""Everything counted so far, as arrays by name: what processes send each other."""


class Evaluator(Protocol):
    """Counts image after image, and gives the scores of all of them together.

    Scores come from the counts over the whole data set, never from an average over images or processes: the order
    of the images, and which process counted them, change nothing.
    """

    @property
    def headline(self) -> str:
        """Name of the one score by which models are compared, a key of ``scores``, such as "mIoU"; higher is better."""
        ...

    def update(self, prediction: Annotation, truth: Annotation, image: int | None = None) -> float | None:
        """Count one image.

        Args:
            prediction: What the model says of it.
            truth: What is true of it, at the same size.
            image: Its number in the data set, where it may matter which image comes first; None: the next one.

        Returns:
            The image's own headline score; None where nothing in it counts.

        Raises:
            InputError: They do not fit each other, or lack what is compared. Nothing has been counted then.
        """
        ...

    def state(self) -> State:
        """A copy of what was counted so far."""
        ...

    def merge(self, states: Iterable[State]) -> None:
        """Add what other evaluators with the same settings have counted."""
        ...

    def scores(self) -> dict[str, float]:
        """The scores that a run records, by name, 0..1, the headline among them; NaN where one cannot be said."""
        ...

    def figures(self) -> dict[str, float]:
        """What a table of images says besides the headline: scores 0..1, and counts as whole numbers."""
        ...

    def class_values(self) -> list[dict[str, float]]:
        """One row for each class, in their order: scores 0..1 by name (NaN where one cannot be said), and counts."""
        ...
