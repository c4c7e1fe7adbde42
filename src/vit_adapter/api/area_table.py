"""Areas of the classes in every image, as a table for other programs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vit_adapter.config import ClassTable

from .own_tables import check_own, write_table

FILE = "summary.csv"
COLUMNS = ("image", "labels", "width", "height", "class", "id", "pixels", "share")
NO_CLASS = "(no class)"


@dataclass(frozen=True)
class _Areas:
    image: str
    labels: str
    width: int
    height: int
    pixels: np.ndarray  # int64 [K + 1], the last one: pixels of no class


class AreaTable:
    """``summary.csv``: one row for each image and class, also where the class does not occur.

    So that means over images count the images without the class. ``pixels`` is a number of pixels, ``share`` their
    share of the image, 0..1.

    Args:
        folder: Where the file is to be.
        classes: The model's.
        own_ids: The "id" column holds the values of the user's own masks; False: 0..K-1.

    Attributes:
        rows: The areas of every image, in the order of the table.

    Raises:
        InputError: There is a file of that name which is not such a table.
    """

    def __init__(self, folder: Path, classes: ClassTable, own_ids: bool) -> None:
        self.file, self._classes = folder / FILE, classes
        self._ids = classes.ids if own_ids else tuple(range(len(classes)))
        self.rows: list[_Areas] = []
        check_own(self.file, ",".join(COLUMNS), "summary")

    def add(self, image: str, labels_file: Path, labels: np.ndarray) -> None:
        """Takes the labels [H, W] of an image, 0..K-1; other values are of no class."""
        count = len(self._classes)
        pixels = np.zeros(count + 1, np.int64)
        for row in labels:  # row by row: bincount makes int64 of its input
            pixels += np.bincount(np.minimum(row, count), minlength=count + 1)
        self.add_pixels(image, labels_file, (labels.shape[0], labels.shape[1]), pixels)

    def add_pixels(self, image: str, labels_file: Path, size: tuple[int, int], pixels: np.ndarray) -> None:
        """Takes pixels that were counted: int64 [K + 1], of each class and of none, of an image of (height, width)."""
        name = labels_file.relative_to(self.file.parent).as_posix()
        self.rows.append(_Areas(image, name, size[1], size[0], pixels))

    def add_values(self, image: str, labels_file: Path, values: np.ndarray) -> None:
        """Takes a label map [H, W] as it was written."""
        table = np.full(65536, len(self._classes), np.uint32)
        table[list(self._ids)] = np.arange(len(self._ids))
        self.add(image, labels_file, table[values])

    def write(self) -> Path:
        """Writes the file.

        Raises:
            InputError: It cannot be written.
        """
        return write_table(self.file, COLUMNS, self._lines())

    def _lines(self) -> Iterator[tuple[Any, ...]]:
        for areas in self.rows:
            size = areas.width * areas.height
            start = (areas.image, areas.labels, areas.width, areas.height)
            for name, value, pixels in zip(
                (*self._classes.names, NO_CLASS), (*self._ids, ""), areas.pixels.tolist(), strict=True
            ):
                if name != NO_CLASS or pixels:
                    yield (*start, name, value, pixels, f"{pixels / size:.6g}")
