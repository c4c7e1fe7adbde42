"""Sizes of images, without decoding them where that can be helped."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from vit_adapter.config import InputError
from vit_adapter.images import UnreadableImageError

from .file_dataset import FileDataset
from .sample import AnnotatedImages
from .scan import THREADS
from .scenes.scene_dataset import SceneDataset

ORIENTATION = 0x0112
"""EXIF tag; from 5 on an image is shown turned by a quarter."""


def wide_images(dataset: AnnotatedImages) -> np.ndarray:
    """Bool [N]: images that are wider than high, as they are shown; False for those that cannot be read."""
    if isinstance(dataset, SceneDataset):
        return np.zeros(len(dataset), bool)  # they are square
    if not isinstance(dataset, FileDataset):
        return np.array([_is_wide(dataset, index) for index in range(len(dataset))], bool)

    def is_wide(index: int) -> bool:
        size = _from_header(dataset.pairs[index].image)
        return _is_wide(dataset, index) if size is None else size[1] > size[0]

    with ThreadPoolExecutor(THREADS) as threads:
        return np.fromiter(threads.map(is_wide, range(len(dataset))), bool, len(dataset))


def _from_header(file: Path) -> tuple[int, int] | None:
    """(height, width) of an image as it is shown; None where its beginning does not say."""
    try:
        with Image.open(file) as image:
            turned = image.getexif().get(ORIENTATION, 1) >= 5
            return (image.width, image.height) if turned else (image.height, image.width)
    except (
        Exception
    ):  # what a broken file makes of its reader is not foreseeable; it is read in full, with care
        return None


def _is_wide(dataset: AnnotatedImages, index: int) -> bool:
    try:
        height, width = dataset.read(index).image.shape[:2]
    except (UnreadableImageError, InputError):  # training says so when its turn comes
        return False
    return width > height
