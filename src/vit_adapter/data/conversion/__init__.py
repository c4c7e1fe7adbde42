"""Annotations in other forms to a plain folder of pictures and masks."""

from .coco import convert_coco
from .conversion import Conversion
from .labelme import convert_labelme

__all__ = ["Conversion", "convert_coco", "convert_labelme"]
