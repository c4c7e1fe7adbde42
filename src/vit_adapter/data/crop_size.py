"""The training crop, where the settings leave it to the data."""

import statistics
from dataclasses import replace

import numpy as np

from vit_adapter.config import AugmentationConfig
from vit_adapter.config.backbone import COARSEST_STRIDE
from vit_adapter.images import UnreadableImageError

from .sample import AnnotatedImages

SMALLEST, LARGEST = 256, 512
"""Sides in pixels; every crop is a multiple of the coarsest stride of the pyramid."""

IMAGES = 15
"""As many are looked at, evenly spaced."""


def with_crop(settings: AugmentationConfig, dataset: AnnotatedImages) -> AugmentationConfig:
    """The settings with a crop: theirs, or if they have none, the short side of the median image.

    A ``base_size`` counts as the images' size. The side is rounded down to a multiple of 32 and kept within 256 and
    512 pixels.
    """
    if settings.crop is not None:
        return settings
    side = _short_side(dataset) if settings.base_size is None else min(settings.base_size)
    return replace(settings, crop=min(max(side // COARSEST_STRIDE * COARSEST_STRIDE, SMALLEST), LARGEST))


def _short_side(dataset: AnnotatedImages) -> int:
    sides = []
    for index in np.unique(np.linspace(0, len(dataset) - 1, IMAGES).round().astype(int)).tolist():
        try:
            sides.append(min(dataset.read(index).labels.shape))
        except UnreadableImageError:  # training replaces or reports it
            continue
    return statistics.median_low(sides) if sides else LARGEST
