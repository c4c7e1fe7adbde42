"""Probabilities as images: how they become whole numbers, and files of one page for each class."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from vit_adapter.config.own_files import KEYWORD
from vit_adapter.config.tiff_mark import DESCRIPTION, SOFTWARE
from vit_adapter.images.georeference import Georeference, geotiff_writer

Bits = Literal[8, 16]
"""Of a whole number that stands for a probability."""


def quantized(probabilities: np.ndarray, bits: Bits) -> np.ndarray:
    """Probabilities 0..1 as uint8 0..255 or uint16 0..65535, rounded."""
    largest = 2**bits - 1
    return np.rint(np.clip(probabilities, 0, 1) * largest).astype(np.uint8 if bits == 8 else np.uint16)


def map_writer(
    maps: np.ndarray, names: Sequence[str], georeference: Georeference | None, facts: Mapping[str, object]
) -> Callable[[Path], None]:
    """A writer, for ``write_together``, of maps as a compressed TIFF file.

    Args:
        maps: uint8 or uint16 [K, H, W]: pages of the file, with a georeference bands of a GeoTIFF.
        names: Of the maps.
        georeference: Where they lie.
        facts: What the mark of the file says.
    """

    def write_pages(path: Path) -> None:
        first, *others = (Image.fromarray(one) for one in maps)
        text = json.dumps({**facts, "pages": list(names)})
        first.save(
            path,
            format="TIFF",
            save_all=True,
            append_images=others,
            compression="tiff_adobe_deflate",
            tiffinfo={DESCRIPTION: text, SOFTWARE: KEYWORD},
        )

    def write_bands(path: Path) -> None:
        size = (maps.shape[1], maps.shape[2])
        with geotiff_writer(
            path, size=size, dtype=maps.dtype, georeference=georeference, facts=facts, bands=names
        ) as raster:
            raster.write(maps)

    return write_pages if georeference is None else write_bands
