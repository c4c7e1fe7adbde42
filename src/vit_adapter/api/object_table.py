"""Every object of every image, as a table for other programs."""

import json
from pathlib import Path
from typing import Any

from vit_adapter.config import InputError

from .own_tables import check_own, write_table

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
        check_own(self.file, ",".join(COLUMNS), "table")

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
        cells = ([f"{cell:g}" if isinstance(cell, float) else cell for cell in row] for row in self.rows)
        return write_table(self.file, COLUMNS, cells)
