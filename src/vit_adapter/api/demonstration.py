"""``vit-adapter demo``: a model trained from nothing on embedded scenes, shown and measured."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from vit_adapter.config import RunConfig
from vit_adapter.config.files import write_atomically
from vit_adapter.config.output_place import check_output_folder
from vit_adapter.config.own_files import marked_png
from vit_adapter.config.values import check_argument
from vit_adapter.segmenter import Segmenter
from vit_adapter.zoo import DEMO_STEPS, demo_config

from .training import train

ROWS = 6
"""Scenes on the contact sheet."""


def demo(
    out: str | None = None,
    *,
    steps: int = DEMO_STEPS,
    seed: int = 0,
    quiet: bool = False,
    console: Console | None = None,
) -> dict[str, Any]:
    """Trains, measures on scenes never seen, and leaves pictures and the commands to go on.

    Args:
        out: Run folder; None: a new one under ``runs/``.
        steps: Optimiser steps; the number decides the score, the machine only the time.
        seed: Of weights and order.
        quiet: No progress bar.
        console: Where lines go; None: standard output.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        InputError: The folder cannot be written.
    """
    from vit_adapter.data.dataset import open_dataset
    from vit_adapter.evaluation import evaluate, print_table
    from vit_adapter.evaluation.report import result_values

    check_argument("--steps", steps, int, at_least=1)
    check_argument("--seed", seed, int, at_least=0)
    if out is not None:
        check_output_folder(out, "--out")
    console = console or Console()
    config = demo_config(out, steps, seed, quiet)
    console.print(
        "A small plain ViT with adapter and UperNet learns, from random weights, to segment embedded street scenes.\n",
        highlight=False,
    )
    run = train(config)
    assert run is not None
    model = Segmenter.from_pretrained(run.model_folder)
    scenes = open_dataset(config.data, "val")
    result = evaluate(model, scenes, config.evaluation, progress=not quiet)
    console.print(f"\nHeld-out scenes, model of step {run.best_step}:\n", highlight=False)
    print_table(result, console)
    sizes = _sizes(config)
    console.print(f"\n{_size_line(sizes)}", highlight=False)
    values = {"steps": run.steps, "seed": seed, "object_sizes": sizes, **result_values(result)}
    text = json.dumps(values, indent=2) + "\n"
    write_atomically(run.folder / "metrics.json", lambda path: path.write_text(text, encoding="utf-8"))
    _write_sheet(model, scenes, run.folder / "contact_sheet.png", result.scores.mIoU)
    console.print(_next_steps(run.folder), highlight=False, markup=False, soft_wrap=True)
    return values


def _write_sheet(model: Segmenter, scenes: Any, path: Path, score: float) -> None:
    from vit_adapter.visualization import LegendEntry, colorize, contact_sheet, default_palette, overlay

    rows = []
    for index in range(ROWS):
        sample = scenes.read(index)
        result = model.predict(sample.image)
        palette = result.palette if result.palette is not None else default_palette(model.num_classes)
        rows.append(
            [
                sample.image,
                colorize(sample.labels, palette),
                colorize(result.labels, palette),
                overlay(sample.image, result.labels, palette, model.class_names, legend=False),
            ]
        )
    colours = scenes.classes.colours
    legend = [LegendEntry(name, colour) for name, colour in zip(model.class_names, colours, strict=True)]
    sheet = contact_sheet(
        rows,
        ["picture", "truth", "prediction", "overlay"],
        cell=(256, 256),
        title=f"Held-out scenes, mIoU {100 * score:.1f} %",
        legend=legend,
    )
    write_atomically(path, marked_png(sheet))


def _sizes(config: RunConfig) -> dict[str, Any]:
    """Visible areas of the objects in the held-out scenes, in pixels."""
    from vit_adapter.data.scenes import object_size_statistics

    side = config.data.scene_size
    statistics = object_size_statistics(config.data.scenes[1], (side, side), "val")
    return {
        name: {"count": sizes.count, "below_64_pixels": sizes.small_share, "quartiles": list(sizes.quartiles)}
        for name, sizes in statistics.items()
    }


def _size_line(sizes: dict[str, Any]) -> str:
    parts = [
        f"{name} {values['count']}, half of them below {values['quartiles'][1]:.0f} pixels, "
        f"{100 * values['below_64_pixels']:.0f} % below 64"
        for name, values in sizes.items()
    ]
    return "Objects in these scenes: " + "; ".join(parts)


def _next_steps(folder: Path) -> str:
    return f"""
Look at   {folder}/contact_sheet.png
          {folder}/curves.png

Segment a picture of your own:
  vit-adapter predict {folder} photo.jpg --out predictions

Train on a folder of your own, with images/ and masks/ in it:
  vit-adapter data check my_folder
  vit-adapter train --data.root my_folder --model.vit vit_small_patch14_dinov2
"""
