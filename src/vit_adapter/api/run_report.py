"""The end of a run: scores by class, images to look at, where everything is, and the next commands."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from vit_adapter.config import DataConfig, EvaluationConfig, RunConfig

from .models import load

if TYPE_CHECKING:
    from vit_adapter.training import RunResult

METRICS, SHEET = "metrics.json", "contact_sheet.png"

# What changes the speed of reading or only training: no part of the command that measures again.
_NOT_MEASURED = {
    DataConfig: (
        "workers",
        "augmentation",
        "mean",
        "std",
        "one_class",
        "stop_on_bad_image",
        "mirrored_classes",
    ),
    EvaluationConfig: ("device", "worst"),
}


def report_run(
    run: RunResult,
    config: RunConfig,
    dataset: Any,
    *,
    console: Console | None = None,
    title: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any] | None:
    """Prints the scores of a run's model by class, and writes them, each image's own, and images to look at.

    Args:
        run: What came out of the training.
        config: The run's settings.
        dataset: All validation images.
        console: Where lines go; None: standard output.
        title: Above the table; None: which model it is of, and on what.
        extra: Further values for ``metrics.json``.

    Returns:
        What ``metrics.json`` holds; None in all processes but the first, and where a run was finished and reported
        before.

    Raises:
        InputError: A file cannot be written.
    """
    from vit_adapter.evaluation import measure, print_table, provenance, write_example_sheet, write_report
    from vit_adapter.training.final_evaluation import replace_sample_score
    from vit_adapter.training.processes import rank

    console = console or Console()
    folder = run.folder
    if rank() != 0 or run.best_score is None:
        return None
    of_run = {"steps": run.steps, "best_step": run.best_step, "seed": config.training.seed}
    if run.evaluation is None and _reported(folder / METRICS) == of_run:
        _say(console, [f"its scores: {folder / METRICS}"])
        return None
    device = "cpu" if config.training.accelerator == "cpu" else config.evaluation.device
    model = load(run.model_folder, device=device)
    result = run.evaluation
    if result is None:  # the run was ended between its last step and its report
        result = measure(model, dataset, config.evaluation, progress=not config.training.quiet)
        replace_sample_score(run.model_folder, run.best_step, run.best_score, result)
    count = f"{result.measured} validation image" + ("" if result.measured == 1 else "s")
    _say(console, ["", title or f"The best model, of step {run.best_step}, on {count}:", ""])
    print_table(result, console)
    about = {
        **provenance(result, model, dataset, str(run.model_folder), "val"),
        "run": of_run,
        **(extra or {}),
    }
    written = write_report(result, model, dataset, folder, about=about, worst=False)
    score = f"{result.headline} {100 * result.score:.1f} % on {count}"
    written.append(write_example_sheet(result, model, dataset, folder / SHEET, f"{folder.name}: {score}"))
    _say(console, ["", *_places(run, written)])
    return json.loads((folder / METRICS).read_text(encoding="utf-8"))


def _reported(path: Path) -> Any:
    """Which run the scores in a folder are of; None where there are none."""
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("run")
    except (OSError, ValueError, AttributeError):
        return None


def print_next_commands(
    run: RunResult, config: RunConfig, dataset: Any, console: Console | None = None
) -> None:
    """Prints the commands that apply the model to an image and measure it again, as they can be typed."""
    from vit_adapter.training.processes import rank

    if rank() != 0:
        return
    pairs = getattr(dataset, "pairs", None)
    image = str(pairs[0].image) if pairs else "photo.jpg"
    folder = str(run.folder)
    predict = ["vit-adapter", "predict", folder, image, "--out", str(run.folder / "predictions")]
    lines = ["", "Apply it to an image:", f"  {shlex.join(predict)}"]
    if pairs:
        measure = [
            "vit-adapter",
            "eval",
            folder,
            *data_flags(config),
            "--out",
            str(run.folder / "evaluation"),
        ]
        lines += ["Measure it again, with the worst images drawn:", f"  {shlex.join(measure)}"]
    _say(console or Console(), lines)


def data_flags(config: RunConfig) -> list[str]:
    """The settings of data and evaluation that differ from the defaults, as flags of ``eval``."""
    flags = []
    for section, part in (("data", config.data), ("evaluation", config.evaluation)):
        for field in fields(part):
            usual = field.default_factory() if field.default_factory is not MISSING else field.default
            value = getattr(part, field.name)
            if value != usual and field.name not in _NOT_MEASURED[type(part)]:
                flags += [f"--{section}.{field.name}", value if isinstance(value, str) else json.dumps(value)]
    return flags


def _places(run: RunResult, written: list[Path]) -> list[str]:
    names = [path.name for path in written]
    scores = [name for name in names if not name.endswith(".png")]
    images = [name for name in names if name.endswith(".png")]
    images += ["curves.png"] if (run.folder / "curves.png").is_file() else []
    return [
        f"model      {run.model_folder}",
        f"scores     {run.folder}: {', '.join(scores)} (each image's own)",
        f"to look at {run.folder}: {', '.join(images)}",
    ]


def _say(console: Console, lines: list[str]) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
