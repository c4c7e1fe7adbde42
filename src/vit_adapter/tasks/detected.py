"""From what a head detects to the objects of an image: boxes and masks at the size of the image, windows joined."""

import numpy as np
import torch
from torch import Tensor

from vit_adapter.annotations import Instances, RunLengths
from vit_adapter.config import ObjectConfig
from vit_adapter.heads import Detections
from vit_adapter.heads.detection.suppression import Suppression, suppress_by_class
from vit_adapter.ops import paste_masks

from .object_windows import FoundInView
from .queries import MaskSizes, Size

SAME_BOX = 0.5
"""Of boxes of a class that two windows found, and that overlap more than this (IoU), the better one stays."""


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
    kept = found.scores >= wanted.score_threshold
    kept &= torch.arange(len(kept), device=kept.device) < wanted.max_objects
    boxes = _scaled(found.boxes[kept].float(), sizes.valid, sizes.result)
    classes, scores = found.classes[kept].cpu().numpy(), found.scores[kept].float().cpu().numpy()
    if not with_masks:
        sides = (boxes[:, 2:] - boxes[:, :2]).cpu().numpy()
        large = (sides > 0).all(1) & (sides.prod(1) >= wanted.min_area)
        return Instances(classes[large], boxes.cpu().numpy()[large], None, scores[large])
    assert found.masks is not None, "this head was built without masks"
    masks: list[RunLengths] = []
    numbers: list[int] = []
    # One at a time: masks of all objects of a large image would be gigabytes.
    for number, (mask, box) in enumerate(zip(found.masks[kept], boxes, strict=True)):
        pixels = paste_masks(mask[None], box[None], sizes.result, wanted.mask_threshold)[0]
        lengths = RunLengths.from_mask(pixels.cpu().numpy())
        if lengths.area >= max(wanted.min_area, 1):
            masks.append(lengths)
            numbers.append(number)
    return Instances.from_masks(classes[numbers], masks, scores[numbers])


def joined_boxes(found: FoundInView[Instances]) -> Instances:
    """The boxes of an image: those of its windows, without those that overlap better ones of their class."""
    if found.whole is not None:
        return found.whole
    parts = list(zip(found.windows, found.found, strict=True))
    offsets = [[window.left, window.top] * 2 for window, _ in parts]
    boxes = np.concatenate(
        [np.zeros((0, 4), np.float32)]
        + [
            part.boxes + np.array(offset, np.float32)
            for offset, (_, part) in zip(offsets, parts, strict=True)
        ]
    )
    classes = np.concatenate([np.zeros(0, np.int64)] + [part.classes for _, part in parts])
    scores = np.concatenate([np.zeros(0, np.float32)] + [_scores(part) for _, part in parts])
    kept = _best(torch.from_numpy(boxes), torch.from_numpy(scores), torch.from_numpy(classes))
    scaled = _scaled(torch.from_numpy(boxes[kept]), found.view, found.size)
    return Instances(classes[kept], scaled.numpy(), None, scores[kept])


def _best(boxes: Tensor, scores: Tensor, classes: Tensor) -> np.ndarray:
    return suppress_by_class(boxes, scores, classes, Suppression(SAME_BOX))[0].numpy()


def _scaled(boxes: Tensor, old: Size, new: Size) -> Tensor:
    """[N, 4] in pixels of an image of one size as pixels of another, inside of it."""
    factors = boxes.new_tensor([new[1] / old[1], new[0] / old[0]] * 2)
    limits = boxes.new_tensor([new[1], new[0]] * 2)
    return torch.minimum((boxes * factors).clamp(min=0), limits)


def _scores(objects: Instances) -> np.ndarray:
    assert objects.scores is not None
    return objects.scores
