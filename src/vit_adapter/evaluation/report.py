"""An evaluation as a table, JSON and pictures."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from vit_adapter.config.files import write_atomically
from vit_adapter.visualization import contact_sheet, default_palette, overlay, plot_confusion

from .loop import EvaluationResult
from .scores import Scores


def score_table(scores: Scores, names: tuple[str, ...], title: str = "") -> Table:
    """Per class IoU, accuracy and F1 in percent; "-" where a figure cannot be said."""
    table = Table(title=title or None, title_justify="left", box=None, header_style="bold")
    table.add_column("class")
    two = len(names) == 2
    columns = ["IoU", "accuracy", "F1", *(["precision", "recall"] if two else []), "share"]
    for column in columns:
        table.add_column(column, justify="right")
    for row in scores.rows(names):
        values = [row.iou, row.accuracy, row.f1, *([row.precision, row.recall] if two else []), row.share]
        table.add_row(row.name, *map(_percent, values))
    return table


def print_table(result: EvaluationResult, console: Console | None = None) -> None:
    """Prints the classes, the totals, and what was skipped."""
    console = console or Console()
    scores = result.scores
    console.print(score_table(scores, result.class_names))
    console.print(
        f"\n{result.pictures} pictures: aAcc {_percent(scores.aAcc)}  mIoU {_percent(scores.mIoU)}  "
        f"mAcc {_percent(scores.mAcc)}  mF1 {_percent(scores.mF1)}",
        highlight=False,
    )
    for name, reason in result.skipped[:10]:
        console.print(f"skipped {name}: {reason}", highlight=False, markup=False)
    if len(result.skipped) > 10:
        console.print(f"... {len(result.skipped)} pictures skipped in all", highlight=False)


def write_report(
    result: EvaluationResult, model: Any, dataset: Any, folder: Path, batch_size: int = 4
) -> None:
    """Writes ``metrics.json``, ``confusion.png`` and ``worst.png`` with the worst pictures as overlays.

    Args:
        result: What ``evaluate`` gave.
        model: The model, to draw the worst pictures.
        dataset: The data set.
        folder: Made if it is missing.
        batch_size: Windows handled together.

    Raises:
        InputError: The folder cannot be written, or matplotlib is missing.
    """
    text = json.dumps(result_values(result), indent=2, ensure_ascii=False) + "\n"
    write_atomically(folder / "metrics.json", lambda path: path.write_text(text, encoding="utf-8"))
    plot_confusion(result.matrix.counts, result.class_names, folder / "confusion.png")
    if not result.worst:
        return
    rows, captions = [], []
    for picture in result.worst:
        sample = dataset.read(picture.index)
        predicted = model.predict(sample.image, batch_size=batch_size)
        palette = predicted.palette if predicted.palette is not None else default_palette(model.num_classes)
        rows.append(
            [sample.image]
            + [
                overlay(sample.image, labels, palette, result.class_names, legend=False)
                for labels in (sample.labels, predicted.labels)
            ]
        )
        captions.append(f"{picture.name}: mIoU {_percent(picture.mIoU)}")
    sheet = contact_sheet(rows, ["picture", "truth", "prediction"], captions, title="Worst pictures")
    write_atomically(folder / "worst.png", sheet.save)


def result_values(result: EvaluationResult) -> dict[str, Any]:
    """Everything as plain values; figures that cannot be said are null."""
    return {
        "pictures": result.pictures,
        **result.scores.to_dict(result.class_names),
        "confusion": result.matrix.counts.tolist(),
        "worst": [{"name": picture.name, "mIoU": picture.mIoU} for picture in result.worst],
        "skipped": [{"name": name, "reason": reason} for name, reason in result.skipped],
    }


def _percent(value: float) -> str:
    return "-" if value != value else f"{100 * value:.2f}"
