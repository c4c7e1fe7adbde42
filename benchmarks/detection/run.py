"""The detection study: boxes and masks by two-stage heads, boxes by ATSS, on one pretrained plain ViT.

    python benchmarks/detection/run.py --data DATA --weights dinov2_vits14.safetensors                every missing row
    python benchmarks/detection/run.py --data DATA --weights dinov2_vits14.safetensors nuclei-atss    these rows

DATA holds the folders ``nuclei`` and ``coco128``. A row's result is a JSON file in ``results/``; README.md is made anew
from all of them. A row that was cut off goes on from its last checkpoint, one whose run is finished is only measured
again.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch
from rows import DATA, ROWS
from table import write_readme

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import describe_machine, write_json
from object_study import train_and_measure
from study import read_arguments, result_name, run_rows

HERE = Path(__file__).parent
RESULTS = HERE / "results"


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
    values = train_and_measure(config)
    facts = {
        "row": name,
        "title": row.title,
        "data": DATA[row.data].folder,
        "task": row.task,
        "seed": seed,
        **values,
    }
    write_json(RESULTS / f"{result}.json", {**facts, "machine": describe_machine()})


def main() -> None:
    """Runs what is asked for."""
    arguments = read_arguments(__doc__, ROWS, "folder with nuclei/ and coco128/", "runs/benchmark-detection")
    run_rows(arguments, ROWS, RESULTS, run_row, lambda: write_readme(RESULTS, HERE / "README.md"))


if __name__ == "__main__":
    main()
