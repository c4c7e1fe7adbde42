"""How far predicted boxes are from the wanted ones."""

import torch
from torch import Tensor

from .boxes import aligned_overlaps


def giou_loss(boxes: Tensor, wanted: Tensor) -> Tensor:
    """One minus the generalized overlap: [N, 4] and [N, 4] xyxy -> [N], 0..2."""
    return 1 - aligned_overlaps(boxes, wanted, generalized=True)


def smooth_l1_loss(offsets: Tensor, wanted: Tensor, beta: float, weights: Tensor | None = None) -> Tensor:
    """Absolute difference, quadratic below ``beta`` (Girshick, ICCV 2015, equation 3).

    Args:
        offsets: [N, 4].
        wanted: [N, 4].
        beta: 0: the absolute difference itself.
        weights: [N, 4]; None: all 1.

    Returns:
        [N, 4].
    """
    difference = (offsets - wanted).abs()
    loss = difference
    if beta > 0:
        loss = torch.where(difference < beta, 0.5 * difference**2 / beta, difference - 0.5 * beta)
    return loss if weights is None else loss * weights
