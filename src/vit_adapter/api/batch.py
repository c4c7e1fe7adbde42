"""The walk of a batch of images: each is read, segmented, written and counted."""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vit_adapter.config import InputError
from vit_adapter.config.counting import counted
from vit_adapter.config.progress_bar import ProgressBar
from vit_adapter.tasks.semantic_result import SemanticResult

from .applied_predictor import AppliedPredictor
from .batch_tables import BatchTables
from .large_rasters import LargeRasters
from .overlapping import WriteBehind, read_ahead
from .prediction_inputs import InputImage
from .reading_ahead import BatchReader, ReadImage, ReadOptions
from .result_folder import ResultFolder, ends_the_batch
from .whole_images import warns_about_whole

if TYPE_CHECKING:
    from vit_adapter.segmenter.prediction import Prediction

EXPECTED = (InputError, MemoryError, RuntimeError)
"""What may go wrong with one image and leave the others."""


class Batch:
    """One run over images. Files are read and written while the model works on the image between.

    Args:
        applied: The model.
        folder: Where the results go.
        tables: What is counted.
        reading: How files are read.
        quiet: No progress bar, and no line when it is interrupted.
        title: Of the progress bar.

    Attributes:
        failures: (file, reason) of the images without a result.
        done: Images with a result.
        there: Those of them whose result was there already.
        whole: Images that were large and processed whole.
        remarks: About files that could be read.
        lost: Images whose place on Earth their results do not keep, since rasterio is missing.
    """

    def __init__(
        self,
        applied: AppliedPredictor,
        folder: ResultFolder,
        tables: BatchTables,
        reading: ReadOptions,
        quiet: bool = False,
        title: str = "images",
    ) -> None:
        self._title = title
        self._applied, self._folder, self._tables = applied, folder, tables
        self._quiet = quiet
        self._bar = ProgressBar("images", None, shown=False)
        self.failures: list[tuple[str, str]] = []
        self.done = self.there = self.whole = 0
        self._reader = BatchReader(applied, reading, folder)
        self.remarks, self.lost = self._reader.remarks, self._reader.lost
        self._bands = reading.bands

    def run(self, images: Sequence[InputImage], names: Sequence[str]) -> None:
        """Segments images.

        Args:
            images: The images.
            names: Of their results, see ``result_names``.

        Raises:
            InputError: Nothing can be written any more.
        """
        self._bar = ProgressBar(self._title, len(names), shown=not self._quiet)
        try:
            with self._bar, WriteBehind(self._settle) as writing:
                for (image, name), content_of in read_ahead(
                    zip(images, names, strict=True), self._reader.read
                ):
                    self._one(image, name, content_of, writing)
        except BaseException:
            if self.done and not self._quiet:
                done = f"{counted(self.done, 'image')} of {len(names)} done"
                print(f"stopped: {done}; --skip-existing continues from there", file=sys.stderr)
            raise

    def _one(self, image: InputImage, name: str, content_of: Any, writing: WriteBehind) -> None:
        start = time.monotonic()
        try:
            read: ReadImage = content_of()
            if read.kind == "large" and not read.there:
                writing.settle()
                self._large(image, name, read.digest, start)
                self._settle((image, False), None)
                return
            result = self._segment(image, read)
        except EXPECTED as error:
            writing.settle()
            self._settle((image, False), error)
            return
        work = partial(self._write, image, name, read, result, time.monotonic() - start)
        writing.submit((image, result is None), work)
        if self._folder.form.score_option is not None:
            writing.settle()  # probabilities are made while they are written, by the model

    def _large(self, image: InputImage, name: str, digest: str, start: float) -> None:
        """Labels a raster that is never held, and writes its files at once."""
        rasters = LargeRasters(self._applied, self._folder.form, self._bands)
        files = self._folder.files(name, "large")
        written = rasters.write(image.path, files, self._folder.facts(digest), self._bar)
        self._tables.add_raster(image.path, files, written, time.monotonic() - start)

    def _segment(self, image: InputImage, read: ReadImage) -> "Prediction | None":
        """The result of an image; None: it is there already."""
        pixels = read.pixels
        if pixels is None:
            return None
        self.whole += warns_about_whole(str(image.path), pixels, self._applied.protocol, said=self.whole > 0)
        result = self._applied.segment(pixels, self._bar)
        if read.georeference is not None:
            result = replace(result, georeference=read.georeference)
        if read.nodata is not None and isinstance(result, SemanticResult):
            nothing = self._applied.classes.ignore_index
            result = replace(result, labels=np.where(read.nodata, nothing, result.labels))
        return result

    def _write(
        self, image: InputImage, name: str, read: ReadImage, result: "Prediction | None", seconds: float
    ) -> None:
        """Writes a result, or takes the one that is there, and counts it in the tables."""
        start = time.monotonic()
        if result is None:
            self._tables.add_found(image.path, name, self._folder.files(name, read.kind))
            return
        files = self._folder.write(result, name, read.digest)
        self._tables.add(image.path, files, result, seconds + time.monotonic() - start)

    def _settle(self, item: tuple[InputImage, bool], error: Exception | None) -> None:
        """Counts an image that is finished, one way or the other."""
        image, found_there = item
        if error is None:
            self.done, self.there = self.done + 1, self.there + found_there
        else:
            expected = isinstance(error, EXPECTED)
            reason = reason_of(error, image.path, self._folder.folder) if expected else None
            if reason is None:
                raise error
            self.failures.append((str(image.path), reason))
            self._tables.add_error(image.path, reason)
        self._bar.advance()


def reason_of(error: Exception, image: Path, out: Path) -> str | None:
    """Why one image has no result; None: the next ones would not have one either."""
    text = " ".join(str(error).split())
    if isinstance(error, InputError):
        if ends_the_batch(error):
            return None
        names_a_file = str(image) in text or f"{out}{os.sep}" in text
        return text if names_a_file else f"{image}: {text}"
    torch: Any = sys.modules.get("torch")  # where it was never imported, nothing of it failed
    lacks_memory = isinstance(error, MemoryError) or "not enough memory" in text
    lacks_memory = lacks_memory or (torch is not None and isinstance(error, torch.OutOfMemoryError))
    if lacks_memory or "DefaultCPUAllocator" in text:
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()
        return f"{image}: not enough memory; take --batch-size 1, or windows instead of whole images"
    return None
