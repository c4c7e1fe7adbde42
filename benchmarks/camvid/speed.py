"""Time and memory of a training step of some rows on this machine, nothing beside it.

    python benchmarks/camvid/speed.py --weights dinov2_vits14.safetensors laptop method ...

Rows in turn, step by step, on random images of the row's crop and batch; medians. Results go to ``results/speed-*``.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch
from rows import ROWS

from vit_adapter.config import ClassTable
from vit_adapter.segmenter import Segmenter

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import describe_machine, write_json

CLASSES = 11


def main() -> None:
    """Measures what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="+", choices=ROWS)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_float32_matmul_precision("high")
    steps = {name: _step(name, arguments.weights, device) for name in arguments.rows}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    memory: dict[str, float] = {}
    for number in range(arguments.steps + 2):
        for name, step in steps.items():
            if device == "cuda":
                torch.cuda.reset_peak_memory_stats()
            start = time.perf_counter()
            step()
            if device == "cuda":
                torch.cuda.synchronize()
                memory[name] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
            if number >= 2:
                seconds[name].append(time.perf_counter() - start)
    medians = {name: round(statistics.median(times), 4) for name, times in seconds.items()}
    print(medians, memory)
    values = {"seconds_a_step": medians, "device_memory_gb": memory, "machine": describe_machine()}
    write_json(Path(__file__).parent / "results" / f"speed-{device}.json", values)


def _step(name: str, weights: str, device: str):
    config = ROWS[name].config(weights, "", "")
    torch.manual_seed(0)
    classes = ClassTable(tuple(f"class {number}" for number in range(CLASSES)), tuple(range(CLASSES)))
    model = Segmenter.from_config(config.model, classes).to(device, memory_format=torch.channels_last).train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-6, fused=True)
    size = config.training.batch_size, config.data.augmentation.crop
    images = torch.randn(size[0], 3, size[1], size[1], device=device)
    labels = torch.randint(0, CLASSES, (size[0], size[1], size[1]), device=device)

    def step() -> None:
        model.loss(images, labels)["loss"].backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


if __name__ == "__main__":
    main()
