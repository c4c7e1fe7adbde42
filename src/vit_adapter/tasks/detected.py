"""From what a head detects in a window to objects: boxes and masks at the size of the image."""

import numpy as np
import torch

from vit_adapter.annotations import Instances, RunLengths
from vit_adapter.config import ObjectConfig
from vit_adapter.heads import Detections
from vit_adapter.ops import paste_masks

from .box_joining import counted_boxes, scaled_boxes
from .window_walk import MaskSizes


def detected_objects(
    found: Detections, sizes: MaskSizes, wanted: ObjectConfig, *, with_masks: bool
) -> Instances:
    """The objects of one window, best first.

    Args:
        found: In pixels of what the model saw.
        sizes: Of the window; objects come out at the last of them.
        wanted: Which objects count.
        with_masks: Objects are their masks, and those without a pixel are left out; otherwise their boxes.
    """
    boxes, scores = found.boxes.float().cpu().numpy(), found.scores.float().cpu().numpy()
    classes = found.classes.cpu().numpy()
    if not with_masks:
        return counted_boxes(boxes, classes, scores, sizes, wanted)
    assert found.masks is not None, "this head was built without masks"
    kept = np.flatnonzero(scores[: wanted.max_objects] >= wanted.score_threshold)
    shown = scaled_boxes(boxes[kept], sizes.valid, sizes.result)
    masks: list[RunLengths] = []
    numbers: list[int] = []
    # One at a time: masks of all objects of a large image would be gigabytes.
    for number, box in zip(kept.tolist(), torch.from_numpy(shown).to(found.boxes.device), strict=True):
        pixels = paste_masks(found.masks[number][None], box[None], sizes.result, wanted.mask_threshold)[0]
        lengths = RunLengths.from_mask(pixels.cpu().numpy())
        if lengths.area >= max(wanted.min_area, 1):
            masks.append(lengths)
            numbers.append(number)
    return Instances.from_masks(classes[numbers], masks, scores[numbers])
