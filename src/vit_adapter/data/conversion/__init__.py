"""Annotations in other forms to a plain folder of images, masks and objects."""

from .coco import convert_coco
from .labelme import convert_labelme
from .report import Conversion
from .tools import convert

__all__ = ["Conversion", "convert", "convert_coco", "convert_labelme"]
