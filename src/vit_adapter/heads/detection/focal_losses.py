"""Class losses of dense detectors, where nearly every anchor is background, and the loss of box distributions."""

import torch
import torch.nn.functional as F
from torch import Tensor


def sigmoid_focal_loss(logits: Tensor, classes: Tensor, gamma: float = 2.0, alpha: float = 0.25) -> Tensor:
    """Cross entropy that counts what is already right for little (Lin et al., ICCV 2017, equation 5).

    Args:
        logits: [N, K].
        classes: int64 [N]; K is background.
        gamma: How strongly well-classified entries are weighed down.
        alpha: Weight of objects; that of background is 1 - alpha.

    Returns:
        [N, K], not summed.
    """
    wanted = one_hot(classes, logits)
    shares = logits.sigmoid()
    missing = (1 - shares) * wanted + shares * (1 - wanted)
    weight = (alpha * wanted + (1 - alpha) * (1 - wanted)) * missing.pow(gamma)
    return F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * weight


def quality_focal_loss(logits: Tensor, classes: Tensor, quality: Tensor, beta: float = 2.0) -> Tensor:
    """Focal loss whose target is how well the box fits (Li et al., NeurIPS 2020, equation 2) (behaviour 160).

    Args:
        logits: [N, K].
        classes: int64 [N]; K is background.
        quality: [N] IoU of predicted and true box, 0..1; used where there is an object.
        beta: How strongly entries near their target are weighed down.

    Returns:
        [N, K], not summed.
    """
    shares = logits.sigmoid()
    losses = F.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits), reduction="none")
    losses = losses * shares.pow(beta)
    rows = ((classes >= 0) & (classes < logits.shape[1])).nonzero()[:, 0]
    columns, wanted = classes[rows], quality[rows]
    own = F.binary_cross_entropy_with_logits(logits[rows, columns], wanted, reduction="none")
    own = own * (wanted - shares[rows, columns]).abs().pow(beta)
    return losses.index_put((rows, columns), own)


def distribution_focal_loss(logits: Tensor, distances: Tensor) -> Tensor:
    """Cross entropy with the two bins around a distance, each by its nearness (equation 6 of the same paper).

    Args:
        logits: [N, R + 1], of the bins 0..R.
        distances: [N], at least 0 and below R.

    Returns:
        [N], not summed.
    """
    left = distances.long()
    right = left + 1
    to_left = F.cross_entropy(logits, left, reduction="none")
    to_right = F.cross_entropy(logits, right, reduction="none")
    return to_left * (right - distances) + to_right * (distances - left)


def one_hot(classes: Tensor, like: Tensor) -> Tensor:
    """int64 [N] -> [N, K] of the type of ``like`` [N, K]; rows of class K, background, are zero."""
    return F.one_hot(classes, like.shape[1] + 1)[:, : like.shape[1]].to(like.dtype)
