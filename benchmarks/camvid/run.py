"""The CamVid study: what a pretrained plain ViT and the adapter give on real streets.

    python benchmarks/camvid/run.py --data camvid --weights dinov2_vits14.safetensors              every missing row
    python benchmarks/camvid/run.py --data camvid --weights dinov2_vits14.safetensors laptop ...   these rows
    python benchmarks/camvid/run.py --data camvid --weights dinov2_vits14.safetensors laptop --seed 1

A row's result is a JSON file in ``results/``; README.md is made anew from all of them. Rows that are named are run
whether or not their result is there. A row that was cut off goes on from its last checkpoint, one whose run is finished
is only measured again. No CamVid picture is written here: its licence is non-commercial.
"""

import argparse
import csv
import resource
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from floors import majority, pixels
from linear import linear_segmenter
from rows import ROWS, Row
from table import write_readme
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from vit_adapter.api.training import operator_forms, prepare_model
from vit_adapter.config import EvaluationConfig, RunConfig
from vit_adapter.data.dataset import SegmentationDataset, open_dataset
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.evaluation import measure
from vit_adapter.metrics import ConfusionMatrix
from vit_adapter.training import run_training
from vit_adapter.training.engine import choose_accelerator

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import describe_machine, write_json

HERE = Path(__file__).parent
RESULTS = HERE / "results"


class Fewer:
    """Evenly spaced pictures of a data set."""

    def __init__(self, dataset: SegmentationDataset, count: int) -> None:
        self.dataset, self.classes, self.config = dataset, dataset.classes, dataset.config
        self.indices = np.linspace(0, len(dataset) - 1, count).round().astype(int).tolist()
        self.names = [dataset.names[index] for index in self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, index: int) -> Any:
        """A sample."""
        return self.dataset.read(self.indices[index])


def train(row: Row, config: RunConfig) -> dict[str, Any]:
    """Trains a row and measures it on all validation pictures."""
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
    training = scenes if row.pictures is None else Fewer(scenes, row.pictures)
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
        "seconds_a_step": round(_seconds_a_step(folder), 3),
        "peak_memory_gb": None if finished else _process_memory(),
        "device_memory_gb": None if finished else _device_memory(),
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


def _process_memory() -> float:
    """The most that this process took, in GB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


def _device_memory() -> float | None:
    """The most that tensors took on the accelerator, in GB; None on the CPU."""
    return round(torch.cuda.max_memory_allocated() / 2**30, 2) if torch.cuda.is_available() else None


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


def _seconds_a_step(folder: Path) -> float:
    """The median, which neither a pause nor a validation changes."""
    events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    return float(np.median(np.diff([event.wall_time for event in events.Scalars("training/loss")])))


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
        training=replace(config.training, seed=seed),
    )
    torch.set_float32_matmul_precision("high")  # TensorFloat-32 where there is a GPU
    values = train(row, config) if row.kind == "train" else floor(row, config)
    write_json(
        RESULTS / f"{result}.json",
        {
            "row": name,
            "title": row.title,
            "seed": seed,
            "pictures": row.pictures,
            **values,
            "machine": describe_machine(),
        },
    )
    if (folder / "curves.png").exists():
        shutil.copy(folder / "curves.png", RESULTS / f"{result}.png")


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
    parser.add_argument("--data", type=Path, required=True, help="CamVid in SegNet's layout")
    parser.add_argument("--weights", type=Path, required=True, help="DINOv2 ViT-S/14, safetensors")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/benchmark-camvid"), help="folder for run folders"
    )
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and augmentation")
    parser.add_argument("--workers", type=int, default=0, help="processes that read pictures")
    parser.add_argument(
        "--at-once", type=int, default=1, help="rows at a time: one alone leaves a GPU half idle"
    )
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        run_row(arguments.rows[0], arguments)
        return
    missing = [name for name in ROWS if not (RESULTS / f"{result_name(name, arguments.seed)}.json").exists()]
    wanted = arguments.rows or missing

    def start(name: str) -> bool:
        done = subprocess.run(
            [sys.executable, *sys.argv[:1], name, "--here", *_options(arguments)], check=False
        )
        return done.returncode == 0

    failed = []
    with ThreadPoolExecutor(arguments.at_once) as pool:
        for name, done in zip(wanted, pool.map(start, wanted), strict=True):
            failed += [] if done else [name]
            write_readme(RESULTS, HERE / "README.md")
    write_readme(RESULTS, HERE / "README.md")
    if failed:
        sys.exit(f"not finished: {', '.join(failed)}")


def _options(arguments: argparse.Namespace) -> list[str]:
    names = "data", "weights", "runs", "seed", "workers"
    values = {name: getattr(arguments, name) for name in names}
    return [word for name, value in values.items() for word in (f"--{name}", str(value))]


if __name__ == "__main__":
    main()
