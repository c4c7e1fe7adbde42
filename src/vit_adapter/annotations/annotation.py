"""Everything that is known, or predicted, about one image."""

from dataclasses import dataclass

import numpy as np

from .instances import Instances


@dataclass(frozen=True, eq=False)
class Annotation:
    """What a data set or a model says about an image.

    Attributes:
        labels: Class of every pixel [H, W], 0..K-1 or the ignored label, any integer dtype; None: not known.
        instances: The objects; None: not known, which is not the same as none.
    """

    labels: np.ndarray | None = None
    instances: Instances | None = None
