"""Where on Earth an image lies: read from GeoTIFF files, written into them. Needs rasterio, the extra "geo"."""

import importlib.util
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vit_adapter.config import InputError
from vit_adapter.config.own_files import KEYWORD

from . import tiff_directory

TAGS = (33550, 33922, 34264, 34735)
"""Of TIFF: pixel scale, tie points, transformation, and the keys of the coordinate system."""
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
TILE = 256
"""Side of the tiles of files that are written, in pixels."""


@dataclass(frozen=True)
class Georeference:
    """Places of pixels in a coordinate system.

    Attributes:
        transform: (a, b, c, d, e, f): column and row, counted from the top left corner of the image, lie at
            x = a column + b row + c, y = d column + e row + f.
        crs: The coordinate system as WKT; "": not known.
    """

    transform: tuple[float, float, float, float, float, float]
    crs: str = ""

    def places(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels [N, 2], column and row, in the coordinate system: float64 [N, 2]."""
        a, b, c, d, e, f = self.transform
        columns, rows = pixels[:, 0], pixels[:, 1]
        return np.stack([a * columns + b * rows + c, d * columns + e * rows + f], axis=1)

    def longitudes_and_latitudes(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels [N, 2] as longitude and latitude in WGS84, float64 [N, 2].

        Raises:
            InputError: The coordinate system cannot be converted.
        """
        from rasterio.errors import RasterioError
        from rasterio.warp import transform

        x, y = self.places(pixels).T
        try:
            longitudes, latitudes, *_ = transform(self.crs, "EPSG:4326", x.tolist(), y.tolist())
        except RasterioError as error:
            raise InputError(
                f"its coordinate system cannot be converted to WGS84 ({_one_line(error)})"
            ) from None
        return np.stack([np.asarray(longitudes), np.asarray(latitudes)], axis=1)


def has_rasterio() -> bool:
    """Whether the package is installed."""
    return importlib.util.find_spec("rasterio") is not None


def states_georeference(content: bytes) -> bool:
    """Whether the content of an image file is TIFF with tags that say where it lies."""
    if content[:4] not in TIFF_STARTS:
        return False
    try:
        return any(tag in TAGS for tag in tiff_directory.read_directory(content))
    except tiff_directory.TiffError:
        return False  # whoever decodes it will say what is wrong


def read_georeference(path: Path) -> tuple[Georeference | None, np.ndarray | None]:
    """Where an image lies, and its pixels without a value.

    Args:
        path: A TIFF file.

    Returns:
        The place, None where the file does not say it; and bool [H, W], True where the file's nodata value, mask or
        alpha says that there is nothing, None where there is something everywhere.

    Raises:
        InputError: The file cannot be read.
    """
    with opened_raster(path) as raster:
        valid = raster.dataset_mask()
        return georeference_of(raster), None if valid.all() else valid == 0


@contextmanager
def opened_raster(path: Path) -> Iterator[Any]:
    """A TIFF file opened by rasterio.

    Raises:
        InputError: It cannot be opened, or not be read inside the block.
    """
    import rasterio
    from rasterio.errors import RasterioError

    try:
        # Blocks that were read or will be written are kept: without a limit a twentieth of the machine's memory.
        with rasterio.Env(GDAL_CACHEMAX=128), rasterio.open(path, driver="GTiff") as raster:
            yield raster
    except RasterioError as error:
        raise InputError(f"{path}: rasterio cannot read it ({_one_line(error)})") from None


def georeference_of(raster: Any) -> Georeference | None:
    """Where an opened raster lies; None where it does not say."""
    if raster.transform.is_identity and raster.crs is None:
        return None
    crs = "" if raster.crs is None else raster.crs.to_wkt()
    return Georeference(tuple(float(value) for value in raster.transform[:6]), crs)  # pyright: ignore


@contextmanager
def geotiff_writer(
    path: Path,
    *,
    size: tuple[int, int],
    dtype: np.dtype,
    georeference: Georeference | None,
    facts: Mapping[str, object],
    nodata: int | None = None,
    bands: Sequence[str] = ("",),
    colours: Mapping[int, tuple[int, int, int]] | None = None,
) -> Iterator[Any]:
    """A TIFF file to write by windows: tiled, compressed without loss, larger than 4 GB where needed.

    Args:
        path: The file.
        size: (height, width) in pixels.
        dtype: Of its values.
        georeference: Where it lies; None: nowhere.
        facts: What its mark says.
        nodata: The value of pixels without one.
        bands: A name for each band.
        colours: Of values of a single band of 8 bits.

    Yields:
        The opened raster of rasterio, with ``write(values, band, window=...)``.
    """
    import rasterio
    from affine import Affine

    place: dict[str, Any] = {}
    if georeference is not None:
        place = {"transform": Affine(*georeference.transform), "crs": georeference.crs or None}
    with (
        rasterio.Env(GDAL_CACHEMAX=128),
        rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=size[0],
            width=size[1],
            count=len(bands),
            dtype=dtype,
            nodata=nodata,
            tiled=True,
            blockxsize=TILE,
            blockysize=TILE,
            compress="deflate",
            interleave="band",
            bigtiff="if_safer",
            **place,
        ) as raster,
    ):
        # What GDAL keeps in the tags of the file itself, written before the pixels.
        raster.update_tags(TIFFTAG_IMAGEDESCRIPTION=json.dumps(dict(facts)), TIFFTAG_SOFTWARE=KEYWORD)
        if colours is not None and np.dtype(dtype) == np.uint8:
            raster.write_colormap(1, {value: (*colour, 255) for value, colour in colours.items()})
        for index, name in enumerate(bands, start=1):
            if name:
                raster.set_band_description(index, name)
        yield raster


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
