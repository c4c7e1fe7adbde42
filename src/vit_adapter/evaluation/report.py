"""An evaluation as a table, JSON and images."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vit_adapter.config.files import write_atomically
from vit_adapter.data.sample import AnnotatedImages
from vit_adapter.metrics import Scores
from vit_adapter.segmenter import Segmenter
from vit_adapter.visualization import plot_confusion

from .loop import EvaluationResult
from .provenance import provenance
from .worst_images import write_worst_images


def score_table(scores: Scores, names: tuple[str, ...], title: str = "") -> Table:
    """Per class IoU, accuracy, F1 and share in percent; "-" where a figure cannot be said.

    For two classes also precision and recall.
    """
    table = Table(title=title or None, title_justify="left", box=None, header_style="bold")
    table.add_column("class", overflow="fold")
    two = len(names) == 2
    for column in ("IoU", "accuracy", "F1", *(["precision", "recall"] if two else []), "share"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in scores.rows(names):
        values = [row.iou, row.accuracy, row.f1, *([row.precision, row.recall] if two else []), row.share]
        # Text, not a string: rich would take a name such as "[lane]" for a style.
        table.add_row(Text(row.name), *map(_percent, values))
    return table


def object_table(rows: Sequence[Mapping[str, float]], names: tuple[str, ...]) -> Table:
    """One row for each class: scores in percent ("-" where one cannot be said), and counts."""
    table = Table(box=None, header_style="bold")
    table.add_column("class", overflow="fold")
    for column in rows[0] if rows else ():
        table.add_column(column, justify="right", no_wrap=True)
    for name, row in zip(names, rows, strict=True):
        cells = [str(value) if isinstance(value, int) else _percent(value) for value in row.values()]
        table.add_row(Text(name), *cells)
    return table


def print_table(result: EvaluationResult, console: Console | None = None) -> None:
    """Prints the classes, the totals, and what was skipped."""
    console = console or Console()
    if result.semantic is not None:
        scores = result.scores
        console.print(score_table(scores, _marked_names(result)))
        parts = [("aAcc", scores.aAcc), ("mIoU", scores.mIoU), ("mAcc", scores.mAcc), ("mF1", scores.mF1)]
    else:
        console.print(object_table(result.evaluator.class_values(), _marked_names(result)))
        parts = list(result.evaluator.scores().items())
    totals = "  ".join(f"{name} {_percent(value)}" for name, value in parts)
    count = f"{result.measured} image" + ("" if result.measured == 1 else "s")
    console.print(f"\n{count}: {totals}", highlight=False, soft_wrap=True)
    for line in notes(result):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for name, reason in result.skipped[:10]:
        console.print(f"skipped {name}: {reason}", highlight=False, markup=False, soft_wrap=True)
    if len(result.skipped) > 10:
        console.print(f"... {len(result.skipped)} images skipped in all", highlight=False)


def notes(result: EvaluationResult) -> list[str]:
    """Remarks about the totals: void pixels, classes left out, and which rule F1 follows."""
    lines = []
    if result.semantic is None:
        return [f"the means leave out {', '.join(result.left_out)}"] if result.left_out else []
    scores, counted = result.scores, int(result.matrix.state.sum())
    seen = counted + result.void_pixels
    if result.matrix.ignore_index is not None:
        lines.append(
            f"void: {result.void_pixels} of {seen} pixels ({result.void_pixels / max(seen, 1):.2%}) count nowhere"
        )
    if result.left_out:
        lines.append(f"the means leave out {', '.join(result.left_out)}")
    if result.published:
        lines.append(
            "mF1 by the published rule, which leaves out classes that are never predicted; with 0 for them "
            f"{_percent(scores.mDice)}"
        )
    return lines


def _marked_names(result: EvaluationResult) -> tuple[str, ...]:
    left_out = result.left_out_labels
    return tuple(
        f"{name} (not in the means)" if label in left_out else name
        for label, name in enumerate(result.class_names)
    )


def write_report(
    result: EvaluationResult,
    model: Segmenter,
    dataset: AnnotatedImages,
    folder: Path,
    batch_size: int | None = None,
    *,
    about: Mapping[str, Any] | None = None,
    worst: bool = True,
) -> list[Path]:
    """Writes ``metrics.json``, ``images.csv``, of labels ``confusion.png``, and, into ``worst/``, the worst images.

    Args:
        result: What ``measure`` gave.
        model: The model, to draw the worst images.
        dataset: The data set.
        folder: Made if it is missing.
        batch_size: Windows processed together; None: as in the evaluation.
        about: What is at the head of ``metrics.json``; None: ``provenance`` of the arguments.
        worst: Whether to draw the worst images.

    Returns:
        What was written: files, and the folder of the worst images if there are any.

    Raises:
        InputError: A file cannot be written.
    """
    values = {**(about or provenance(result, model, dataset)), **result_values(result)}
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    written = [
        write_atomically(folder / "metrics.json", lambda path: path.write_text(text, encoding="utf-8")),
        write_image_scores(result, folder / "images.csv"),
    ]
    if result.semantic is None:
        pass  # only labels have a confusion matrix
    elif find_spec("matplotlib") is not None:
        written.append(plot_confusion(result.matrix.counts, result.class_names, folder / "confusion.png"))
    else:  # no reason to lose a long evaluation
        Console(stderr=True).print(
            "confusion.png needs matplotlib: pip install 'vit-adapter[train]'", markup=False
        )
    if worst:
        sheets = write_worst_images(result, model, dataset, folder / "worst", batch_size)
        written += [folder / "worst"] if sheets else []
    return written


def write_image_scores(result: EvaluationResult, path: Path) -> Path:
    """Writes a CSV file with every image's own scores, in the order of the data set.

    Columns: image (its name), the headline score (mIoU: over the classes in its truth or prediction, 0..1), and the
    evaluator's figures (of labels aAcc: share of right pixels, 0..1; pixels; labelled: those that count). Scores that
    cannot be said are empty; images that could not be decoded have a name only.

    Raises:
        InputError: It cannot be written.
    """

    def write(place: Path) -> None:
        # Names of files may be bytes that are no text.
        with open(place, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            table = csv.writer(file, lineterminator="\n")
            columns = list(result.evaluator.figures())
            table.writerow(["image", result.headline, *columns])
            for image in result.images:
                table.writerow(
                    [image.name, _cell(image.score), *(_cell(image.figures[name]) for name in columns)]
                )
            for name, _ in result.skipped:
                table.writerow([name, "", *([""] * len(columns))])

    return write_atomically(path, write)


def _cell(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else repr(value)


def result_values(result: EvaluationResult) -> dict[str, Any]:
    """Everything as plain values, scores 0..1; figures that cannot be said are null."""
    if result.semantic is None:
        rows = zip(result.class_names, result.evaluator.class_values(), strict=True)
        return {
            "images": result.measured,
            "excluded_from_mean": result.left_out,
            **_known(result.evaluator.scores()),
            "classes": [{"name": name, **_known(values)} for name, values in rows],
            **_lists(result),
        }
    return {
        "images": result.measured,
        "void_pixels": result.void_pixels,
        "excluded_from_mean": result.left_out,
        "f1_rule": "published: never predicted classes are left out"
        if result.published
        else "never predicted classes count as 0",
        **result.scores.to_dict(result.class_names),
        "confusion": result.matrix.counts.tolist(),
        **_lists(result),
    }


def _lists(result: EvaluationResult) -> dict[str, Any]:
    return {
        "worst": [{"name": image.name, result.headline: image.score} for image in result.worst],
        "skipped": [{"name": name, "reason": reason} for name, reason in result.skipped],
    }


def _known(values: Mapping[str, float]) -> dict[str, float | None]:
    """What cannot be said is null in JSON."""
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def _percent(value: float) -> str:
    return "-" if value != value else f"{100 * value:.2f}"
