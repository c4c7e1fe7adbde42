"""How the images of a batch are read: their pixels, and where on Earth they lie."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vit_adapter.config import InputError
from vit_adapter.config.values import check_argument
from vit_adapter.images import ImageRemarks, read_content, read_image
from vit_adapter.images.georeference import (
    Georeference,
    has_rasterio,
    read_georeference,
    states_georeference,
)
from vit_adapter.images.loading import opened_image
from vit_adapter.images.raster_reading import size_in, tiff_directory_of

from .applied_predictor import AppliedPredictor
from .large_rasters import LARGE_PIXELS, why_not_in_blocks
from .prediction_inputs import InputImage
from .result_folder import ImageKind, ResultFolder


@dataclass(frozen=True)
class ReadOptions:
    """How image files are read.

    Attributes:
        max_pixels: Images of more pixels are refused.
        bands: Which bands of a file are the channels, from 1; None: all, in their order.
        skip_existing: Images whose result is there are left alone.
    """

    max_pixels: int
    bands: Sequence[int] | None = None
    skip_existing: bool = False

    def check(self) -> None:
        """Refuses values that no file can be read with.

        Raises:
            InputError: There is one.
        """
        check_argument("--max-pixels", self.max_pixels, int, at_least=1)
        for band in self.bands or ():
            check_argument("--bands", band, int, at_least=1)

    def check_channels(self, channels: int) -> None:
        """Refuses another number of bands than the model's channels; one band serves as a grey photo.

        Raises:
            InputError: It is another one.
        """
        if self.bands is not None and len(self.bands) not in {channels, 1 if channels == 3 else channels}:
            raise InputError(
                f"--bands {','.join(map(str, self.bands))}: {len(self.bands)} bands, but the model takes "
                f"{channels} channels"
            )


@dataclass
class ReadImage:
    """What was read of an image's file.

    Attributes:
        digest: Of the file.
        kind: What the files of its result depend on.
        pixels: [H, W, C]; None: its result is there already, or it is large.
        there: Its result is there already.
        georeference: Where it lies; None: nowhere that is known.
        nodata: bool [H, W], where it has no value; None: it has one everywhere.
    """

    digest: str
    kind: ImageKind
    pixels: np.ndarray | None
    there: bool = False
    georeference: Georeference | None = None
    nodata: np.ndarray | None = None


class BatchReader:
    """Reads the images of a batch.

    Args:
        applied: The model that the images are for.
        options: How files are read.
        folder: Where the results go.

    Attributes:
        remarks: About files that could be read.
        lost: Images whose place on Earth their results do not keep, since rasterio is missing.
    """

    def __init__(self, applied: AppliedPredictor, options: ReadOptions, folder: ResultFolder) -> None:
        self._applied, self._options, self._folder = applied, options, folder
        self._semantic, self._geo = applied.task == "semantic", has_rasterio()
        self.lost: list[str] = []
        self.remarks = ImageRemarks()

    def read(self, item: tuple[InputImage, str]) -> ReadImage:
        """Reads an image, unless its result is there.

        Args:
            item: The image, and the name of its result.

        Raises:
            InputError: It cannot be read, or its result cannot be written.
        """
        image, name = item
        if self._is_large(image.path):
            with opened_image(image.path) as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()[:32]  # pyright: ignore (a real file)
            return ReadImage(digest, "large", None, self._there(name, digest, "large"))
        content = read_content(image.path)  # read once: the result remembers its digest
        digest = hashlib.sha256(content).hexdigest()[:32]
        placed = states_georeference(content)
        if placed and not self._geo:
            self.lost.append(str(image.path))
        kind: ImageKind = "georeferenced" if placed and self._geo and self._semantic else "image"
        if self._there(name, digest, kind):
            return ReadImage(digest, kind, None, True)
        pixels = read_image(
            content,
            self._applied.channels,
            max_pixels=self._options.max_pixels,
            value_range=self._applied.protocol.value_range,
            remarks=self.remarks,
            name=str(image.path),
            bands=self._options.bands,
        )
        georeference, nodata = read_georeference(image.path) if placed and self._geo else (None, None)
        if georeference is None and kind == "georeferenced":
            kind = "image"
        return ReadImage(digest, kind, pixels, False, georeference, nodata)

    def _there(self, name: str, digest: str, kind: ImageKind) -> bool:
        """Whether the result of an image is there and counts.

        Raises:
            InputError: It is not, and cannot be written.
        """
        if self._options.skip_existing and self._folder.state(name, digest, kind) != "missing":
            return True
        if problem := self._folder.problem(name, kind):
            raise InputError(problem)
        return False

    def _is_large(self, path: Path) -> bool:
        """Whether an image is read block by block.

        Raises:
            InputError: It would have to be, and cannot.
        """
        directory = tiff_directory_of(path)
        if directory is None:
            return False
        height, width = size_in(directory)
        too_large = height * width > self._options.max_pixels
        if height * width <= min(LARGE_PIXELS, self._options.max_pixels):
            return False
        why_not = why_not_in_blocks(self._applied.protocol, self._folder.form, self._applied.task)
        if not self._geo:
            why_not = (
                "TIFF files are read by blocks where rasterio is installed (pip install 'vit-adapter[geo]')"
            )
        if why_not is not None and too_large:
            raise InputError(
                f"{path}: {width}x{height} pixels are more than --max-pixels {self._options.max_pixels}: {why_not}"
            )
        return why_not is None


def lost_lines(images: Sequence[str]) -> list[str]:
    """A line about places on Earth that are not written, where there are some."""
    if not images:
        return []
    what = "1 image is georeferenced" if len(images) == 1 else f"{len(images)} images are georeferenced"
    return [
        f"{what} ({images[0]}{' ...' * (len(images) > 1)}), which its result loses: transform, coordinate system and "
        "nodata are kept by rasterio only (pip install 'vit-adapter[geo]')"
    ]
