"""What a data set adds to the table of its classes: the type of label maps."""

import numpy as np

from vit_adapter.config import ClassTable


def label_dtype(table: ClassTable) -> np.dtype:
    """Type of contiguous label maps: uint8, or uint16 when there are more than 255 classes."""
    return np.dtype(np.uint8 if len(table) <= 255 else np.uint16)
