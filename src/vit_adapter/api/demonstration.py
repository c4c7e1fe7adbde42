"""``vit-adapter demo``: a model trained from nothing on embedded scenes, shown and measured."""

from pathlib import Path
from typing import Any

from rich.console import Console

from vit_adapter.config import RunConfig, TaskName
from vit_adapter.config.output_place import check_output_folder
from vit_adapter.config.paths import takes_paths
from vit_adapter.config.values import check_argument
from vit_adapter.zoo.demo import DemoHead, demo_config

from .evaluating import evaluate
from .run_report import report_run
from .training import run_and_data

AIMS: dict[TaskName, str] = {
    "semantic": "to segment embedded street scenes",
    "panoptic": "to segment embedded street scenes, every car and every person by itself",
    "instance": "to cut out the cars and people of embedded street scenes",
    "detection": "to find the cars and people of embedded street scenes",
}
"""What a model learns, by its task."""


@takes_paths("out")
def demo(
    out: str | None = None,
    *,
    steps: int | None = None,
    seed: int = 0,
    quiet: bool = False,
    head: DemoHead = "upernet",
    console: Console | None = None,
) -> dict[str, Any]:
    """Trains, measures on scenes never seen, and leaves images and the commands to go on.

    Args:
        out: Run folder; None: a new one under ``runs/``.
        steps: Optimiser steps; the number decides the score, the machine only the time. None: those of the demo.
        seed: Of weights and order.
        quiet: No progress bar.
        head: "upernet": a class for every pixel; "mask2former": every car and person as well; "mask_rcnn": their boxes
            and masks; "atss": their boxes.
        console: Where lines go; None: standard output.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        InputError: The folder cannot be written.
    """
    check_argument("--steps", steps, int | None, at_least=1)
    check_argument("--seed", seed, int, at_least=0)
    if out is not None:
        check_output_folder(out, "--out")
    console = console or Console()
    config = demo_config(out, steps, seed, quiet, head)
    wanted = AIMS[config.task or "semantic"]
    console.print(
        f"A small plain ViT with adapter and {config.model.head.title} learns, from random weights, {wanted}.\n",
        highlight=False,
        soft_wrap=True,
    )
    done = run_and_data(config)
    assert done is not None
    run, config, scenes = done
    sizes = _sizes(config)
    title = f"Held-out scenes, model of step {run.best_step}:"
    extra: dict[str, Any] = {"object_sizes": sizes}
    values = report_run(run, config, scenes, console=console, title=title, extra=extra)
    if values is not None and config.task == "panoptic":
        labels = evaluate(run.model_folder, config.data, config.evaluation, task="semantic", quiet=True)
        values["mIoU"] = labels.score
    console.print(f"\n{_size_line(sizes)}", highlight=False, soft_wrap=True)
    console.print(_next_steps(run.folder), highlight=False, markup=False, soft_wrap=True)
    return values or {}


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
Segment an image of your own:
  vit-adapter predict {folder} photo.jpg --out predictions

Train on a folder of your own, with images/ and masks/ in it:
  vit-adapter data check my_folder
  vit-adapter train --data.root my_folder --model.vit vit_small_patch14_dinov2
"""
