"""The individual terms of the loss, before weights and normalisation."""

import torch.nn.functional as F
from torch import Tensor


def weighted_class_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Cross entropy in which classes count differently (behaviour 65).

    Args:
        logits: [..., N, K + 1]; the last column is "no object".
        labels: int64 [..., N], 0..K.
        weights: [K + 1], of each label.

    Returns:
        [...] weighted sums, and sums of the weights of the labels.
    """
    each = F.cross_entropy(logits.flatten(0, -2), labels.flatten(), weights, reduction="none")
    return each.view(labels.shape).sum(-1), weights[labels].sum(-1)


def point_cross_entropy(logits: Tensor, masks: Tensor) -> Tensor:
    """Binary cross entropy of every point: [N, P] logits and values in 0..1 -> [N, P]."""
    return F.binary_cross_entropy_with_logits(logits, masks, reduction="none")


def dice_loss(logits: Tensor, masks: Tensor, smoothing: float = 1.0, squared: bool = False) -> Tensor:
    """One minus the Dice coefficient of every mask.

    Args:
        logits: [N, P].
        masks: [N, P] values in 0..1.
        smoothing: Added above and below, so that an empty mask that is found empty costs nothing.
        squared: The form of Milletari et al. (3DV 2016), with squares below and the smoothing only there, twice.

    Returns:
        [N].
    """
    shares = logits.sigmoid()
    overlap = 2 * (shares * masks).sum(-1)
    if squared:
        return 1 - overlap / (shares.square().sum(-1) + masks.square().sum(-1) + 2 * smoothing)
    return 1 - (overlap + smoothing) / (shares.sum(-1) + masks.sum(-1) + smoothing)
