"""The objects of a training image as tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # this room works without torch
    from torch import Tensor


class InstanceTensors(NamedTuple):
    """N objects of one training image, after all its transforms; a tuple, so that loaders and devices move it along.

    Attributes:
        classes: int64 [N], contiguous labels.
        boxes: float32 [N, 4], see ``Boxes``.
        masks: uint8 [N, H, W], 1 inside, at the size of the batch's images, 0 in their padding; None: boxes only.
        crowd: bool [N], regions of many objects that were not annotated one by one. What learns from objects leaves
            them out.
    """

    classes: Tensor
    boxes: Tensor
    masks: Tensor | None
    crowd: Tensor
