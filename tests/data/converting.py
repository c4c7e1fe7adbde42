"""Conversions of small files that a test made in the form of a labelling tool."""

import json
from pathlib import Path

import numpy as np

from vit_adapter.data.conversion import Conversion, convert
from vit_adapter.images import read_mask


def save_json(path: Path, content) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def converted(
    source: Path, out: Path, name: str = "a", **wishes
) -> tuple[np.ndarray, np.ndarray | None, Conversion]:
    """Mask, numbers of objects (None: there are none) and report of a conversion; ``name`` may begin with a part."""
    report = convert(source, out, **wishes)
    part, _, stem = name.rpartition(":")
    mask = read_mask(out / part / "masks" / f"{stem}.png").values
    objects = out / part / "instances" / f"{stem}.png"
    return mask, read_mask(objects).values if objects.is_file() else None, report


def inside(size: tuple[int, int], test) -> np.ndarray:
    """Pixels whose centre fulfils a test of x and y: what a shape covers, from its formula, without the rasteriser."""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    return test(x, y)


def turned(x, y, about: tuple[float, float], degrees: float):
    """Points as they were before a clockwise turn about a point."""
    angle = np.deg2rad(degrees)
    a, b = x - about[0], y - about[1]
    return about[0] + np.cos(angle) * a + np.sin(angle) * b, about[1] - np.sin(angle) * a + np.cos(angle) * b
