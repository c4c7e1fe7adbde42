"""What every prediction returns, whatever was asked for."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from vit_adapter.annotations import Annotation
from vit_adapter.visualization import default_palette


@dataclass(frozen=True, eq=False, kw_only=True)
class Result(ABC):
    """What a model says of one image; each task has a class of its own.

    Attributes:
        image: The image itself [H, W, C], upright.
        class_names: Names of the K classes.
        palette: uint8 [K, 3], RGB; None: ``default_palette``.
    """

    image: np.ndarray = field(repr=False)
    class_names: tuple[str, ...]
    palette: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.palette is None:
            object.__setattr__(self, "palette", default_palette(len(self.class_names)))

    @property
    @abstractmethod
    def annotation(self) -> Annotation:
        """The prediction in the form of the truth, as evaluators take it."""

    @abstractmethod
    def overlay(self, alpha: float = 0.5, legend: bool = True) -> Image.Image:
        """The image with what was found drawn over it."""

    @abstractmethod
    def save(self, folder: str | Path, stem: str) -> list[Path]:
        """Writes the files of a result, all or none; returns them.

        Raises:
            InputError: A file cannot be written.
        """
