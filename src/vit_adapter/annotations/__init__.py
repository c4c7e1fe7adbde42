"""The annotation of an image: labels and objects, their boxes and masks. Truth and prediction have the same form."""

from .annotation import Annotation
from .boxes import Boxes, box_areas, boxes_of_masks
from .drawn_shapes import ellipse_outline, rectangle_outline, stroke_mask
from .id_map import run_lengths_of_ids
from .instance_tensors import InstanceTensors
from .instances import Instances, Masks
from .outlines import mask_outlines
from .polygons import checked_polygon, polygon_mask, polygons_mask, polygons_run_lengths
from .run_lengths import RunLengths
from .segments import Segments
from .window import Window

__all__ = [
    "Annotation",
    "Boxes",
    "InstanceTensors",
    "Instances",
    "Masks",
    "RunLengths",
    "Segments",
    "Window",
    "box_areas",
    "boxes_of_masks",
    "checked_polygon",
    "ellipse_outline",
    "mask_outlines",
    "polygon_mask",
    "polygons_mask",
    "polygons_run_lengths",
    "rectangle_outline",
    "run_lengths_of_ids",
    "stroke_mask",
]
