"""The nuclei study: what a pretrained plain ViT, the adapter and Mask2Former give on small objects.

    python benchmarks/nuclei/run.py --data nuclei --weights dinov2_vits14.safetensors              every missing row
    python benchmarks/nuclei/run.py --data nuclei --weights dinov2_vits14.safetensors laptop ...   these rows

A row's result is a JSON file in ``results/``; README.md is made anew from all of them. A row that was cut off goes on
from its last checkpoint, one whose run is finished is only measured again.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rows import ROWS, Row
from table import write_readme

from vit_adapter.api.training import operator_forms, prepare_model
from vit_adapter.config import EvaluationConfig, RunConfig
from vit_adapter.data.dataset import open_dataset
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.evaluation import measure
from vit_adapter.training import run_training
from vit_adapter.training.engine import choose_accelerator

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import describe_machine, write_json
from study import device_memory, process_memory, read_arguments, result_name, run_rows, seconds_a_step

HERE = Path(__file__).parent
RESULTS = HERE / "results"
OBJECT_THRESHOLD = 0.05
"""Smallest score that counts: every window has as many answers as queries, most of them of no object."""


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
    memory = process_memory()
    model.to(choose_accelerator(config.training)).eval()
    start = time.monotonic()
    settings = EvaluationConfig(
        batch_size=4,
        precision="float32" if config.training.precision == "32-true" else "bfloat16",
        object_threshold=OBJECT_THRESHOLD,
    )
    measured = measure(model, validation, settings, progress=False)
    scores = measured.evaluator.scores()
    return {
        "steps": config.training.steps,
        "batch": config.training.batch_size,
        "seconds_a_step": round(seconds_a_step(folder), 3),
        "seconds_an_image": round((time.monotonic() - start) / len(validation), 3),
        "peak_memory_gb": memory,
        "device_memory_gb": device_memory(),
        "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "precision": config.training.precision,
        "AP": scores["AP"],
        "AP50": scores["AP50"],
        "AP75": scores["AP75"],
    }


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


def main() -> None:
    """Runs what is asked for."""
    arguments = read_arguments(__doc__, ROWS, "folder with train/ and val/", "runs/benchmark-nuclei")
    run_rows(arguments, ROWS, RESULTS, run_row, lambda: write_readme(RESULTS, HERE / "README.md"))


if __name__ == "__main__":
    main()
