"""What a batch shows, as detectors learn it."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from vit_adapter.config import InputError

from ..head import Objects, Targets

FINEST_STRIDE = 4
"""Of a pyramid's maps."""


def covered(pyramid: Sequence[Tensor]) -> tuple[int, int]:
    """(height, width) in pixels of what a pyramid covers, whose finest map has stride 4."""
    height, width = pyramid[0].shape[-2:]
    return FINEST_STRIDE * height, FINEST_STRIDE * width


def truths_of(targets: Targets, num_classes: int, with_masks: bool) -> list[Objects]:
    """The objects of each image, without crowds; masks cover the whole area.

    Raises:
        InputError: There are no objects or no masks, or a class is outside of 0..K-1.
    """
    truths = []
    for objects in targets.required_objects():
        kept = torch.ones_like(objects.classes, dtype=torch.bool) if objects.crowd is None else ~objects.crowd
        classes = objects.classes[kept]
        if len(classes) and not 0 <= int(classes.min()) <= int(classes.max()) < num_classes:
            raise InputError(
                f"objects have classes {int(classes.min())}..{int(classes.max())}, expected 0..{num_classes - 1}"
            )
        masks = None
        if with_masks:
            masks = objects.required_masks()[kept]
            margin = targets.area[0] - masks.shape[-2], targets.area[1] - masks.shape[-1]
            masks = F.pad(masks, (0, margin[1], 0, margin[0]))
        truths.append(Objects(classes, objects.boxes[kept].float(), masks))
    return truths
