"""Heads that give every pixel a score for each class, and are trained pixel by pixel."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vit_adapter.config import TrainingConfig

from .head import Head, Targets
from .losses import PixelLoss, pixel_accuracy
from .resize import resize_maps


class PixelHead(Head):
    """The loss that UperNet, FCN and custom heads share.

    Attributes:
        criterion: What ``loss`` computes of scores and labels; replace it for class weights, Dice or focal loss.
    """

    criterion: PixelLoss

    def __init__(self) -> None:
        super().__init__()
        self.criterion = PixelLoss()

    @abstractmethod
    def forward(self, pyramid: Sequence[Tensor]) -> Tensor:
        """Maps [B, C_i, h_i, w_i], fine to coarse, to logits [B, K, h, w] of any stride."""

    def configure_loss(
        self, training: TrainingConfig, class_weights: Sequence[float] | None, ignore_index: int
    ) -> None:
        """See ``Head.configure_loss``."""
        weights = None if class_weights is None else torch.as_tensor(class_weights, dtype=torch.float32)
        self.criterion = PixelLoss(
            weights,
            ignore_index,
            training.average_over,
            training.focal_gamma,
            training.dice_weight,
        )

    def count(self, targets: Targets) -> float | None:
        """Number of pixels with a class, where the loss is a mean over these."""
        if self.criterion.average_over == "all":
            return None
        return float((targets.required_labels() != targets.ignore_index).sum())

    def loss(
        self, pyramid: Sequence[Tensor], targets: Targets, divisor: float | None = None
    ) -> dict[str, Tensor]:
        """Losses of ``criterion`` and "accuracy" in percent (behaviour 37)."""
        labels = targets.required_labels()
        height, width = labels.shape[-2:]
        # In plain order while small: the losses would copy the scores of the full size into it.
        scores = resize_maps(self(pyramid).contiguous(), targets.area)[..., :height, :width]
        losses = self.criterion(scores, labels)
        count = None if divisor is None else self.count(targets)
        if count is not None and divisor is not None:
            losses = {name: value * (count / divisor) for name, value in losses.items()}
        return {**losses, "accuracy": pixel_accuracy(scores, labels)}


class CustomHead(PixelHead):
    """A custom module as a head.

    Args:
        module: From the list of maps, fine to coarse, to logits [B, K, h, w].
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, pyramid: Sequence[Tensor]) -> Tensor:
        """See ``PixelHead.forward``."""
        return self.module(pyramid)
