"""Parts of TIFF files that are never read as a whole. Needs rasterio, the extra "geo"."""

import mmap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vit_adapter.annotations import Window
from vit_adapter.config import InputError

from . import tiff_directory
from .georeference import TIFF_STARTS, Georeference, georeference_of, opened_raster
from .reading import read_image
from .value_range import Range, stated_by_tiff


def tiff_directory_of(path: Path) -> tiff_directory.Directory | None:
    """The tags of a TIFF file's first image, read without its pixels; None: it is no TIFF file, or damaged."""
    try:
        with path.open("rb") as file:
            if file.read(4) not in TIFF_STARTS:
                return None
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return tiff_directory.read_directory(content)  # pyright: ignore (only sliced)
    except (OSError, ValueError, tiff_directory.TiffError):
        return None


def size_in(directory: tiff_directory.Directory) -> tuple[int, int]:
    """(height, width) that a directory states, in pixels."""
    width, height = (int(directory.get(tag, (0,))[0]) for tag in (256, 257))
    return height, width


class Raster:
    """An opened TIFF file, whose parts become images as ``read_image`` makes them.

    16-bit values are brought to 8 by the range that is named, else by the one that the file states, else by the whole
    range, which may differ from a file read as a whole where its values contradict what it states.

    Attributes:
        size: (height, width) in pixels.
        georeference: Where it lies; None: nowhere that is known.
    """

    def __init__(
        self, raster: Any, path: Path, channels: int, bands: Sequence[int] | None, value_range: Range | None
    ) -> None:
        self._raster, self._path, self._channels, self._range = raster, path, channels, value_range
        self.size: tuple[int, int] = (raster.height, raster.width)
        self.georeference: Georeference | None = georeference_of(raster)
        self._bands = list(bands) if bands is not None else self._usual_bands()
        if not 1 <= min(self._bands) <= max(self._bands) <= raster.count:
            raise InputError(
                f"{path}: bands {','.join(map(str, self._bands))} of a file of {raster.count}; expected numbers from 1"
            )

    @classmethod
    @contextmanager
    def opened(
        cls, path: Path, channels: int, bands: Sequence[int] | None, value_range: Range | None
    ) -> Iterator["Raster"]:
        """Opens a file.

        Args:
            path: The file.
            channels: Of the images that are made of it.
            bands: Which bands they are, from 1; None: the first ones.
            value_range: Values of black and white of more than 8 bits.

        Raises:
            InputError: It cannot be read, or has no such bands.
        """
        if value_range is None:
            value_range = stated_by_tiff(tiff_directory_of(path) or {})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # rasterio's about images that lie nowhere
            with opened_raster(path) as raster:
                yield cls(raster, path, channels, bands, value_range)

    def read(self, window: Window) -> tuple[np.ndarray, np.ndarray | None]:
        """A part: [h, w, C], and bool [h, w] where it has no value (None: it has one everywhere).

        Raises:
            InputError: Its values cannot be used, see ``read_image``.
        """
        from rasterio.windows import Window as RasterWindow

        place: Any = RasterWindow(window.left, window.top, window.width, window.height)  # pyright: ignore
        values = self._raster.read(self._bands, window=place)
        valid = self._raster.dataset_mask(window=place)
        nodata = None if valid.all() else valid == 0
        if nodata is not None and values.dtype.kind == "f":
            values[:, nodata] = 0  # often not a number
        return self._image(values), nodata

    def read_reduced(self, side: int) -> np.ndarray:
        """The whole image [h, w, C], its longer side at most so many pixels; every so many-th pixel is taken."""
        factor = max(1.0, max(self.size) / side)
        height, width = (max(1, round(length / factor)) for length in self.size)
        values = self._raster.read(self._bands, out_shape=(len(self._bands), height, width))
        if values.dtype.kind == "f":
            values = np.where(self._raster.dataset_mask(out_shape=(height, width)) == 0, 0, values)
        return self._image(values)

    def _image(self, values: np.ndarray) -> np.ndarray:
        """[h, w, C] of bands [N, h, w]."""
        array = np.ascontiguousarray(values.transpose(1, 2, 0))
        value_range = self._range if array.dtype != np.uint8 else None
        return read_image(array, self._channels, value_range=value_range)

    def _usual_bands(self) -> list[int]:
        count = self._raster.count
        if self._channels not in (1, 3):
            return list(range(1, count + 1))
        return [1] if count < 3 else [1, 2, 3]
