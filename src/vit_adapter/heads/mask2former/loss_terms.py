"""The single terms of the loss, before weights and normalisation."""

import torch
import torch.nn.functional as F
from torch import Tensor


def weighted_class_loss(logits: Tensor, labels: Tensor, no_object_weight: float) -> tuple[Tensor, Tensor]:
    """Cross entropy in which "no object" counts less (item 36).

    Args:
        logits: [N, K + 1]; the last column is "no object".
        labels: int64 [N], 0..K.
        no_object_weight: Weight of label K; the others have 1.

    Returns:
        Weighted sum, and the sum of the weights of the labels.
    """
    weights = torch.cat([logits.new_ones(logits.shape[1] - 1), logits.new_full((1,), no_object_weight)])
    return F.cross_entropy(logits, labels, weights, reduction="sum"), weights[labels].sum()


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
