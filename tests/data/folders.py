"""Small data sets on disk, made where a test needs one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image


def save_image(path: Path, seed: int = 0, size: tuple[int, int] = (16, 24)) -> Path:
    """An image of noise, (height, width) as given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


def save_mask(path: Path, values, palette: Sequence[tuple[int, int, int]] | None = None) -> Path:
    """A mask: grey of 8 or 16 bits, RGB for [H, W, 3], or mode P with a palette."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.asarray(values)
    image = Image.fromarray(values if values.dtype == np.uint16 else values.astype(np.uint8))
    if palette is not None:
        image = Image.fromarray(values.astype(np.uint8), mode="P")
        image.putpalette([channel for colour in palette for channel in colour])
    image.save(path)
    return path


def make_pairs(
    root: Path, masks: dict[str, np.ndarray], images: str = "images", folder: str = "masks"
) -> Path:
    """Images and masks of the same names; names may hold sub-folders."""
    for seed, (name, values) in enumerate(masks.items()):
        values = np.asarray(values)
        save_image(root / images / f"{name}.png", seed, values.shape[:2])
        save_mask(root / folder / f"{name}.png", values)
    return root


def two_classes(height: int = 16, width: int = 24) -> np.ndarray:
    """Left half 0, right half 1."""
    mask = np.zeros((height, width), np.uint8)
    mask[:, width // 2 :] = 1
    return mask
