"""Folders of images to predict, and what was written into them."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from .making import RED


def save(path: Path, colour=RED, size=(32, 32)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def below(folder: Path) -> list[str]:
    """Files of a folder and those below it, hidden ones too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def labels_of(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def linked(place: Path, target: Path) -> Path:
    """A link as hub caches, DVC and git-annex make them: to a file whose name is a digest."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(os.path.relpath(target, place.parent))
    return place
