"""How far predicted boxes are from the wanted ones."""

from torch import Tensor

from .boxes import aligned_overlaps


def giou_loss(boxes: Tensor, wanted: Tensor) -> Tensor:
    """One minus the generalized overlap: [N, 4] and [N, 4] xyxy -> [N], 0..2."""
    return 1 - aligned_overlaps(boxes, wanted, generalized=True)
