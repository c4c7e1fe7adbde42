"""The nuclei study: what a pretrained plain ViT, the adapter and Mask2Former give on small objects.

    python benchmarks/nuclei/run.py --data nuclei --weights dinov2_vits14.safetensors              every missing row
    python benchmarks/nuclei/run.py --data nuclei --weights dinov2_vits14.safetensors laptop ...   these rows

A row's result is a JSON file in ``results/``; README.md is made anew from all of them. A row that was cut off goes on
from its last checkpoint, one whose run is finished is only measured again.
"""

import argparse
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rows import ROWS, Row
from table import write_readme
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from vit_adapter.api.training import operator_forms, prepare_model
from vit_adapter.config import EvaluationConfig, RunConfig
from vit_adapter.data.dataset import open_dataset
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.evaluation import measure
from vit_adapter.training import run_training
from vit_adapter.training.engine import choose_accelerator

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import describe_machine, write_json

HERE = Path(__file__).parent
RESULTS = HERE / "results"


def train(row: Row, config: RunConfig) -> dict[str, Any]:
    """Trains a row and measures the model of its last step on all validation images."""
    training, validation = (open_dataset(config.data, part, task="instance") for part in ("train", "val"))
    folder = Path(str(config.training.out))
    resume = (folder / "last.ckpt").exists()
    config = replace(config, training=replace(config.training, resume=resume))
    torch.manual_seed(config.training.seed)
    model, _ = prepare_model(config, training.classes)
    train_set = TrainingSet(
        training,
        config.data.augmentation,
        model.protocol.normalization,
        config.training.seed,
        objects=True,
    )
    run_training(model, train_set, None, config, operator_forms=operator_forms())
    memory = _process_memory()
    model.to(choose_accelerator(config.training)).eval()
    start = time.monotonic()
    measured = measure(model, validation, EvaluationConfig(batch_size=4), progress=False)
    scores = measured.evaluator.scores()
    return {
        "steps": config.training.steps,
        "batch": config.training.batch_size,
        "seconds_a_step": round(_seconds_a_step(folder), 3),
        "seconds_an_image": round((time.monotonic() - start) / len(validation), 3),
        "peak_memory_gb": memory,
        "device_memory_gb": _device_memory(),
        "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "precision": config.training.precision,
        "AP": scores["AP"],
        "AP50": scores["AP50"],
        "AP75": scores["AP75"],
    }


def _process_memory() -> float:
    """The most that this process took, in GB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


def _device_memory() -> float | None:
    """The most that tensors took on the accelerator, in GB; None on the CPU."""
    return round(torch.cuda.max_memory_allocated() / 2**30, 2) if torch.cuda.is_available() else None


def _seconds_a_step(folder: Path) -> float:
    """The median, which a pause does not change."""
    events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    return float(np.median(np.diff([event.wall_time for event in events.Scalars("training/loss")])))


def run_row(name: str, arguments: argparse.Namespace) -> None:
    """Measures a row in this process and writes what it gave."""
    row, seed = ROWS[name], arguments.seed
    result = result_name(name, seed)
    config = row.config(str(arguments.weights), str(arguments.data), str(arguments.runs / result))
    config = replace(
        config,
        data=replace(config.data, workers=arguments.workers),
        training=replace(config.training, seed=seed, precision=arguments.precision),
    )
    torch.set_float32_matmul_precision("high")  # TensorFloat-32 where there is a GPU
    values = train(row, config)
    facts = {"row": name, "title": row.title, "seed": seed, **values, "machine": describe_machine()}
    write_json(RESULTS / f"{result}.json", facts)


def result_name(row: str, seed: int) -> str:
    """File name of a result."""
    return row if seed == 0 else f"{row}-seed-{seed}"


def main() -> None:
    """Runs what is asked for, every row in a process of its own (its memory is measured).

    A row that fails leaves the others alone.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "rows", nargs="*", choices=[[], *ROWS], default=[], help="names; every missing one by default"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and val/")
    parser.add_argument("--weights", type=Path, required=True, help="DINOv2 ViT-S/14, safetensors")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/benchmark-nuclei"), help="folder for run folders"
    )
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and augmentation")
    parser.add_argument("--workers", type=int, default=0, help="processes that read images")
    parser.add_argument(
        "--precision", default="32-true", choices=["32-true", "bf16-mixed"], help="of training"
    )
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        run_row(arguments.rows[0], arguments)
        return
    missing = [name for name in ROWS if not (RESULTS / f"{result_name(name, arguments.seed)}.json").exists()]
    failed = []
    for name in arguments.rows or missing:
        options = [
            word
            for option in ("data", "weights", "runs", "seed", "workers", "precision")
            for word in (f"--{option}", str(getattr(arguments, option)))
        ]
        done = subprocess.run([sys.executable, *sys.argv[:1], name, "--here", *options], check=False)
        failed += [] if done.returncode == 0 else [name]
        write_readme(RESULTS, HERE / "README.md")
    write_readme(RESULTS, HERE / "README.md")
    if failed:
        sys.exit(f"not finished: {', '.join(failed)}")


if __name__ == "__main__":
    main()
