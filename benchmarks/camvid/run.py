"""The CamVid study: what a pretrained plain ViT and the adapter give on real streets.

    python benchmarks/camvid/run.py --data camvid --weights dinov2_vits14.safetensors              every missing row
    python benchmarks/camvid/run.py --data camvid --weights dinov2_vits14.safetensors laptop ...   these rows
    python benchmarks/camvid/run.py --data camvid --weights dinov2_vits14.safetensors laptop --seed 1

A row's result is a JSON file in ``results/``; README.md is made anew from all of them. Rows that are named are run
whether or not their result is there. A row that was cut off goes on from its last checkpoint, one whose run is finished
is only measured again. No CamVid image is written here: its licence is non-commercial.
"""

import argparse
import csv
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from floors import majority, pixels
from linear import linear_segmenter
from rows import ROWS, Row
from table import write_readme

from vit_adapter.api.training import operator_forms, prepare_model
from vit_adapter.config import EvaluationConfig, RunConfig
from vit_adapter.data.dataset import open_dataset
from vit_adapter.data.sample import AnnotatedImages
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.evaluation import measure
from vit_adapter.metrics import ConfusionMatrix
from vit_adapter.training import run_training
from vit_adapter.training.engine import choose_accelerator

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import describe_machine, write_json
from study import device_memory, process_memory, read_arguments, result_name, run_rows, seconds_a_step

HERE = Path(__file__).parent
RESULTS = HERE / "results"


class Fewer:
    """Evenly spaced images of a data set."""

    def __init__(self, dataset: AnnotatedImages, count: int) -> None:
        self.dataset, self.classes, self.config = dataset, dataset.classes, dataset.config
        self.indices = np.linspace(0, len(dataset) - 1, count).round().astype(int).tolist()
        self.names = [dataset.names[index] for index in self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, index: int) -> Any:
        """A sample."""
        return self.dataset.read(self.indices[index])


def train(row: Row, config: RunConfig) -> dict[str, Any]:
    """Trains a row and measures it on all validation images."""
    scenes, validation = open_dataset(config.data, "train"), open_dataset(config.data, "val")
    folder = Path(str(config.training.out))
    config = replace(config, training=replace(config.training, resume=(folder / "last.ckpt").exists()))
    table = _table(folder)
    finished = (
        bool(table) and int(table[-1]["step"]) == config.training.steps
    )  # its memory is not seen any more
    torch.manual_seed(config.training.seed)
    model, _ = prepare_model(config, scenes.classes)
    if row.linear:
        model = linear_segmenter(config.model, scenes.classes, model.protocol)
    training = scenes if row.images is None else Fewer(scenes, row.images)
    train_set = TrainingSet(
        training,  # pyright: ignore
        config.data.augmentation,
        model.protocol.normalization,
        config.training.seed,
    )
    inside = validation if config.training.validate_every is not None else None
    result = run_training(model, train_set, inside, config, operator_forms=operator_forms())
    assert result is not None
    model.to(choose_accelerator(config.training)).eval()  # the model of the last step, chosen by nothing
    measured = measure(model, validation, EvaluationConfig(batch_size=4), progress=False)
    return {
        "steps": config.training.steps,
        "seconds_a_step": round(seconds_a_step(folder), 3),
        "peak_memory_gb": None if finished else process_memory(),
        "device_memory_gb": None if finished else device_memory(),
        "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "validations": _validations(folder),
        **_scores(measured.matrix, validation.classes.names),
    }


def floor(row: Row, config: RunConfig) -> dict[str, Any]:
    """Measures a row that needs no network."""
    training, validation = open_dataset(config.data, "train"), open_dataset(config.data, "val")
    predict = (majority if row.kind == "majority" else pixels)(training)
    matrix = ConfusionMatrix(len(validation.classes), validation.classes.ignore_index)
    for index in range(len(validation)):
        sample = validation.read(index)
        matrix.update(sample.labels, predict(sample.image))
    return {"steps": 0, **_scores(matrix, validation.classes.names)}


def _scores(matrix: ConfusionMatrix, names: tuple[str, ...]) -> dict[str, Any]:
    scores = matrix.scores()
    return {
        "mIoU": scores.mIoU,
        "aAcc": scores.aAcc,
        "IoU": {name: float(iou) for name, iou in zip(names, scores.iou, strict=True)},
    }


def _table(folder: Path) -> list[dict[str, str]]:
    path = folder / "metrics.csv"
    if not path.exists():
        return []
    with path.open() as file:
        return list(csv.DictReader(file))


def _validations(folder: Path) -> dict[str, float]:
    return {row["step"]: float(row["mIoU"]) for row in _table(folder) if row.get("mIoU")}


def run_row(name: str, arguments: argparse.Namespace) -> None:
    """Measures a row in this process and writes what it gave."""
    row, seed = ROWS[name], arguments.seed
    result = result_name(name, seed)
    folder = arguments.runs / result
    config = row.config(str(arguments.weights), str(arguments.data), str(folder))
    config = replace(
        config,
        data=replace(config.data, workers=arguments.workers),
        training=replace(config.training, seed=seed, precision=arguments.precision),
    )
    torch.set_float32_matmul_precision("high")  # TensorFloat-32 where there is a GPU
    values = train(row, config) if row.kind == "train" else floor(row, config)
    write_json(
        RESULTS / f"{result}.json",
        {
            "row": name,
            "title": row.title,
            "seed": seed,
            "images": row.images,
            "precision": arguments.precision,
            **values,
            "machine": describe_machine(),
        },
    )
    if (folder / "curves.png").exists():
        shutil.copy(folder / "curves.png", RESULTS / f"{result}.png")


def main() -> None:
    """Runs what is asked for."""
    arguments = read_arguments(__doc__, ROWS, "CamVid in SegNet's layout", "runs/benchmark-camvid")
    run_rows(arguments, ROWS, RESULTS, run_row, lambda: write_readme(RESULTS, HERE / "README.md"))


if __name__ == "__main__":
    main()
