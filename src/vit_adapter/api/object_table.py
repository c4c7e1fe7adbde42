"""Every object of every image, as a table for other programs."""

import csv
import json
from pathlib import Path
from typing import Any

from vit_adapter.config import InputError
from vit_adapter.config.files import write_atomically

FILE = "objects.csv"
COLUMNS = ("image", "file", "number", "class", "id", "score", "left", "top", "width", "height", "area")


class ObjectTable:
    """``objects.csv``: one row for each object or segment; boxes and areas in pixels.

    Args:
        folder: Where the file is to be.

    Attributes:
        rows: What is to be written, line by line; the image's name comes first.

    Raises:
        InputError: There is a file of that name which is not such a table.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / FILE
        self.rows: list[tuple[Any, ...]] = []
        if self.file.exists():
            with self.file.open("rb") as file:
                start = file.readline(1000)
            if start.strip() != ",".join(COLUMNS).encode():
                raise InputError(
                    f"{self.file}: exists already and is not a table of vit-adapter; choose another folder (--out)"
                )

    def add(self, image: str, table: Path) -> None:
        """Takes the objects of an image.

        Args:
            image: Its name.
            table: What ``InstanceResult.save`` or ``PanopticResult.save`` wrote.

        Raises:
            InputError: The file cannot be read.
        """
        try:
            values = json.loads(table.read_text(encoding="utf-8"))
            names = {category["id"]: category["name"] for category in values["categories"]}
            entries = values["annotations"]
            if entries and "segments_info" in entries[0]:
                entries = entries[0]["segments_info"]
            rows = [
                (
                    entry["id"],
                    names[entry["category_id"]],
                    entry["category_id"],
                    entry["score"],
                    *entry["bbox"],
                    entry["area"],
                )
                for entry in entries
            ]
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise InputError(f"{table}: is no table of objects: {error}") from error
        file = table.relative_to(self.file.parent).as_posix()
        self.rows += [(image, file, *row) for row in rows]

    def write(self) -> Path:
        """Writes the file.

        Raises:
            InputError: It cannot be written.
        """

        def rows(path: Path) -> None:
            with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
                table = csv.writer(file, lineterminator="\n")
                table.writerow(COLUMNS)
                table.writerows(
                    [f"{cell:g}" if isinstance(cell, float) else cell for cell in row] for row in self.rows
                )

        return write_atomically(self.file, rows)
