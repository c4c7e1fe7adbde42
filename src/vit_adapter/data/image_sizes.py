"""Sizes of images, without decoding them where that can be helped."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from vit_adapter.config import InputError
from vit_adapter.images import UnreadableImageError

from .file_dataset import FileDataset
from .image_headers import size_from_header
from .sample import AnnotatedImages
from .scan import THREADS
from .scenes.scene_dataset import SceneDataset


def wide_images(dataset: AnnotatedImages) -> np.ndarray:
    """Bool [N]: images that are wider than high, as they are shown; False for those that cannot be read."""
    if isinstance(dataset, SceneDataset):
        return np.zeros(len(dataset), bool)  # they are square
    if not isinstance(dataset, FileDataset):
        return np.array([_is_wide(dataset, index) for index in range(len(dataset))], bool)

    def is_wide(index: int) -> bool:
        size = size_from_header(dataset.pairs[index].image)
        return _is_wide(dataset, index) if size is None else size[1] > size[0]

    with ThreadPoolExecutor(THREADS) as threads:
        return np.fromiter(threads.map(is_wide, range(len(dataset))), bool, len(dataset))


def _is_wide(dataset: AnnotatedImages, index: int) -> bool:
    try:
        height, width = dataset.read(index).image.shape[:2]
    except (UnreadableImageError, InputError):  # training says so when its turn comes
        return False
    return width > height
