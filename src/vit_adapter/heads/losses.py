"""Pixel losses and accuracy (behaviours 35 to 37)."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_adapter.config import InputError


class PixelLoss(nn.Module):
    """Cross entropy or focal loss of every pixel, and optionally Dice beside it.

    Args:
        class_weights: One weight per class; None: all 1. The weighted sum is divided by the number of pixels, not
            by the sum of weights (behaviour 36).
        ignore_index: Label of pixels that count as zero.
        average_over: "all" pixels, void ones included, as published (behaviour 35), or the "valid" ones alone.
        focal_gamma: Exponent of the focal loss (Lin et al., ICCV 2017, equation 4); None: cross entropy.
        dice_weight: Weight of the Dice loss (Milletari et al., 3DV 2016), averaged over the classes present.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        class_weights: Tensor | None = None,
        ignore_index: int = 255,
        average_over: Literal["all", "valid"] = "all",
        focal_gamma: float | None = None,
        dice_weight: float = 0.0,
    ) -> None:
        super().__init__()
        if average_over not in ("all", "valid"):
            raise InputError(f"average_over={average_over!r}, expected 'all' or 'valid'")
        # How it is trained is not part of the model, so it is not saved with it.
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.ignore_index, self.average_over = ignore_index, average_over
        self.focal_gamma, self.dice_weight = focal_gamma, dice_weight

    def forward(self, scores: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Loss by name.

        Args:
            scores: [B, K, H, W] logits.
            labels: int64 [B, H, W], 0..K-1 or ``ignore_index``.

        Returns:
            "loss_ce" (or "loss_focal") and, if weighted, "loss_dice": scalars, zero with zero gradient when all
            pixels are ignored.
        """
        valid = labels != self.ignore_index
        pixels = labels.numel() if self.average_over == "all" else valid.sum().clamp(min=1)
        weights = None if self.class_weights is None else self.class_weights.to(scores)
        if self.focal_gamma is None:
            loss = F.cross_entropy(scores, labels, weights, ignore_index=self.ignore_index, reduction="sum")
            losses = {"loss_ce": loss / pixels}
        else:
            nll = F.cross_entropy(scores, labels, weights, ignore_index=self.ignore_index, reduction="none")
            index = labels.where(valid, torch.zeros_like(labels))[:, None]
            share = scores.softmax(1).gather(1, index)[:, 0]
            losses = {"loss_focal": ((1 - share).clamp(min=0) ** self.focal_gamma * nll).sum() / pixels}
        if self.dice_weight:
            losses["loss_dice"] = self.dice_weight * self._dice(scores, labels, valid)
        return losses

    @staticmethod
    def _dice(scores: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
        shares = scores.float().softmax(1) * valid[:, None]
        classes = torch.arange(scores.shape[1], device=labels.device).view(1, -1, 1, 1)
        truth = (labels[:, None] == classes) & valid[:, None]  # [B, K, H, W]
        areas = truth.sum((0, 2, 3))
        overlap = (shares * truth).sum((0, 2, 3))
        total = shares.sum((0, 2, 3)) + areas
        present = areas > 0
        dice = 1 - (2 * overlap + 1) / (total + 1)
        return (dice * present).sum() / present.sum().clamp(min=1)


def pixel_accuracy(scores: Tensor, labels: Tensor) -> Tensor:
    """Percentage of pixels whose best class is right; ignored pixels stay in the divisor (behaviour 37).

    Args:
        scores: [B, K, H, W].
        labels: int64 [B, H, W].

    Returns:
        float32 scalar, 0..100.
    """
    best = scores.detach().max(1).indices  # argmax is several times slower on the CPU
    hits = (best == labels).sum()
    return hits.float() * (100.0 / labels.numel())


def checked_labels(labels: Tensor) -> Tensor:
    """Labels as int64.

    Raises:
        TypeError: They are no tensor, or no whole numbers; scaled masks would turn into background in silence.
    """
    if not isinstance(labels, Tensor):
        raise TypeError(
            f"labels are {type(labels).__name__}, expected a tensor [B, H, W] of whole class numbers"
        )
    if labels.dtype.is_floating_point or labels.dtype.is_complex or labels.dtype == torch.bool:
        largest = float(labels.max()) if labels.numel() and not labels.dtype.is_complex else 0.0
        raise TypeError(
            f"labels are {labels.dtype} with largest value {largest:g}, expected whole class numbers "
            "(uint8, int32 or int64), not fractions"
        )
    return labels.long()
