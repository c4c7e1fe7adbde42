"""Text files beside results: another program's file of the same name is never replaced."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vit_adapter.config import InputError
from vit_adapter.config.files import write_atomically


def check_own(file: Path, start: str, kind: str) -> None:
    """Refuses a file that holds something and does not begin as ours do.

    Args:
        file: The file, if it is there.
        start: How ours begin.
        kind: What ours are, in words.

    Raises:
        InputError: It is something else.
    """
    if not file.exists():
        return
    with file.open("rb") as content:
        found = content.read(1000)
    if found and not found.startswith(start.encode()):
        raise InputError(
            f"{file}: exists already and is not a {kind} of vit-adapter; choose another folder (--out)"
        )


def write_table(file: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    """Writes a CSV file.

    Raises:
        InputError: It cannot be written.
    """

    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as content:
            table = csv.writer(content, lineterminator="\n")
            table.writerow(columns)
            table.writerows(rows)

    return write_atomically(file, write)
