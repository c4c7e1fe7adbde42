"""The files of a semantic result."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from vit_adapter.config import InputError
from vit_adapter.config.files import write_together
from vit_adapter.config.own_files import marked_png
from vit_adapter.images.georeference import geotiff_writer

from .object_files import json_writer
from .polygon_files import PolygonForm, check_polygon_form, polygon_file
from .score_files import Bits, map_writer, quantized

if TYPE_CHECKING:
    from .semantic_result import SemanticResult

PaletteForm = Literal["beside", "instead"]
LARGEST_PALETTE_VALUE = 255
Writer = Callable[[Path], object]


@dataclass(frozen=True)
class SemanticFiles:
    """Which files a semantic result has, see ``SemanticResult.save``.

    Raises:
        InputError: A value is none of those that are possible.
    """

    ids: Literal["own", "contiguous"] = "own"
    scores: bool = False
    overlay: bool = True
    alpha: float = 0.5
    legend: bool = True
    palette: PaletteForm | None = None
    probabilities: Bits | None = None
    confidence: bool = False
    polygons: PolygonForm | None = None

    def __post_init__(self) -> None:
        if self.ids not in ("own", "contiguous"):
            raise InputError(f"ids is {self.ids!r}, expected 'own' or 'contiguous'")
        if self.palette not in (None, "beside", "instead"):
            raise InputError(f"palette is {self.palette!r}, expected 'beside', 'instead' or None")
        if self.probabilities not in (None, 8, 16):
            raise InputError(f"probabilities is {self.probabilities!r}, expected 8 or 16 bits")
        check_polygon_form(self.polygons)

    def names(self, stem: str, georeferenced: bool = False) -> dict[str, str]:
        """Names of the files by what they are; the label map first.

        Args:
            stem: Beginning of the names.
            georeferenced: The image says where on Earth it lies.
        """
        names = {
            "labels": f"{stem}_labels.png",
            "geotiff": f"{stem}_labels.tif" if georeferenced else None,
            "overlay": f"{stem}_overlay.png" if self.overlay else None,
            "palette": f"{stem}_palette.png" if self.palette == "beside" else None,
            "scores": f"{stem}_scores.npy" if self.scores else None,
            "probabilities": f"{stem}_probabilities.tif" if self.probabilities else None,
            "confidence": f"{stem}_confidence.{'tif' if georeferenced else 'png'}"
            if self.confidence
            else None,
            "polygons": polygon_file(stem, self.polygons),
        }
        return {kind: name for kind, name in names.items() if name is not None}


def write_semantic(
    result: "SemanticResult", folder: Path, stem: str, form: SemanticFiles, facts: dict[str, object]
) -> list[Path]:
    """Writes the files of a result, all or none; arguments and errors are those of ``SemanticResult.save``."""
    names = form.names(stem, result.georeference is not None)
    files = {kind: folder / name for kind, name in names.items()}
    coloured = None if form.palette is None else result.palette_png(form.ids)
    plain = Image.fromarray(result.values(form.ids))
    writers: dict[str, Writer] = {
        "labels": marked_png(coloured if coloured is not None and form.palette == "instead" else plain, facts)
    }
    if coloured is not None:
        writers["palette"] = marked_png(coloured, facts)
    if form.overlay:
        own = {"alpha": form.alpha, "legend": form.legend}
        writers["overlay"] = marked_png(result.overlay(form.alpha, form.legend), {**facts, **own})
    if form.scores:
        scores = result.scores
        writers["scores"] = lambda path: np.save(path, scores)
    if form.probabilities:
        maps, own = result.probability_maps(form.probabilities), {"bits": form.probabilities}
        writers["probabilities"] = map_writer(maps, result.class_names, result.georeference, {**facts, **own})
    if form.confidence:
        confidence = quantized(result.confidence, 8)
        writers["confidence"] = marked_png(Image.fromarray(confidence), facts)
        if result.georeference is not None:
            writers["confidence"] = map_writer(confidence[None], ["confidence"], result.georeference, facts)
    if result.georeference is not None:
        writers["geotiff"] = partial(_write_geotiff, result, form, facts)
    if form.polygons:
        ids = class_values(result.ids, len(result.class_names), form.ids)
        values = result.polygons(form.polygons, Path(stem).name, facts, ids)
        writers["polygons"] = json_writer(values)
    # The label map last: where it is, the others are.
    write_together({files[kind]: writers[kind] for kind in reversed(files)})
    return list(files.values())


def _write_geotiff(
    result: "SemanticResult", form: SemanticFiles, facts: dict[str, object], path: Path
) -> None:
    ids = class_values(result.ids, len(result.class_names), form.ids)
    nodata, dtype = nodata_value(ids, result.ignore_id if form.ids == "own" else None)
    assert result.palette is not None
    height, width = result.labels.shape
    with geotiff_writer(
        path,
        size=(height, width),
        dtype=dtype,
        georeference=result.georeference,
        facts=facts,
        nodata=nodata,
        colours={value: tuple(colour) for value, colour in zip(ids, result.palette.tolist())},
    ) as raster:
        raster.write(result.values(form.ids).astype(dtype), 1)


def class_values(own_ids: Sequence[int] | None, count: int, ids: str) -> Sequence[int]:
    """The value of each class in label maps."""
    return own_ids if ids == "own" and own_ids is not None else range(count)


def nodata_value(ids: Sequence[int], ignore_id: int | None) -> tuple[int | None, np.dtype]:
    """The value of pixels without a class in a label TIFF, and the type that holds it and all classes.

    Args:
        ids: Values of the classes.
        ignore_id: The value in the user's own masks; None: 255, or 65535 for more than 255 classes.

    Returns:
        None where a class has that value.
    """
    value = (255 if len(ids) <= 255 else 65535) if ignore_id is None else ignore_id
    dtype = np.dtype(np.uint8 if max([value, *ids]) <= 255 else np.uint16)
    return (None if value in ids or not 0 <= value <= 65535 else value), dtype


def check_palette(own_ids: Sequence[int], ignore_id: int, ids: str) -> None:
    """Refuses values that a palette PNG cannot hold.

    Raises:
        InputError: One is above 255.
    """
    values = own_ids if ids == "own" else range(len(own_ids))
    largest = max([*values, 0])
    if len(own_ids) == 1 and ids == "own":  # what the model assigns to no class is written as this value
        largest = max(largest, ignore_id)
    if largest > LARGEST_PALETTE_VALUE:
        way_out = "; take --ids contiguous" if ids == "own" and len(own_ids) <= 255 else ""
        raise InputError(
            f"palette: a class has the value {largest}, but a palette PNG holds 0 to 255 only{way_out}"
        )
