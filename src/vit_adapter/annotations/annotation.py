"""Everything that is known, or predicted, about one image."""

from dataclasses import dataclass

import numpy as np

from .instances import Instances
from .segments import Segments


@dataclass(frozen=True, eq=False)
class Annotation:
    """What a data set or a model says about an image.

    Attributes:
        labels: Class of every pixel [H, W], 0..K-1 or the ignored label, any integer dtype; None: not known.
        instances: The objects; None: not known, which is not the same as none.
        segments: The image cut into things and stuff; None: not known, or only by labels and objects.
    """

    labels: np.ndarray | None = None
    instances: Instances | None = None
    segments: Segments | None = None

    def classes(self) -> set[int]:
        """Labels that occur in any of the three, the ignored one included."""
        known = [] if self.labels is None else [self.labels]
        known += [one.classes for one in (self.instances, self.segments) if one is not None]
        return {int(label) for values in known for label in np.unique(values)}
