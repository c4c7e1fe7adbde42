"""GFL: boxes as distributions of distances, class scores that tell how well they fit (Li et al., NeurIPS 2020)."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..processes import mean_over_processes
from .box_losses import giou_loss
from .boxes import aligned_overlaps
from .dense_head import Average, DenseHead, rows_of
from .dense_types import DensePredictions, DenseSettings, DenseTargets, LevelTargets
from .distance_coding import boxes_at, distances_to
from .focal_losses import distribution_focal_loss, quality_focal_loss


@dataclass(frozen=True)
class GFLSettings(DenseSettings):
    """How GFL is trained.

    Attributes:
        beta: Of the quality focal loss.
        distribution_weight: Weight of the distribution loss.
    """

    beta: float = 2.0
    distribution_weight: float = 0.25


class Integral(nn.Module):
    """Expectation of a distance from the scores of its bins 0, 1 ... R.

    Args:
        largest: R.
    """

    project: Tensor

    def __init__(self, largest: int) -> None:
        super().__init__()
        self.register_buffer("project", torch.linspace(0, largest, largest + 1))

    def forward(self, outputs: Tensor) -> Tensor:
        """[N, 4 (R + 1)] logits -> [N, 4] distances."""
        shares = outputs.reshape(-1, len(self.project)).softmax(1)
        return (shares @ self.project.to(shares)).reshape(-1, 4)


class GFLHead(DenseHead):
    """The head of GFL (behaviour 158).

    Args:
        in_channels: Width of the pyramid's maps.
        num_classes: Number of classes.
        channels: Width of the towers.
        convolutions: Length of each tower.
        largest: Largest distance in strides from a cell's centre to a side of its box.
        settings: How it is trained.
        options: See ``DenseHead``.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        channels: int = 256,
        convolutions: int = 4,
        *,
        largest: int = 16,
        settings: GFLSettings | None = None,
        **options: Any,
    ) -> None:
        self.loss_settings = settings or GFLSettings()
        super().__init__(
            in_channels,
            num_classes,
            channels,
            convolutions,
            settings=self.loss_settings,
            **options,
        )
        self.largest = largest
        self.quality_classifier = nn.Conv2d(channels, num_classes, 3, padding=1)
        self.distance_output = nn.Conv2d(channels, 4 * (largest + 1), 3, padding=1)
        self.integral = Integral(largest)
        self.reset_parameters(self.quality_classifier)

    def predict(self, class_features: Tensor, box_features: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        return self.quality_classifier(class_features), self.distance_output(box_features), None

    def decode(self, level: int, outputs: Tensor, anchors: Tensor, size: tuple[int, int]) -> Tensor:
        return boxes_at(_centres(anchors), self.integral(outputs) * self.strides[level], size)

    def losses(
        self,
        predictions: DensePredictions,
        targets: DenseTargets,
        average: Average = mean_over_processes,
        divisor: float | None = None,
    ) -> dict[str, Tensor]:
        settings, shared = self.loss_settings, self.divisor(targets, average, divisor)
        parts = [self._level(predictions, level, part) for level, part in enumerate(targets.levels)]
        classes, boxes, distributions, weights = (torch.stack(values) for values in zip(*parts, strict=True))
        box_divisor = average(weights.sum()).clamp(min=1.0)
        return {
            "loss_cls": settings.class_weight * classes / shared,
            "loss_bbox": settings.box_weight * boxes / box_divisor,
            "loss_dfl": settings.distribution_weight * distributions / box_divisor,
        }

    def _level(
        self, predictions: DensePredictions, level: int, targets: LevelTargets
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Sums of the class, box and distribution losses, and of the latter two's weights."""
        logits, outputs = rows_of(predictions.classes[level]), rows_of(predictions.boxes[level])
        classes = targets.classes.flatten()
        objects = (classes < self.num_classes).nonzero()[:, 0]
        # All in strides from here on.
        anchors = targets.anchors.repeat(len(targets.classes), 1)[objects]
        centres = _centres(anchors) / targets.stride
        wanted = targets.boxes.flatten(0, 1)[objects] / targets.stride
        boxes = boxes_at(centres, self.integral(outputs[objects]))
        weights = logits.detach().sigmoid().amax(1)[objects]

        quality = logits.new_zeros(len(logits)).index_put(
            (objects,), aligned_overlaps(boxes.detach(), wanted).to(logits)
        )
        focal = quality_focal_loss(logits, classes, quality, self.loss_settings.beta)
        class_loss = (focal.sum(1) * targets.weights.flatten()).sum()
        box_loss = (giou_loss(boxes, wanted) * weights).sum()
        bins = outputs[objects].reshape(-1, self.largest + 1)  # [4 N, R + 1]
        goals = distances_to(centres, wanted, self.largest).flatten()
        distribution_loss = (distribution_focal_loss(bins, goals) * weights.repeat_interleave(4)).sum() / 4
        return class_loss, box_loss, distribution_loss, weights.sum()


def _centres(boxes: Tensor) -> Tensor:
    """[N, 4] xyxy -> [N, 2]."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2
