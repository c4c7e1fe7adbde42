"""From a feature pyramid to scores and losses."""

from .build import CLASS_LAYERS, HEADS, build_auxiliary_head, build_head, maps_taken
from .fcn import FCNHead
from .frame import Frame, Place
from .head import Candidates, Detections, Head, LossNotFinite, Objects, Queries, Targets, is_loss
from .losses import PixelLoss, checked_labels, pixel_accuracy
from .mask2former import Mask2FormerHead
from .pixel_head import CustomHead, PixelHead
from .resize import resize_maps
from .uper import UPerHead
from .views import JoiningRule, View

__all__ = [
    "CLASS_LAYERS",
    "HEADS",
    "Candidates",
    "CustomHead",
    "Detections",
    "FCNHead",
    "Frame",
    "Head",
    "JoiningRule",
    "LossNotFinite",
    "Mask2FormerHead",
    "Objects",
    "PixelHead",
    "PixelLoss",
    "Place",
    "Queries",
    "Targets",
    "UPerHead",
    "View",
    "build_auxiliary_head",
    "build_head",
    "checked_labels",
    "is_loss",
    "maps_taken",
    "pixel_accuracy",
    "resize_maps",
]
