"""From a feature pyramid to scores and losses."""

from .fcn import FCNHead
from .losses import PixelLoss, checked_labels, pixel_accuracy
from .mask2former import Mask2FormerHead
from .resize import resize_maps
from .uper import UPerHead

__all__ = [
    "FCNHead",
    "Mask2FormerHead",
    "PixelLoss",
    "UPerHead",
    "checked_labels",
    "pixel_accuracy",
    "resize_maps",
]
