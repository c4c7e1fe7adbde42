"""Our detectors beside those of other libraries: cost, and what equal steps on the embedded scenes give.

    python benchmarks/detection/side_by_side.py               every side that has no result
    python benchmarks/detection/side_by_side.py d-fine ...    these sides

All start from random weights, see the same images in the same order, and have the same optimiser; each runs in a
process of its own. Results are JSON files in ``results/side-by-side``; SIDE_BY_SIDE.md is made anew from all of them.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from sides import SIDES, Side, batch_of

from vit_adapter.annotations import Annotation
from vit_adapter.config import AugmentationConfig, DataConfig, Normalization
from vit_adapter.data.dataset import open_dataset
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.metrics import InstanceEvaluator

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import describe_machine, write_json
from study import process_memory

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "side-by-side"
SCENES, SIDE, BATCH, TRAINED, MEASURED = 128, 128, 4, 1000, 60
RATE, WARMUP, LARGE = 5e-4, 25, 512
RUNS = 5


def schedule(step: int, steps: int) -> float:
    """Share of the rate: a warm-up, then linearly to nothing."""
    return min((step + 1) / WARMUP, 1) * (1 - step / steps)


def train(side: Side, steps: int, data: DataConfig) -> float:
    """Trains a detector; returns the median of the seconds of a step."""
    dataset = open_dataset(data, "train", task="detection")
    augmentation = AugmentationConfig(
        scale_range=(1.0, 1.0), crop=SIDE, category_max_ratio=1.0, photometric=False
    )
    samples = TrainingSet(dataset, augmentation, Normalization(), 0, objects=True)
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0)).tolist()
    optimizer = torch.optim.AdamW(side.module.parameters(), RATE, weight_decay=0.05)
    adjusted = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule(step, steps))
    side.module.train()
    seconds = []
    for step in range(steps):
        chosen = [order[(step * BATCH + place) % len(order)] for place in range(BATCH)]
        batch = batch_of([samples[0, index] for index in chosen])
        start = time.monotonic()
        optimizer.zero_grad()
        side.loss(batch).backward()
        torch.nn.utils.clip_grad_norm_(side.module.parameters(), 1.0)
        optimizer.step()
        adjusted.step()
        seconds.append(time.monotonic() - start)
    return statistics.median(seconds)


@torch.no_grad()
def measure(side: Side, data: DataConfig) -> dict[str, float]:
    """Box AP on held-out scenes, 0..1."""
    dataset = open_dataset(data, "val", task="detection")
    evaluator = InstanceEvaluator(len(dataset.classes), "boxes")
    side.module.eval()
    for index in range(len(dataset)):
        sample = dataset.read(index)
        evaluator.update(Annotation(None, side.find(normalised(sample.image))), sample.annotation, index)
    return {name: evaluator.scores()[name] for name in ("AP", "AP50", "AR")}


def normalised(image: Any) -> torch.Tensor:
    """uint8 [H, W, 3] as float32 [1, 3, H, W]."""
    mean, std = (torch.tensor(values) for values in (Normalization().mean, Normalization().std))
    return ((torch.from_numpy(image.copy()).float() - mean) / std).permute(2, 0, 1)[None]


@torch.no_grad()
def seconds_an_image(side: Side, size: int) -> float:
    """The median of single images of noise, from pixels to boxes (where the head has masks, those as well)."""
    side.module.eval()
    image = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    side.find(image)
    seconds = []
    for _ in range(RUNS):
        start = time.monotonic()
        side.find(image)
        seconds.append(time.monotonic() - start)
    return statistics.median(seconds)


def run(name: str, steps: int) -> dict[str, Any]:
    """Everything about one side, in this process."""
    torch.manual_seed(0)
    data = DataConfig(layout="scenes", scenes=(TRAINED, MEASURED), scene_size=SCENES)
    side = SIDES[name](open_dataset(data, "val", task="detection").classes)
    before = process_memory()
    large = seconds_an_image(side, LARGE)
    inference_memory = process_memory()
    step = train(side, steps, data)
    return {
        "side": name,
        "title": side.title,
        "parameters": sum(value.numel() for value in side.module.parameters()),
        "steps": steps,
        "batch": BATCH,
        "seconds_a_step": round(step, 3),
        f"seconds_an_image_{SIDE}": round(seconds_an_image(side, SIDE), 4),
        f"seconds_an_image_{LARGE}": round(large, 4),
        "memory_gb": {"begin": before, "inference": inference_memory, "training": process_memory()},
        "scores": measure(side, data),
        "machine": describe_machine(),
    }


def write_page() -> None:
    """SIDE_BY_SIDE.md from all results."""
    rows = [json.loads(file.read_text()) for file in RESULTS.glob("*.json")]
    rows.sort(key=lambda row: list(SIDES).index(row["side"]))
    lines = [
        "# Detectors side by side",
        "",
        "All from random weights, in float32: the same embedded scenes of 128 pixels in the same order, batch 4,",
        f"AdamW at {RATE:g} with a warm-up of {WARMUP} steps and a linear fall, gradients cut at 1; box AP in percent",
        f"on {MEASURED} held-out scenes (cars and people; half are smaller than 12 pixels). Anchors are the same in",
        "both Mask R-CNN. Seconds are medians of single images, from pixels to boxes and masks, those of",
        f"{LARGE} pixels of noise before training; memory is the most that the process took for such an image and in",
        "training. So few steps say how fast a detector begins to learn, not how good it becomes: D-FINE, which has no",
        "anchors, is published with hundreds of thousands. Made by `python benchmarks/detection/side_by_side.py`.",
        "",
        f"| detector | parameters, M | steps | AP | AP50 | s/step | s/image, {SIDE} | s/image, {LARGE} | "
        "GB, inference | GB, training | on |",
        "|" + "---|" * 11,
    ]
    for row in rows:
        machine, scores = row["machine"], row["scores"]
        place = f"{machine['processor']} ({', '.join(machine['flags'])}), threads {machine['threads']}"
        cells = [
            row["title"],
            f"{row['parameters'] / 1e6:.1f}",
            row["steps"],
            f"{100 * scores['AP']:.1f}",
            f"{100 * scores['AP50']:.1f}",
            f"{row['seconds_a_step']:.2f}",
            f"{row[f'seconds_an_image_{SIDE}']:.3f}",
            f"{row[f'seconds_an_image_{LARGE}']:.2f}",
            f"{row['memory_gb']['inference']:.1f}",
            f"{row['memory_gb']['training']:.1f}",
            f"{place}, load {machine['load']}",
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    missing = [name for name in SIDES if name not in {row["side"] for row in rows}]
    lines += ["", f"Not run yet: {', '.join(missing)}."] if missing else []
    (HERE / "SIDE_BY_SIDE.md").write_text("\n".join([*lines, ""]), encoding="utf-8")


def main() -> None:
    """Runs what is asked for, each side in a process of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sides", nargs="*", choices=[[], *SIDES], default=[], metavar="side")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        (name,) = arguments.sides
        write_json(RESULTS / f"{name}.json", run(name, arguments.steps))
        return
    missing = [name for name in SIDES if not (RESULTS / f"{name}.json").exists()]
    for name in arguments.sides or missing:
        words = [sys.executable, sys.argv[0], name, "--here", "--steps", str(arguments.steps)]
        subprocess.run(words, check=True)
        write_page()
    write_page()


if __name__ == "__main__":
    main()
