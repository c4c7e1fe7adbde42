"""What happened to every entry when weights were loaded."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class LoadReport:
    """The entries of a model and of a file, sorted by what was done with them.

    Attributes:
        source: The file, as messages name it.
        total: Number of entries of the model.
        loaded: Taken as they are.
        resampled: Taken after a change of size; with old and new shape.
        broadcast: One value or row of the file spread over the model's entry; with both shapes.
        kept: Of another shape in the file, so the model keeps its own; with both shapes.
        new: Not in the file, so the model keeps its own start values.
        left_out: Only in the file.
        notes: Decisions about the file as a whole.
    """

    source: str
    total: int
    loaded: tuple[str, ...] = ()
    resampled: Mapping[str, str] = field(default_factory=dict)
    broadcast: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    new: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def matched(self) -> int:
        """Number of entries of the model that got values from the file."""
        return len(self.loaded) + len(self.resampled) + len(self.broadcast)

    @property
    def complete(self) -> bool:
        """Whether every entry of the model got its values from the file."""
        return self.matched == self.total

    def rows(self) -> list[tuple[str, str]]:
        """(what was done, number and names) for everything that did not simply fit."""
        shown: list[tuple[str, str]] = []
        for title, names in (
            ("resampled", self.resampled),
            ("broadcast", self.broadcast),
            ("kept own", self.kept),
        ):
            if names:
                shapes = sorted(set(names.values()))
                more = ", ..." if len(shapes) > 3 else ""
                shown.append((title, f"{compact(names)}: {', '.join(shapes[:3])}{more}"))
        if self.new:
            shown.append(("new", compact(self.new)))
        if self.left_out:
            shown.append(("left out", compact(self.left_out)))
        shown += [("note", note) for note in self.notes]
        return shown

    def summary(self) -> str:
        """All of it as a few lines of text."""
        head = f"{self.source}: {self.matched} of {self.total} tensors loaded"
        return "\n".join([head, *(f"  {title}: {text}" for title, text in self.rows())])

    def __str__(self) -> str:
        return self.summary()

    def __rich__(self) -> "RenderableType":
        from rich.table import Table
        from rich.text import Text

        table = Table(
            title=Text(f"{self.source}: {self.matched} of {self.total} tensors loaded"),
            title_justify="left",
            show_header=False,
            box=None,
        )
        for title, text in self.rows():
            table.add_row(Text(title), Text(text))
        return table


def compact(names: Iterable[str], limit: int = 8) -> str:
    """Names with their numbers merged: ``blocks.*.gamma1 (12), head.bias``."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(re.sub(r"(?<![A-Za-z_])\d+", "*", name), []).append(name)
    parts = [
        group[0] if len(group) == 1 else f"{pattern} ({len(group)})" for pattern, group in groups.items()
    ]
    rest = len(parts) - limit
    return ", ".join(parts[:limit]) + (f" and {rest} more kinds" if rest > 0 else "")
