"""Annotations in other forms to a plain folder of images and masks."""

from .coco import convert_coco
from .labelme import convert_labelme
from .report import Conversion

__all__ = ["Conversion", "convert_coco", "convert_labelme"]
