"""ATSS: anchor boxes refined on every level, their scores weighed by how central they are (Zhang et al., CVPR 2020)."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..processes import mean_over_processes
from .box_coding import BoxCoding
from .box_losses import giou_loss
from .dense_head import Average, DenseHead, rows_of
from .dense_types import DensePredictions, DenseSettings, DenseTargets, LevelTargets
from .focal_losses import sigmoid_focal_loss

CODING = BoxCoding((0.1, 0.1, 0.2, 0.2))


@dataclass(frozen=True)
class ATSSSettings(DenseSettings):
    """How ATSS is trained.

    Attributes:
        gamma: Of the focal loss.
        alpha: Of the focal loss.
        centerness_weight: Weight of the centerness loss.
    """

    gamma: float = 2.0
    alpha: float = 0.25
    centerness_weight: float = 1.0


class ATSSHead(DenseHead):
    """The head of ATSS (behaviour 158).

    Args:
        in_channels: Width of the pyramid's maps.
        num_classes: Number of classes.
        channels: Width of the towers.
        convolutions: Length of each tower.
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
        settings: ATSSSettings | None = None,
        **options: Any,
    ) -> None:
        self.loss_settings = settings or ATSSSettings()
        super().__init__(
            in_channels, num_classes, channels, convolutions, settings=self.loss_settings, **options
        )
        self.classifier = nn.Conv2d(channels, num_classes, 3, padding=1)
        self.box_output = nn.Conv2d(channels, 4, 3, padding=1)
        self.centerness = nn.Conv2d(channels, 1, 3, padding=1)
        self.reset_parameters(self.classifier)

    def predict(self, class_features: Tensor, box_features: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        return self.classifier(class_features), self.box_output(box_features), self.centerness(box_features)

    def decode(self, level: int, outputs: Tensor, anchors: Tensor, size: tuple[int, int]) -> Tensor:
        return CODING.decode(anchors, outputs, size)

    def losses(
        self,
        predictions: DensePredictions,
        targets: DenseTargets,
        average: Average = mean_over_processes,
        divisor: float | None = None,
    ) -> dict[str, Tensor]:
        settings, shared = self.loss_settings, self.divisor(targets, average, divisor)
        parts = [self._level(predictions, level, part) for level, part in enumerate(targets.levels)]
        classes, boxes, centerness, weights = (torch.stack(values) for values in zip(*parts, strict=True))
        box_divisor = average(weights.sum()).clamp(min=1.0)
        return {
            "loss_cls": settings.class_weight * classes / shared,
            "loss_bbox": settings.box_weight * boxes / box_divisor,
            "loss_centerness": settings.centerness_weight * centerness / shared,
        }

    def _level(
        self, predictions: DensePredictions, level: int, targets: LevelTargets
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Sums of the class, box and centerness losses, and of the box losses' weights."""
        assert predictions.centerness is not None
        logits = rows_of(predictions.classes[level])
        outputs, central = rows_of(predictions.boxes[level]), rows_of(predictions.centerness[level])[:, 0]
        classes, wanted = targets.classes.flatten(), targets.boxes.flatten(0, 1)
        settings = self.loss_settings
        focal = sigmoid_focal_loss(logits, classes, settings.gamma, settings.alpha)
        class_loss = (focal * targets.weights.flatten()[:, None]).sum()
        objects = (classes < self.num_classes).nonzero()[:, 0]
        # Without an object both sums are empty, and the gradients zero, not missing.
        anchors = targets.anchors.repeat(len(targets.classes), 1)[objects]
        goal = centerness_of(anchors, wanted[objects])
        boxes = CODING.decode(anchors, outputs[objects])
        box_loss = (giou_loss(boxes, wanted[objects]) * goal).sum()
        centerness_loss = F.binary_cross_entropy_with_logits(central[objects], goal, reduction="sum")
        return class_loss, box_loss, centerness_loss, goal.sum()


def centerness_of(anchors: Tensor, boxes: Tensor) -> Tensor:
    """How central the anchors' centres lie in their boxes, 1 in the middle and 0 at the border (equation 3 of FCOS).

    Args:
        anchors: [N, 4] xyxy.
        boxes: [N, 4] xyxy; each contains the centre of its anchor.

    Returns:
        [N].
    """
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    before, behind = centres - boxes[:, :2], boxes[:, 2:] - centres  # [N, 2] along x and y
    ratios = torch.minimum(before, behind) / torch.maximum(before, behind)
    return ratios.prod(1).sqrt()
