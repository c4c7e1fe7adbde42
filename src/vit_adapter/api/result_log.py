"""A line of JSON for every image of a batch, written as the batch goes."""

import errno
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vit_adapter.config import InputError
from vit_adapter.config.files import FULL
from vit_adapter.tasks.semantic_result import SemanticResult

from .own_tables import check_own

if TYPE_CHECKING:
    from vit_adapter.segmenter.prediction import Prediction

FILE = "results.jsonl"
PART = "results.part-{}.jsonl"
FIRST_KEY = "image"


class ResultLog:
    """``results.jsonl``: what became of every image, in the order of the work.

    Keys: "image"; "result", the first file of its result, relative to the folder; "width", "height" in pixels;
    "seconds" from reading to writing; "classes": of labels the share of each class that occurs, 0..1, of objects and
    segments how many of each there are; "error" instead of all but the first where there is no result. A line is
    complete when it is there, so that a batch that was stopped leaves a file that can be read.

    Args:
        folder: Where the file is.
        goes_on: Keep the lines that are there, of results that are skipped now; False: begin anew.
        part: Number of this process among several, which write ``results.part-NUMBER.jsonl`` each until ``join``; None:
            it is the only one. Parts that a stopped run left are taken over or removed by the first process.

    Raises:
        InputError: There is a file of that name which is not such a log, or it cannot be written.
    """

    def __init__(self, folder: Path, goes_on: bool, part: int | None = None) -> None:
        self.file = folder / FILE
        check_own(self.file, f'{{"{FIRST_KEY}": ', "log")
        self._mode = "a" if goes_on else "w"
        if not part:
            self._settle_parts(keep=goes_on)
        self._own = self.file if part is None else folder / PART.format(part)

    def add(self, image: str, result_file: Path, result: "Prediction", seconds: float) -> None:
        """A result that was written."""
        height, width = result.image.shape[:2]
        self.add_classes(image, result_file, (height, width), _classes(result), seconds)

    def add_classes(
        self,
        image: str,
        result_file: Path,
        size: tuple[int, int],
        classes: dict[str, float | int],
        seconds: float,
    ) -> None:
        """A result of an image of (height, width), with the share of each class or the number of its objects."""
        height, width = size
        self._write(
            {
                FIRST_KEY: image,
                "result": result_file.relative_to(self.file.parent).as_posix(),
                "width": width,
                "height": height,
                "seconds": round(seconds, 4),
                "classes": classes,
            }
        )

    def add_error(self, image: str, reason: str) -> None:
        """An image without a result."""
        self._write({FIRST_KEY: image, "error": reason})

    def join(self, order: dict[str, int]) -> None:
        """Puts the parts of all processes at the end of ``results.jsonl`` and removes them.

        Args:
            order: Number of each image, by which their lines are sorted.

        Raises:
            InputError: A file cannot be read or written.
        """
        self._take_parts(lambda line: order.get(json.loads(line)[FIRST_KEY], len(order)))

    def _settle_parts(self, keep: bool) -> None:
        if keep:
            self._take_parts(lambda line: 0)
            return
        for part in self._parts():
            part.unlink()

    def _take_parts(self, key: Callable[[str], int]) -> None:
        lines, parts = [], self._parts()
        try:
            for part in parts:
                with part.open(encoding="utf-8", errors="surrogateescape") as file:
                    # A line that was stopped halfway is none.
                    lines += [line for line in file if line.endswith("\n")]
            if lines:
                self._append(self.file, "".join(sorted(lines, key=key)))
            for part in parts:
                part.unlink()
        except OSError as error:
            raise InputError(f"{error.filename}: {error.strerror}") from None

    def _parts(self) -> list[Path]:
        return sorted(self.file.parent.glob(PART.format("*")))

    def _write(self, line: dict[str, Any]) -> None:
        self._append(self._own, json.dumps(line, ensure_ascii=False) + "\n")

    def _append(self, place: Path, text: str) -> None:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            mode = self._mode if place == self.file else "a"
            with place.open(mode, encoding="utf-8", errors="surrogateescape") as file:
                file.write(text)
        except OSError as error:
            full = error.errno == errno.ENOSPC
            raise InputError(f"{place}: {FULL if full else error.strerror}") from None
        if place == self.file:
            self._mode = "a"


def _classes(result: "Prediction") -> dict[str, float | int]:
    if isinstance(result, SemanticResult):
        labels, counts = np.unique(result.labels, return_counts=True)
        return {
            result.class_names[label]: round(count / result.labels.size, 6)
            for label, count in zip(labels.tolist(), counts.tolist())
            if label < len(result.class_names)
        }
    said = result.annotation
    found = said.instances if said.segments is None else said.segments
    assert found is not None
    counted = Counter(found.classes.tolist())
    return {result.class_names[label]: counted[label] for label in sorted(counted)}
