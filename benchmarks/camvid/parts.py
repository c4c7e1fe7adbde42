"""How large the two parts of a pyramid are, before training and after it: the adapter's maps and the ViT's.

    python benchmarks/camvid/parts.py --data camvid --weights dinov2_vits14.safetensors [--runs FOLDER] [rows ...]

Deviation over positions and images, the mean over channels, on eight training images: what a batch norm behind the sum
keeps. A row whose run is in the folder is read after its last step too. The table goes to results/parts.json and the
study's page.
"""

import argparse
import sys
from pathlib import Path
from typing import Any, cast

import torch
from rows import CROP, ROWS
from table import write_readme
from torch import Tensor

from vit_adapter import Segmenter, ViTAdapter
from vit_adapter.api.training import prepare_model
from vit_adapter.data.dataset import open_dataset

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import write_json

HERE = Path(__file__).parent
IMAGES = 8


def deviations(backbone: ViTAdapter, images: Tensor) -> list[dict[str, float]]:
    """Of both parts at strides 4, 8, 16 and 32; between them stands the weight that the adapter's part gets."""
    seen: list[dict[str, float]] = []
    published = backbone.joined

    def joined(pyramid: list[Tensor], stages: list[Tensor], grid_size: Any, makers: Any) -> list[Tensor]:
        for level, stage, norm in zip(pyramid, stages, backbone.norms, strict=True):
            gate = float(norm.weight.detach().abs().mean()) if backbone.stage_norms else 1.0  # pyright: ignore
            seen.append(
                {
                    "adapter": _deviation(level.flatten(2)),
                    "vit": _deviation(stage.transpose(1, 2)),
                    "gate": gate,
                }
            )
        return published(pyramid, stages, grid_size, makers)

    backbone.joined = joined
    with torch.no_grad():
        backbone(images)
    del backbone.joined
    return seen


def _deviation(maps: Tensor) -> float:
    return float(maps.transpose(0, 1).flatten(1).std(dim=1).mean())


def main() -> None:
    """Measures what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", default=["laptop", "laptop-gated"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmark-camvid"))
    arguments = parser.parse_args()
    found = {}
    for name in arguments.rows:
        config = ROWS[name].config(str(arguments.weights), str(arguments.data), "")
        data = open_dataset(config.data, "train")
        torch.manual_seed(0)
        model, _ = prepare_model(config, data.classes)
        images = torch.stack(
            [
                torch.from_numpy(data.read(index).image[:CROP, :CROP].copy()).permute(2, 0, 1)
                for index in range(0, len(data), len(data) // IMAGES)
            ]
        )[:IMAGES]
        mean, std = (
            torch.tensor(values).view(3, 1, 1)
            for values in (model.protocol.normalization.mean, model.protocol.normalization.std)
        )
        images = (images.float() - mean) / std
        states = {"0": model}
        trained = arguments.runs / name / "last"
        if trained.exists():
            states[str(config.training.steps)] = Segmenter.from_pretrained(trained)
        # Running statistics of norms mean nothing before the first step.
        found[name] = {
            step: deviations(cast(ViTAdapter, state.backbone.train(step == "0")), images)
            for step, state in states.items()
        }
    write_json(HERE / "results" / "parts.json", found)
    write_readme(HERE / "results", HERE / "README.md")


if __name__ == "__main__":
    main()
