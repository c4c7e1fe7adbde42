"""Draws the first three principal components of a ViT's last tokens, for the eye.

python benchmarks/principal_components.py WEIGHTS PHOTO [PHOTO ...] --out components.png
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vit_adapter.backbones.vit import build_vit
from vit_adapter.config import Normalization, ViTConfig
from vit_adapter.images import multiple_size, normalize, read_image, resize_image
from vit_adapter.visualization import contact_sheet


def components(tokens: Tensor, size: tuple[int, int]) -> np.ndarray:
    """uint8 [h, w, 3] picture of tokens [h * w, C]: each component stretched over its middle 96 %."""
    centred = tokens - tokens.mean(0)
    _, _, directions = torch.pca_lowrank(centred, q=3, center=False, niter=8)
    values = (centred @ directions).numpy()
    low, high = np.quantile(values, [0.02, 0.98], axis=0)
    scaled = np.clip((values - low) / (high - low), 0, 1)
    return (255 * scaled).astype(np.uint8).reshape(*size, 3)


@torch.no_grad()
def draw(files: list[Path], vit: str, weights: str, side: int) -> list[list[np.ndarray]]:
    """Rows of photo and components."""
    torch.manual_seed(0)
    built = build_vit(ViTConfig(name=vit, pretrained=weights))
    built.wrapper.vit.eval()
    normalization: Normalization = built.normalization
    rows = []
    for file in files:
        photo = read_image(file)
        factor = side / min(photo.shape[:2])
        scaled = (round(photo.shape[0] * factor), round(photo.shape[1] * factor))
        image = normalize(resize_image(photo, multiple_size(scaled, 16)), normalization)
        prefix, grid, size = built.wrapper.embed(torch.from_numpy(image).permute(2, 0, 1)[None])
        _, grid = built.wrapper.run(0, built.wrapper.depth - 1, prefix, grid, size)
        picture = components(grid[0], size)
        rows.append([photo, picture.repeat(8, axis=0).repeat(8, axis=1)])
    return rows


def main() -> None:
    """Draws what is asked for."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("weights", help="file of the pretrained ViT")
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--vit", default="vit_small_patch14_dinov2")
    parser.add_argument("--side", type=int, default=448, help="short side in pixels")
    parser.add_argument("--out", type=Path, default=Path("components.png"))
    values = parser.parse_args()
    rows = draw(values.photos, values.vit, values.weights, values.side)
    contact_sheet(rows, ["photo", "first three components"], [file.name for file in values.photos]).save(
        values.out
    )


if __name__ == "__main__":
    main()
