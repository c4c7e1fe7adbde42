"""What every prediction returns, whatever was asked for."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vit_adapter.annotations import Annotation
from vit_adapter.images.georeference import Georeference
from vit_adapter.visualization import default_palette

from .polygon_files import PolygonForm, Region, coco_polygons, geojson


@dataclass(frozen=True, eq=False, kw_only=True)
class Result(ABC):
    """What a model says of one image; each task has a class of its own.

    Attributes:
        image: The image itself [H, W, C], upright.
        class_names: Names of the K classes.
        palette: uint8 [K, 3], RGB; None: ``default_palette``.
        ids: The value of each class in the user's own files, 0..65535; None: 0..K-1.
        georeference: Where on Earth the image lies; None: nowhere that is known.
    """

    image: np.ndarray = field(repr=False)
    class_names: tuple[str, ...]
    palette: np.ndarray | None = field(default=None, repr=False)
    ids: tuple[int, ...] | None = field(default=None, repr=False)
    georeference: Georeference | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.palette is None:
            object.__setattr__(self, "palette", default_palette(len(self.class_names)))
        if self.ids is None:
            object.__setattr__(self, "ids", tuple(range(len(self.class_names))))

    @property
    @abstractmethod
    def annotation(self) -> Annotation:
        """The prediction in the form of the truth, as evaluators take it."""

    @abstractmethod
    def overlay(self, alpha: float = 0.5, legend: bool = True) -> Image.Image:
        """The image with what was found drawn over it."""

    def frame(self, alpha: float = 0.5) -> Image.Image:
        """The overlay as a frame of a video: without a legend, each class always in its own colour."""
        return self.overlay(alpha, legend=False)

    def on_sheet(self, alpha: float = 0.5) -> Image.Image:
        """The overlay among others above one legend: without its own, each class in its own colour on all of them."""
        return self.frame(alpha)

    @abstractmethod
    def regions(self) -> list[Region]:
        """What was found, outlined by polygons, see ``polygon_files``.

        Raises:
            ModuleNotFoundError: rasterio is not installed.
        """

    def polygons(
        self,
        form: PolygonForm,
        file_name: str,
        facts: Mapping[str, object],
        ids: Sequence[int] | None = None,
    ) -> dict[str, Any]:
        """The regions as the values of a JSON file.

        Args:
            form: "coco" or "geojson".
            file_name: Of the image.
            facts: The mark of the file.
            ids: The value of each class; None: that of the user's own files.

        Raises:
            InputError: The coordinate system of the image cannot be converted.
        """
        values, names = self.ids if ids is None else ids, self.class_names
        assert values is not None
        if form == "geojson":
            return geojson(self.regions(), self.georeference, names, values, facts)
        size = (self.image.shape[0], self.image.shape[1])
        return coco_polygons(self.regions(), size, file_name, names, values, facts)

    @abstractmethod
    def save(self, folder: str | Path, stem: str) -> list[Path]:
        """Writes the files of a result, all or none; returns them.

        Raises:
            InputError: A file cannot be written.
        """
