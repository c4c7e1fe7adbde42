"""What a data check found, for the user and for programs."""

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vit_adapter.config.counting import counted

SAME_SHOWN = 2
"""Files that are named of many of which the same is to be said."""


@dataclass(frozen=True)
class ClassRow:
    """How often a class occurs in the masks that were looked at.

    Attributes:
        name: Class name.
        id: Mask value.
        pixels: Number of pixels.
        share: Share of all pixels, 0..1, ignored ones included.
        train: Training images with the class.
        val: Validation images with the class.
    """

    name: str
    id: int
    pixels: int
    share: float
    train: int
    val: int


@dataclass(frozen=True)
class ObjectRow:
    """The objects of a class.

    Attributes:
        name: Class name.
        train: Objects in training images.
        val: Objects in validation images.
        crowds: Regions of many objects that were not annotated one by one.
        smallest: Pixels of the smallest object.
        median: Pixels of the median object.
        largest: Pixels of the largest object.
    """

    name: str
    train: int
    val: int
    crowds: int
    smallest: int
    median: float
    largest: int


@dataclass(frozen=True)
class Finding:
    """One thing to know.

    Attributes:
        level: "error": training would stop; "warning": it would run, perhaps not as meant; "note".
        text: One line with file, value and the setting that helps.
    """

    level: Literal["error", "warning", "note"]
    text: str


@dataclass
class Report:
    """Result of a data check.

    Attributes:
        root: The data set.
        layout: Name of its layout.
        classes_from: Where the class list comes from.
        image_counts: Number of pairs by part, "train" and "val".
        looked_at: Number of pairs that were looked at.
        rows: The classes, in the order of their labels.
        ignored_share: Share of the pixels that are ignored, 0..1.
        unknown_share: Share of the pixels with unknown values, 0..1.
        findings: Errors, warnings and notes, in this order.
        tasks: What the truth is enough for.
        object_rows: The classes that are things; empty without objects.
        objects_per_image: Median and largest number; None without objects.
        wrong_objects: The errors are about objects alone, so that a semantic run goes without them.
    """

    root: str
    layout: str
    classes_from: str = ""
    image_counts: dict[str, int] = field(default_factory=dict)
    looked_at: int = 0
    rows: list[ClassRow] = field(default_factory=list)
    ignored_share: float = 0.0
    unknown_share: float = 0.0
    findings: list[Finding] = field(default_factory=list)
    tasks: tuple[str, ...] = ("semantic",)
    object_rows: list[ObjectRow] = field(default_factory=list)
    objects_per_image: tuple[float, int] | None = None
    wrong_objects: bool = False

    @property
    def ok(self) -> bool:
        """Training would not stop because of anything found."""
        return not any(finding.level == "error" for finding in self.findings)

    @property
    def sampled(self) -> bool:
        """Not all pairs were looked at, so what was not found may still be there."""
        return self.looked_at < sum(self.image_counts.values())

    def add_unless_sampled(self, text: str) -> None:
        """Adds an error that all pairs together make; of a sample alone it is a warning."""
        if self.sampled:
            self.add("warning", f"of the {self.looked_at} looked at: {text}")
        else:
            self.add("error", text)

    def add(self, level: Literal["error", "warning", "note"], texts: str | Sequence[str]) -> None:
        """Adds one or several findings; the same text counts once."""
        known = {finding.text for finding in self.findings}
        new = dict.fromkeys([texts] if isinstance(texts, str) else texts)
        self.findings += [Finding(level, text) for text in new if text not in known]
        order = ("error", "warning", "note")
        self.findings.sort(key=lambda finding: order.index(finding.level))

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for a JSON file."""
        return {**asdict(self), "ok": self.ok}

    def print(self, console: Console | None = None, most: int = 20) -> None:
        """Prints the classes as a table and at most ``most`` findings of each level."""
        console = console or Console()
        encoding = console.encoding or "ascii"

        def show(text: str, style: str = "") -> None:
            console.print(Text(printable(text, encoding), style=style), soft_wrap=True)

        parts = ", ".join(f"{count} {part}" for part, count in self.image_counts.items())
        show(f"{self.root}: layout {self.layout}, images: {parts}; classes from {self.classes_from}")
        if self.sampled:
            show(f"looked at {self.looked_at} of them")
        if self.rows:
            table = Table("id", "class", "pixels", "in train", "in val", box=None, header_style="bold")
            for column in table.columns[:1] + table.columns[2:]:
                column.justify = "right"
            for row in self.rows:
                name = Text(printable(row.name, encoding))
                table.add_row(str(row.id), name, f"{row.share:.2%}", str(row.train), str(row.val))
            table.add_row("", Text("(ignored)"), f"{self.ignored_share:.2%}", "", "")
            if self.unknown_share:
                table.add_row("", Text("(unknown values)", "red"), f"{self.unknown_share:.2%}", "", "")
            console.print(table)
        if self.object_rows:
            self._print_objects(console, encoding, show)
        styles = {"error": "bold red", "warning": "yellow", "note": ""}
        for level, style in styles.items():
            texts = _told_briefly([finding.text for finding in self.findings if finding.level == level])
            for text in texts[:most]:
                show(f"{level}: {text}", style)
            if len(texts) > most:
                show(f"and {counted(len(texts) - most, f'further {level}')}", style)
        show(self._verdict())

    def _verdict(self) -> str:
        if self.ok:
            return "everything fits"
        if self.wrong_objects:
            return "training would stop because of the errors, except with --task semantic, which goes without objects"
        return "training would stop because of the errors"

    def _print_objects(self, console: Console, encoding: str, show: Callable[[str], None]) -> None:
        shown = [row for row in self.object_rows if row.train + row.val + row.crowds]
        headers = ("objects of", "in train", "in val", "crowds", "smallest", "median", "largest (pixels)")
        table = Table(*headers, box=None, header_style="bold")
        for column in table.columns[1:]:
            column.justify = "right"
        for row in shown:
            numbers = (row.train, row.val, row.crowds, row.smallest, row.median, row.largest)
            table.add_row(Text(printable(row.name, encoding)), *map(_plain_number, numbers))
        console.print(table)
        if len(shown) < len(self.object_rows):
            show(f"and {len(self.object_rows) - len(shown)} classes of things without an object")
        if self.objects_per_image is not None:
            median, most = self.objects_per_image
            show(f"objects an image: median {_plain_number(median)}, at most {most}")
        show(f"enough for --task {', '.join(self.tasks)}")


def _plain_number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.1f}"


def _told_briefly(texts: Sequence[str]) -> list[str]:
    """Of lines that say the same of many files the first ones, and how many more there are."""
    kinds: dict[str, list[str]] = {}
    for text in texts:
        file, _, told = text.partition(": ")
        about_a_file = told and re.fullmatch(r"\.\w+", Path(file).suffix)
        kinds.setdefault(told if about_a_file else text, []).append(text)
    lines = []
    for told, same in kinds.items():
        shown = SAME_SHOWN if len(same) > SAME_SHOWN + 1 else len(same)
        lines += same[:shown]
        if len(same) > shown:
            lines.append(f"{len(same) - shown} further files: {told}")
    return lines


def printable(text: str, encoding: str) -> str:
    """Text that a terminal of that encoding can show: other letters as escapes such as ``\\u56f3``."""
    return text.encode(encoding, "backslashreplace").decode(encoding)
