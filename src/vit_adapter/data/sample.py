"""What every data set returns: an image with contiguous labels."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vit_adapter.annotations import Annotation
from vit_adapter.config import ClassTable, DataConfig


@dataclass(frozen=True)
class Sample:
    """An image and its labels.

    Attributes:
        image: uint8 [H, W, C], RGB for three channels, in displayed orientation (other than 1 or 3 channels:
            the type in the file).
        labels: uint8 [H, W] 0..K-1 or the table's ``ignore_index``; uint16 for more than 255 classes.
        name: Name within the data set.
    """

    image: np.ndarray
    labels: np.ndarray
    name: str

    @property
    def annotation(self) -> Annotation:
        """What is true of the image."""
        return Annotation(labels=self.labels)


class SegmentationDataset(Protocol):
    """What training and evaluation need from a data set.

    Attributes:
        classes: The classes.
        names: Name of every image.
        config: The settings it was opened with.
    """

    classes: ClassTable
    names: list[str]
    config: DataConfig

    def __len__(self) -> int:
        """Number of images."""
        ...

    def read(self, index: int) -> Sample:
        """Reads an image and its labels."""
        ...
