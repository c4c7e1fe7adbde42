"""What every data set returns: an image and what is true of it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vit_adapter.annotations import Annotation
from vit_adapter.config import ClassTable, DataConfig, InputError


@dataclass(frozen=True)
class Sample:
    """An image and what is true of it.

    Attributes:
        image: uint8 [H, W, C], RGB for three channels, in displayed orientation (other than 1 or 3 channels:
            the type in the file).
        annotation: Labels uint8 [H, W] 0..K-1 or the table's ``ignore_index``, uint16 for more than 255 classes; and
            objects with their masks as run-lengths, where the data set was opened for a task that needs them.
        name: Name within the data set.
    """

    image: np.ndarray
    annotation: Annotation
    name: str

    @property
    def labels(self) -> np.ndarray:
        """The labels of the annotation.

        Raises:
            InputError: It has none.
        """
        if self.annotation.labels is None:
            raise InputError(f"{self.name}: has objects but no class for every pixel")
        return self.annotation.labels


class AnnotatedImages(Protocol):
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
        """Reads an image and its annotation."""
        ...
