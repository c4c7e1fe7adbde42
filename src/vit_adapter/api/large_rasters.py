"""TIFF files too large to be held: read, labelled and written block by block."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vit_adapter.annotations import Window
from vit_adapter.config import ClassTable, InferenceConfig, TaskName
from vit_adapter.config.files import atomic_path
from vit_adapter.config.own_files import marked_png
from vit_adapter.config.progress_bar import ProgressBar
from vit_adapter.images.georeference import TILE, geotiff_writer, opened_raster
from vit_adapter.images.raster_reading import Raster
from vit_adapter.inference.blocks import Block, plan_blocks
from vit_adapter.tasks.object_files import json_writer
from vit_adapter.tasks.score_files import quantized
from vit_adapter.tasks.semantic_files import class_values, nodata_value
from vit_adapter.tasks.semantic_result import SemanticResult

from .applied_predictor import AppliedPredictor
from .result_form import ResultForm

LARGE_PIXELS = 1 << 25
"""TIFF files of more pixels are read by blocks where that is possible."""
LARGEST_SIDE, BLOCK_BYTES = 4096, 1 << 29
"""Of a block's core; and of the scores of a row of windows, or of the probabilities, of a block."""
OVERVIEW_SIDE = 4096
"""Longer side of the overlay, in pixels."""


@dataclass(frozen=True)
class WrittenRaster:
    """What was written of a large raster.

    Attributes:
        size: (height, width) in pixels.
        pixels: int64 [K + 1], of each class and of none.
    """

    size: tuple[int, int]
    pixels: np.ndarray


def why_not_in_blocks(protocol: InferenceConfig, form: ResultForm, task: TaskName) -> str | None:
    """Why an image cannot be labelled block by block; None: it can."""
    if task != "semantic":
        return f"the task {task} needs the whole image"
    if protocol.mode != "slide":
        return "the protocol sees the whole image; --protocol.mode slide works in windows"
    if protocol.resize is not None or protocol.resizes:
        return "the protocol scales the whole image; --protocol.resize null works at native resolution"
    if protocol.flip or protocol.scales != (1.0,):
        return "mirror images and scales (tta) are made of the whole image"
    if form.scores:
        return "--scores are those of the whole image; --probabilities writes them by blocks"
    return None


class LargeRasters:
    """Labels rasters block by block; at no time more than one block is held.

    Args:
        applied: The model, whose protocol works at native resolution. Images are not stretched to multiples of 32.
        form: Which files are written: the label map as TIFF, an overlay of reduced size, and what else is asked for.
        bands: Which bands are the channels, from 1; None: the first ones.
        side: Of a block's core; None: as memory allows.
    """

    def __init__(
        self,
        applied: AppliedPredictor,
        form: ResultForm,
        bands: Sequence[int] | None = None,
        side: int | None = None,
    ) -> None:
        protocol = replace(applied.protocol, multiple=None)
        self._applied, self._form = replace(applied, protocol=protocol), form
        self._channels, self._bands = applied.channels, bands
        self._side = block_side(protocol, len(applied.classes), form) if side is None else side
        classes = applied.classes
        self._ids = class_values(classes.ids, len(classes), form.ids)
        ignored = classes.ignore_id if form.ids == "own" else None
        self._nodata, self._dtype = nodata_value(self._ids, ignored)

    def write(
        self, path: Path, files: dict[str, Path], facts: dict[str, Any], bar: ProgressBar
    ) -> WrittenRaster:
        """Labels a raster and writes its files, all or none.

        Args:
            path: The raster.
            files: Names of the files by what they are, see ``ResultForm.names``.
            facts: What the mark of each file says.
            bar: Where blocks that are done are shown.

        Raises:
            InputError: It cannot be read, or something cannot be written.
        """
        protocol = self._applied.protocol
        with ExitStack() as stack:
            # The label map is entered first and so renamed last: where it is, the others are.
            places = {kind: stack.enter_context(atomic_path(file)) for kind, file in files.items()}
            with Raster.opened(path, self._channels, self._bands, protocol.value_range) as raster:
                blocks = plan_blocks(raster.size, protocol.crop, protocol.stride, self._side)
                pixels = np.zeros(len(self._applied.classes) + 1, np.int64)
                with self._writers(places, raster, facts) as writers:
                    for done, block in enumerate(blocks):
                        bar.part("blocks", done, len(blocks))
                        result = self._labelled(raster, block)
                        pixels += self._write_block(writers, block, result)
                if "overlay" in places:
                    own = {"alpha": self._form.alpha, "legend": self._form.legend}
                    drawn = self._overview(raster, places["geotiff"])
                    marked_png(drawn, {**facts, **own})(places["overlay"])
                if "polygons" in places:
                    self._write_polygons(places, raster, files["geotiff"].stem, facts)
        return WrittenRaster(raster.size, pixels)

    def _labelled(self, raster: Raster, block: Block) -> SemanticResult:
        """The result of a block's whole."""
        image, nodata = raster.read(block.whole)
        classes = self._applied.classes
        if nodata is not None and nodata.all():
            labels = np.full(
                nodata.shape, classes.ignore_index, np.uint8 if len(classes) <= 255 else np.uint16
            )
            return SemanticResult(
                image=image,
                labels=labels,
                class_names=classes.names,
                ids=classes.ids,
                ignore_id=classes.ignore_id,
                visit_scores=_no_scores(len(classes), labels.shape),
            )
        result = self._applied.segment(image, ProgressBar("", None, shown=False))
        assert isinstance(result, SemanticResult)
        if nodata is not None:
            result = replace(result, labels=np.where(nodata, classes.ignore_index, result.labels))
        return result

    @contextmanager
    def _writers(
        self, places: dict[str, Path], raster: Raster, facts: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        classes, form = self._applied.classes, self._form
        forms: dict[str, dict[str, Any]] = {
            "geotiff": {
                "dtype": self._dtype,
                "nodata": self._nodata,
                "colours": self._colours(classes),
            },
            "probabilities": {
                "dtype": np.dtype(np.uint8 if form.probabilities == 8 else np.uint16),
                "bands": classes.names,
                "facts": {**facts, "bits": form.probabilities},
            },
            "confidence": {"dtype": np.dtype(np.uint8), "bands": ("confidence",)},
        }
        with ExitStack() as stack:
            yield {
                kind: stack.enter_context(
                    geotiff_writer(
                        places[kind],
                        size=raster.size,
                        georeference=raster.georeference,
                        **{"facts": facts, **form},
                    )
                )
                for kind, form in forms.items()
                if kind in places
            }

    def _write_block(self, writers: dict[str, Any], block: Block, result: SemanticResult) -> np.ndarray:
        """Writes a block's core, and counts its classes."""
        place, inner = _as_rasterio(block.core), block.inner.slices
        writers["geotiff"].write(result.values(self._form.ids)[inner].astype(self._dtype), 1, window=place)
        if "probabilities" in writers:
            maps = result.probability_maps(self._form.probabilities or 8)
            writers["probabilities"].write(maps[:, *inner], window=place)
        if "confidence" in writers:
            writers["confidence"].write(quantized(result.confidence[inner], 8), 1, window=place)
        count = len(self._applied.classes)
        labels = np.minimum(result.labels[inner], count)
        return np.bincount(labels.reshape(-1), minlength=count + 1)

    def _overview(self, raster: Raster, labels_file: Path) -> Any:
        """The overlay, reduced."""
        image = raster.read_reduced(OVERVIEW_SIDE)
        with opened_raster(labels_file) as labels:
            values = labels.read(1, out_shape=image.shape[:2])
        classes = self._applied.classes
        table = np.full(65536, classes.ignore_index, np.uint16)
        table[list(self._ids)] = np.arange(len(self._ids))
        palette = None if classes.colours is None else np.array(classes.colours, np.uint8)
        small = SemanticResult(image=image, labels=table[values], class_names=classes.names, palette=palette)
        return small.overlay(self._form.alpha, self._form.legend)

    def _write_polygons(
        self, places: dict[str, Path], raster: Raster, stem: str, facts: dict[str, Any]
    ) -> None:
        from vit_adapter.tasks.polygon_files import Region, coco_polygons, geojson, outlined_band

        labels = {value: label for label, value in enumerate(self._ids)}
        with opened_raster(places["geotiff"]) as written:
            regions = [
                Region(labels[value], [rings]) for value, rings in outlined_band(written) if value in labels
            ]
        names = self._applied.classes.names
        if self._form.polygons == "geojson":
            values = geojson(regions, raster.georeference, names, self._ids, facts)
        else:
            name = stem.removesuffix("_labels")
            values = coco_polygons(regions, raster.size, name, names, self._ids, facts)
        json_writer(values)(places["polygons"])

    def _colours(self, classes: ClassTable) -> dict[int, tuple[int, int, int]]:
        from vit_adapter.visualization import default_palette

        colours = classes.colours or default_palette(len(classes)).tolist()
        return {value: (red, green, blue) for value, (red, green, blue) in zip(self._ids, colours)}


def block_side(protocol: InferenceConfig, classes: int, form: ResultForm) -> int:
    """Side of a block's core, a multiple of the tiles of files: scores and probabilities of a block stay bounded."""
    # A row of windows of float32 scores; what is read reaches up to a crop farther at both ends.
    side = BLOCK_BYTES // (4 * classes * protocol.crop) - 2 * protocol.crop
    if form.probabilities is not None:
        side = min(side, int((BLOCK_BYTES / (classes * form.probabilities / 8)) ** 0.5) - 2 * protocol.crop)
    side = min(LARGEST_SIDE, max(side, 2 * protocol.crop))
    return max(TILE, side // TILE * TILE)


def count_values(path: Path, classes: ClassTable, ids: Sequence[int]) -> WrittenRaster:
    """Pixels of each class of a label map that is there, strip by strip.

    Raises:
        InputError: It cannot be read.
    """
    table = np.full(65536, len(classes), np.int64)
    table[list(ids)] = np.arange(len(ids))
    pixels = np.zeros(len(classes) + 1, np.int64)
    with opened_raster(path) as raster:
        for top in range(0, raster.height, TILE):
            rows = min(TILE, raster.height - top)
            values = raster.read(1, window=_as_rasterio(Window(top, 0, rows, raster.width)))
            pixels += np.bincount(table[values].reshape(-1), minlength=len(classes) + 1)
        return WrittenRaster((raster.height, raster.width), pixels)


def _no_scores(classes: int, size: tuple[int, ...]) -> Any:
    """Hands out no probability of any class, where an image has no values."""

    def visit(take: Any) -> None:
        take(Window(0, 0, size[0], size[1]), np.zeros((classes, *size), np.float32))

    return visit


def _as_rasterio(window: Window) -> Any:
    from rasterio.windows import Window as RasterWindow

    return RasterWindow(window.left, window.top, window.width, window.height)  # pyright: ignore
