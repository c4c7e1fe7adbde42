"""What bfloat16 costs in mIoU: a run of this study measured in float32 and in both ways of computing in half precision.

    python benchmarks/camvid/precision.py --data camvid runs/benchmark-camvid/laptop-10

All validation images; the result goes to ``results/precision.json``, and from there to README.md.
"""

import argparse
import copy
import sys
from pathlib import Path

import torch
from table import write_readme

from vit_adapter import api
from vit_adapter.config import DataConfig, EvaluationConfig
from vit_adapter.data.dataset import open_dataset
from vit_adapter.evaluation import measure

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import describe_machine, write_json

HERE = Path(__file__).parent
WAYS = {
    "float32": "float32",
    "autocast": "bfloat16 by autocast (`--precision bfloat16`)",
    "optimized": "weights in bfloat16 (`--fast`, `optimize(dtype='bfloat16')`)",
}


def main() -> None:
    """Measures a run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="folder of a run that is finished")
    parser.add_argument("--data", type=Path, required=True, help="CamVid in SegNet's layout")
    parser.add_argument("--limit", type=int, default=None, help="images, from the first on; all by default")
    arguments = parser.parse_args()
    validation = open_dataset(DataConfig(root=str(arguments.data), layout="camvid"), "val")
    model = api.load(arguments.run, device="cuda" if torch.cuda.is_available() else "cpu")
    ways = {}
    for way in WAYS:
        applied = copy.deepcopy(model).optimize(dtype="bfloat16") if way == "optimized" else model
        precision = "bfloat16" if way == "autocast" else "float32"
        settings = EvaluationConfig(batch_size=4, limit=arguments.limit, precision=precision)
        scores = measure(applied, validation, settings).matrix.scores()
        names = validation.classes.names
        ways[way] = {
            "title": WAYS[way],
            "mIoU": scores.mIoU,
            "aAcc": scores.aAcc,
            "IoU": {name: float(iou) for name, iou in zip(names, scores.iou, strict=True)},
        }
        print(f"{way}: mIoU {100 * scores.mIoU:.2f}")
    values = {"run": arguments.run.name, "images": arguments.limit or len(validation), "ways": ways}
    write_json(HERE / "results" / "precision.json", {**values, "machine": describe_machine()})
    write_readme(HERE / "results", HERE / "README.md")


if __name__ == "__main__":
    main()
