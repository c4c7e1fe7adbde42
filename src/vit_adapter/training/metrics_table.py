"""``metrics.csv``: one row for every recorded step."""

import csv
from pathlib import Path
from typing import TextIO

from vit_adapter.config import InputError
from vit_adapter.config.files import system_reason, write_atomically

FILE_NAME = "metrics.csv"


class MetricsTable:
    """A CSV file that grows row by row; the first column is "step", the number of steps done.

    Columns are those of the first row and of validation; a value that a row lacks stays empty. A resumed run cuts
    the table back to its checkpoint and goes on, so no step is there twice.

    Args:
        folder: The run's folder.
        last_step: Rows of later steps are dropped; 0: a new table.
    """

    def __init__(self, folder: str | Path, last_step: int = 0) -> None:
        self.path = Path(folder) / FILE_NAME
        self.rows: list[dict[str, str]] = []
        self.columns: list[str] = []
        if last_step:
            self.columns, rows = read_table(self.path)
            self.rows = [row for row in rows if int(row["step"]) <= last_step]
        self._file: TextIO | None = None
        self._rewrite()

    def add(self, step: int, values: dict[str, float]) -> None:
        """Append a row and hand it to the system, so that a kill afterwards cannot lose it.

        Raises:
            InputError: It cannot be written.
        """
        row = {"step": str(step)} | {name: repr(value) for name, value in values.items()}
        self.rows.append(row)
        new = [name for name in row if name not in self.columns]
        try:
            if new or self._file is None or not self.path.exists():
                self.columns += new
                self._rewrite()
            else:
                csv.DictWriter(self._file, self.columns, restval="", lineterminator="\n").writerow(row)
                self._file.flush()
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written: {system_reason(error)}") from error

    def fill(self, step: int, values: dict[str, float]) -> None:
        """Put further values into the row of a step; a new row if it has none.

        Raises:
            InputError: It cannot be written.
        """
        added = {"step": str(step)} | {name: repr(value) for name, value in values.items()}
        row = next((row for row in self.rows if row["step"] == added["step"]), None)
        if row is None:
            self.rows = sorted([*self.rows, added], key=lambda some: int(some["step"]))
        else:
            row |= added
        self.columns += [name for name in added if name not in self.columns]
        self._rewrite()

    def column(self, name: str) -> tuple[list[int], list[float]]:
        """Steps and values of the rows that have a value in a column."""
        rows = [row for row in self.rows if row.get(name)]
        return [int(row["step"]) for row in rows], [float(row[name]) for row in rows]

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _rewrite(self) -> None:
        self.close()
        if not self.columns:
            return

        def write(path: Path) -> None:
            with open(path, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, self.columns, restval="", lineterminator="\n")
                writer.writeheader()
                writer.writerows(self.rows)

        write_atomically(self.path, write)
        self._file = open(self.path, "a", newline="", encoding="utf-8")  # noqa: SIM115 (kept open for the run)


def read_table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Columns and whole rows of a table; the half row that a kill may leave at its end is left out."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return [], []
    whole = text[: text.rfind("\n") + 1]
    reader = csv.DictReader(whole.splitlines())
    rows = [dict(row) for row in reader if (row.get("step") or "").isdigit() and None not in row.values()]
    return list(reader.fieldnames or []), rows
