"""The nuclei study: what a pretrained plain ViT, the adapter and Mask2Former give on small objects.

    python benchmarks/nuclei/run.py --data nuclei --weights dinov2_vits14.safetensors              every missing row
    python benchmarks/nuclei/run.py --data nuclei --weights dinov2_vits14.safetensors laptop ...   these rows

A row's result is a JSON file in ``results/``; README.md is made anew from all of them. A row that was cut off goes on
from its last checkpoint, one whose run is finished is only measured again.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch
from rows import ROWS
from table import write_readme

from vit_adapter.config import EvaluationConfig

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import describe_machine, write_json
from object_study import train_and_measure
from study import read_arguments, result_name, run_rows

HERE = Path(__file__).parent
RESULTS = HERE / "results"
OBJECT_THRESHOLD = 0.05
"""Smallest score that counts: every window has as many answers as queries, most of them of no object."""


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
    evaluation = EvaluationConfig(
        batch_size=4,
        precision="float32" if config.training.precision == "32-true" else "bfloat16",
        object_threshold=OBJECT_THRESHOLD,
    )
    values = train_and_measure(config, evaluation)
    facts = {"row": name, "title": row.title, "seed": seed, **values, "machine": describe_machine()}
    write_json(RESULTS / f"{result}.json", facts)


def main() -> None:
    """Runs what is asked for."""
    arguments = read_arguments(__doc__, ROWS, "folder with train/ and val/", "runs/benchmark-nuclei")
    run_rows(arguments, ROWS, RESULTS, run_row, lambda: write_readme(RESULTS, HERE / "README.md"))


if __name__ == "__main__":
    main()
