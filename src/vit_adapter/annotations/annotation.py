"""Everything that is known, or predicted, of one image."""

from dataclasses import dataclass

import numpy as np

from .instances import Instances


@dataclass(frozen=True, eq=False)
class Annotation:
    """What a data set says of an image, or a model.

    Attributes:
        labels: Class of every pixel [H, W], 0..K-1 or the ignored label, any integer dtype; None: not known.
        instances: The objects; None: not known, which is another thing than none.
    """

    labels: np.ndarray | None = None
    instances: Instances | None = None
