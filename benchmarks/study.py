"""What studies of named rows share: their command line, a process for each row, and what a run cost."""

import argparse
import resource
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

PASSED_ON = ("data", "weights", "runs", "seed", "workers", "precision")


def read_arguments(description: str | None, rows: Iterable[str], data: str, runs: str) -> argparse.Namespace:
    """The command line of a study.

    Args:
        description: Its page.
        rows: Names of the rows.
        data: What the data is, for the help.
        runs: Folder for run folders unless another one is named.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "rows", nargs="*", choices=[[], *rows], default=[], help="names; every missing one by default"
    )
    parser.add_argument("--data", type=Path, required=True, help=data)
    parser.add_argument("--weights", type=Path, required=True, help="DINOv2 ViT-S/14, safetensors")
    parser.add_argument("--runs", type=Path, default=Path(runs), help="folder for run folders")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and augmentation")
    parser.add_argument("--workers", type=int, default=0, help="processes that read images")
    parser.add_argument(
        "--precision", default="32-true", choices=["32-true", "bf16-mixed"], help="of training"
    )
    parser.add_argument(
        "--at-once", type=int, default=1, help="rows at a time: one alone leaves a GPU half idle"
    )
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def run_rows(
    arguments: argparse.Namespace,
    rows: Iterable[str],
    results: Path,
    run_row: Callable[[str, argparse.Namespace], None],
    write_page: Callable[[], None],
) -> None:
    """Runs what is asked for, every row in a process of its own (its memory is measured).

    A row that fails leaves the others alone.

    Args:
        arguments: See ``read_arguments``.
        rows: Names of the rows.
        results: Folder of the results.
        run_row: Measures a row in this process and writes what it gave.
        write_page: Makes the page anew from all results.
    """
    if arguments.here:
        run_row(arguments.rows[0], arguments)
        return
    missing = [name for name in rows if not (results / f"{result_name(name, arguments.seed)}.json").exists()]
    wanted = arguments.rows or missing
    options = [word for name in PASSED_ON for word in (f"--{name}", str(getattr(arguments, name)))]

    def start(name: str) -> bool:
        done = subprocess.run([sys.executable, *sys.argv[:1], name, "--here", *options], check=False)
        return done.returncode == 0

    failed = []
    with ThreadPoolExecutor(arguments.at_once) as pool:
        for name, done in zip(wanted, pool.map(start, wanted), strict=True):
            failed += [] if done else [name]
            write_page()
    write_page()
    if failed:
        sys.exit(f"not finished: {', '.join(failed)}")


def result_name(row: str, seed: int) -> str:
    """File name of a result."""
    return row if seed == 0 else f"{row}-seed-{seed}"


def process_memory() -> float:
    """The most that this process took, in GB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


def device_memory() -> float | None:
    """The most that tensors took on the accelerator, in GB; None on the CPU."""
    return round(torch.cuda.max_memory_allocated() / 2**30, 2) if torch.cuda.is_available() else None


def seconds_a_step(folder: Path) -> float:
    """The median of a run, which neither a pause nor a validation changes."""
    events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    return float(np.median(np.diff([event.wall_time for event in events.Scalars("training/loss")])))
