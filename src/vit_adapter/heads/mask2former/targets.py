"""Label maps, or objects, as the masks that queries are matched with."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vit_adapter.config import InputError

from ..head import Objects


@dataclass(frozen=True)
class Target:
    """What one image shows: a mask for each class in it (behaviour 55), or for each object.

    Attributes:
        classes: int64 [N], ascending where they come from labels.
        masks: bool [N, H, W], at the full size of the image. Ignored pixels lie in none, so they count as
            outside of every mask (behaviour 56).
    """

    classes: Tensor
    masks: Tensor


def target_of(labels: Tensor, ignore_index: int) -> Target:
    """Masks of one label map.

    Args:
        labels: int64 [H, W].
        ignore_index: Label of pixels without a class.

    Returns:
        No mask at all when every pixel is ignored.
    """
    present = labels.unique()
    present = present[present != ignore_index]
    return Target(present, labels == present[:, None, None])


def targets_of(labels: Tensor, num_classes: int, ignore_index: int) -> list[Target]:
    """Masks of every label map of a batch.

    Args:
        labels: int64 [B, H, W].
        num_classes: Number of classes K.
        ignore_index: Label of pixels without a class.

    Raises:
        InputError: A label is outside 0..K-1 and not ignored.
    """
    targets = [target_of(label_map, ignore_index) for label_map in labels]
    present = torch.cat([target.classes for target in targets])
    outside = present[(present < 0) | (present >= num_classes)]
    if len(outside):
        raise InputError(
            f"labels hold the value {int(outside[0])}, expected 0..{num_classes - 1} or {ignore_index} for "
            "ignored pixels"
        )
    return targets


def masks_of_objects(images: Sequence[Objects], num_classes: int, area: tuple[int, int]) -> list[Target]:
    """Masks of the objects of every image.

    Args:
        images: Their objects.
        num_classes: Number of classes K.
        area: (height, width) that masks are extended to at the right and at the bottom, with pixels outside of them.

    Raises:
        InputError: A class is outside 0..K-1, or the objects have no masks.
    """
    targets = []
    for objects in images:
        if objects.masks is None:
            raise InputError("these objects have boxes but no masks, which Mask2Former learns from")
        outside = (objects.classes < 0) | (objects.classes >= num_classes)
        if outside.any():
            raise InputError(
                f"an object has the class {int(objects.classes[outside][0])}, expected 0..{num_classes - 1}"
            )
        height, width = objects.masks.shape[-2:]
        masks = F.pad(objects.masks.bool(), (0, area[1] - width, 0, area[0] - height))
        targets.append(Target(objects.classes, masks))
    return targets
