"""Images a second that one process reads, decodes and augments, beside what a training step of UperNet T takes.

    python benchmarks/speed/loader.py --data camvid

The augmentation is the published recipe's (512 pixels, scales 0.5 to 2); what counts is processor time of one thread.
The result goes to ``results/loader.json``.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from vit_adapter.config import DataConfig
from vit_adapter.data.dataset import open_dataset
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.zoo import get_recipe

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import describe_machine, write_json

RECIPE = "upernet_deit_adapter_tiny_512_160k_ade20k"
ROW = "UperNet T, training step"
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="CamVid in SegNet's layout")
    parser.add_argument("--images", type=int, default=60)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config, dataset = get_recipe(RECIPE).config(), open_dataset(DataConfig(root=str(arguments.data)), "train")
    assert config.protocol is not None
    training = TrainingSet(dataset, config.data.augmentation, config.protocol.normalization, seed=0)
    rates = {
        "read and decoded": _rate(dataset.read, arguments.images),
        "and augmented": _rate(lambda index: training[0, index], arguments.images),
    }
    values: dict[str, Any] = {"images_per_second": rates, "machine": describe_machine()}
    table = RESULTS / "cpu.json"
    if table.exists():
        step = json.loads(table.read_text())["rows"][ROW]["sides"]["default"]
        values["step_images_per_second"] = step["images_per_second"]
    print(json.dumps(values, indent=1))
    write_json(RESULTS / "loader.json", values)


def _rate(read: Any, count: int) -> float:
    """Images a second; the first ones warm up."""
    for index in range(3):
        read(index)
    start = time.process_time()
    for index in range(count):
        read(index)
    return round(count / (time.process_time() - start), 1)


if __name__ == "__main__":
    main()
