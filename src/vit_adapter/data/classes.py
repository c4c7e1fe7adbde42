"""What a data set adds to the table of its classes: the type of label maps and colours to draw them in."""

import numpy as np

from vit_adapter.config import ClassTable
from vit_adapter.visualization import default_palette


def label_dtype(table: ClassTable) -> np.dtype:
    """Type of contiguous label maps: uint8, or uint16 when there are more than 255 classes."""
    return np.dtype(np.uint8 if len(table) <= 255 else np.uint16)


def class_palette(table: ClassTable) -> np.ndarray:
    """Colours as uint8 [K, 3]: the table's own, or the default palette."""
    if table.colours is None:
        return default_palette(len(table))
    return np.array(table.colours, dtype=np.uint8).reshape(len(table), 3)
