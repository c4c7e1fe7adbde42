"""The tables and the log that a batch of images leaves beside the results."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vit_adapter.tasks.semantic_files import class_values
from vit_adapter.tasks.semantic_result import SemanticResult

from .applied_predictor import AppliedPredictor
from .area_table import AreaTable
from .large_rasters import WrittenRaster, count_values
from .object_table import ObjectTable
from .result_folder import ResultFolder
from .result_log import ResultLog

if TYPE_CHECKING:
    from vit_adapter.segmenter.prediction import Prediction


TableRows = tuple[list[Any], list[Any]]
"""Rows of a table of areas and of a table of objects, as these keep them."""


class BatchTables:
    """``summary.csv`` or ``objects.csv``, and ``results.jsonl``, as far as they are asked for.

    Args:
        folder: Where the results are.
        applied: The model.
        summary: A table of areas, or of objects, is asked for.
        jsonl: A line for each image is asked for.
        goes_on: Keep the lines of results that are there already.
        part: Number of this process among several that share the batch, each of which keeps a log of its own until they
            are joined; None: it is the only one.

    Raises:
        InputError: There is a file of such a name which is something else.
    """

    def __init__(
        self,
        folder: ResultFolder,
        applied: AppliedPredictor,
        *,
        summary: bool,
        jsonl: bool,
        goes_on: bool,
        part: int | None = None,
    ) -> None:
        out, self._folder, self._applied = folder.folder, folder, applied
        semantic, own_ids = applied.task == "semantic", folder.form.ids == "own"
        self._areas = AreaTable(out, applied.classes, own_ids) if summary and semantic else None
        self._objects = ObjectTable(out) if summary and not semantic else None
        self._log = ResultLog(out, goes_on, part) if jsonl else None

    def add(self, image: Path, files: dict[str, Path], result: "Prediction", seconds: float) -> None:
        """A result that was written.

        Args:
            image: The image's file.
            files: Those of its result by what they are.
            result: What was written.
            seconds: From reading to writing.
        """
        if self._log is not None:
            self._log.add(str(image), next(iter(files.values())), result, seconds)
        if self._areas is not None and isinstance(result, SemanticResult):
            self._areas.add(str(image), files["labels"], result.labels)
        if self._objects is not None:
            self._objects.add(str(image), files["table"])

    def add_raster(self, image: Path, files: dict[str, Path], written: WrittenRaster, seconds: float) -> None:
        """A large raster whose files were written."""
        file = files["geotiff"]
        if self._log is not None:
            total, names = written.size[0] * written.size[1], self._applied.classes.names
            shares = {
                name: round(count / total, 6) for name, count in zip(names, written.pixels.tolist()) if count
            }
            self._log.add_classes(str(image), file, written.size, shares, seconds)
        if self._areas is not None:
            self._areas.add_pixels(str(image), file, written.size, written.pixels)

    def add_found(self, image: Path, name: str, files: dict[str, Path]) -> None:
        """A result that was there already; the log has its line from before."""
        if self._areas is not None and "labels" not in files:
            classes = self._applied.classes
            ids = class_values(classes.ids, len(classes), self._folder.form.ids)
            found = count_values(files["geotiff"], classes, ids)
            self._areas.add_pixels(str(image), files["geotiff"], found.size, found.pixels)
        elif self._areas is not None:
            self._areas.add_values(str(image), files["labels"], self._folder.read_labels(name))
        if self._objects is not None:
            self._objects.add(str(image), files["table"])

    def add_error(self, image: Path, reason: str) -> None:
        """An image without a result."""
        if self._log is not None:
            self._log.add_error(str(image), reason)

    def rows(self) -> TableRows:
        """What the tables hold, for ``join``."""
        areas = [] if self._areas is None else self._areas.rows
        return areas, [] if self._objects is None else self._objects.rows

    def join(self, shares: Sequence[TableRows], order: dict[str, int]) -> None:
        """Takes what all processes counted, instead of what this one did.

        Args:
            shares: The rows of every process.
            order: Number of each image.

        Raises:
            InputError: The log cannot be read or written.
        """
        areas = [row for share in shares for row in share[0]]
        objects = [row for share in shares for row in share[1]]
        if self._areas is not None:
            self._areas.rows = sorted(areas, key=lambda row: order[row.image])
        if self._objects is not None:
            self._objects.rows = sorted(objects, key=lambda row: order[row[0]])
        if self._log is not None:
            self._log.join(order)

    def write(self) -> None:
        """Writes the tables; the log is written already.

        Raises:
            InputError: One cannot be written.
        """
        for table in (self._areas, self._objects):
            if table is not None:
                table.write()

    def lines(self) -> list[str]:
        """Where the tables are, in words."""
        lines = [] if self._areas is None else [f"areas of the classes: {self._areas.file}"]
        lines += [] if self._objects is None else [f"table of all objects: {self._objects.file}"]
        return lines

    def log_lines(self) -> list[str]:
        """Where the log is, in words, where a line was written."""
        written = self._log is not None and self._log.file.exists()
        return [f"a line for each image: {self._log.file}"] if self._log is not None and written else []
