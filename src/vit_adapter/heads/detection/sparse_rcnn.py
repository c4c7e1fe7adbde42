"""Sparse R-CNN: learned proposals, refined stage by stage, without suppression (Sun et al., CVPR 2021)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..frame import Frame
from ..head import Detections, Objects
from ..processes import mean_over_processes
from .box_coding import BoxCoding
from .box_losses import giou_loss
from .box_matching import BoxCosts, match_boxes
from .dense_head import Average
from .focal_losses import sigmoid_focal_loss
from .learned_proposals import frame_sizes
from .region_features import region_features
from .sparse_stage import SparseStage

CODING = BoxCoding((0.5, 0.5, 1.0, 1.0))


@dataclass(frozen=True)
class SparseSettings:
    """How Sparse R-CNN is trained; every stage alike.

    Attributes:
        costs: Of the matching.
        class_weight: Weight of the focal loss.
        box_weight: Weight of the distance of the corners.
        overlap_weight: Weight of the GIoU loss.
        gamma: Of the focal loss.
        alpha: Of the focal loss.
        stage_weights: Factor of all losses of a stage; None: all 1.
        positive_weights: Weight of matched proposals in the class loss, by stage; None: all 1.
    """

    costs: BoxCosts = field(default_factory=BoxCosts)
    class_weight: float = 2.0
    box_weight: float = 5.0
    overlap_weight: float = 2.0
    gamma: float = 2.0
    alpha: float = 0.25
    stage_weights: tuple[float, ...] | None = None
    positive_weights: tuple[float, ...] | None = None


@dataclass(frozen=True)
class StagePredictions:
    """What a stage makes of the proposals.

    Attributes:
        classes: Logits [B, P, K].
        boxes: [B, P, 4] xyxy in pixels, not clipped; with gradients, which the next stage does not hand on.
        features: [B, P, C].
    """

    classes: Tensor
    boxes: Tensor
    features: Tensor


class SparseStages(nn.Module):
    """All stages, one after the other (behaviour 161).

    Args:
        stages: The stages.
        strides: Pixels of a cell, level by level.
        side: Side of a region's grid.
        samples: Samples a bin has along each axis.
        settings: How they are trained.
    """

    def __init__(
        self,
        stages: Sequence[SparseStage],
        strides: Sequence[int] = (4, 8, 16, 32),
        side: int = 7,
        samples: int = 2,
        settings: SparseSettings | None = None,
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.strides, self.side, self.samples = tuple(strides), side, samples
        self.settings = settings or SparseSettings()

    def forward(self, pyramid: Sequence[Tensor], boxes: Tensor, features: Tensor) -> list[StagePredictions]:
        """Refines proposals.

        Args:
            pyramid: Maps [B, C, h, w], fine to coarse.
            boxes: [B, P, 4] xyxy in pixels.
            features: [B, P, C].
        """
        predictions = []
        for stage in self.stages:
            regions = region_features(pyramid, boxes.unbind(), self.strides, self.side, self.samples)
            classes, offsets, features, _ = stage(features, regions)
            moved = CODING.decode(boxes.flatten(0, 1), offsets.flatten(0, 1)).reshape_as(boxes)
            predictions.append(StagePredictions(classes, moved, features))
            boxes = moved.detach()
        return predictions

    def match(
        self, prediction: StagePredictions, truths: Sequence[Objects], frames: Sequence[Frame]
    ) -> list[Tensor]:
        """int64 [P] of each image: 0 for background, k + 1 for object k."""
        sizes = frame_sizes(frames, prediction.boxes)
        parts = zip(prediction.classes, prediction.boxes, truths, sizes, strict=True)
        return [match_boxes(*part, self.settings.costs) for part in parts]

    def losses(
        self,
        predictions: Sequence[StagePredictions],
        truths: Sequence[Objects],
        frames: Sequence[Frame],
        average: Average = mean_over_processes,
    ) -> dict[str, Tensor]:
        """What training minimizes, by stage; without any object in all processes the class loss is infinite.

        Args:
            predictions: Of every stage.
            truths: Of each image.
            frames: Of each image.
            average: Mean over the processes of a run, of what sums are divided by.

        Returns:
            ``stage0_loss_cls``, ``stage0_loss_bbox``, ``stage0_loss_iou`` and so on, and ``stage0_pos_acc``, the
            percentage of matched proposals with the right class.
        """
        settings, losses = self.settings, {}
        for number, prediction in enumerate(predictions):
            matched = self.match(prediction, truths, frames)
            weight = 1.0 if settings.stage_weights is None else settings.stage_weights[number]
            positive = 1.0 if settings.positive_weights is None else settings.positive_weights[number]
            parts = self._stage_losses(prediction, truths, frames, matched, positive, average)
            losses |= {f"stage{number}_{name}": weight * value for name, value in parts.items()}
        return losses

    def _stage_losses(
        self,
        prediction: StagePredictions,
        truths: Sequence[Objects],
        frames: Sequence[Frame],
        matched: Sequence[Tensor],
        positive_weight: float,
        average: Average,
    ) -> dict[str, Tensor]:
        settings = self.settings
        logits, boxes = prediction.classes.flatten(0, 1), prediction.boxes.flatten(0, 1)
        number = logits.shape[1]
        classes = torch.cat(
            [
                torch.cat([truth.classes.new_full((1,), number), truth.classes])[own]
                for truth, own in zip(truths, matched, strict=True)
            ]
        )
        wanted = torch.cat(
            [
                torch.cat([boxes.new_zeros(1, 4), truth.boxes.to(boxes)])[own]
                for truth, own in zip(truths, matched, strict=True)
            ]
        )
        sizes = frame_sizes(frames, boxes).repeat_interleave(prediction.boxes.shape[1], 0)
        objects = classes < number
        divisor = average(objects.sum().to(boxes.dtype))
        weights = torch.where(objects, positive_weight, 1.0).to(logits)
        focal = sigmoid_focal_loss(logits, classes, settings.gamma, settings.alpha) * weights[:, None]
        losses = {"loss_cls": settings.class_weight * focal.sum() / divisor}
        own, goal, size = boxes[objects], wanted[objects], sizes[objects]
        if len(own):
            corners, overlap = (own / size - goal / size).abs().sum(), giou_loss(own, goal).sum()
            losses["loss_bbox"] = settings.box_weight * corners / divisor
            losses["loss_iou"] = settings.overlap_weight * overlap / divisor
        else:
            losses["loss_bbox"] = losses["loss_iou"] = 0 * boxes.sum()
        right = logits[objects].argmax(1) == classes[objects]
        losses["pos_acc"] = 100 * right.to(logits).sum() / max(len(own), 1)
        return losses

    @torch.no_grad()
    def detect(
        self, prediction: StagePredictions, factors: Sequence[Tensor] | None = None, count: int = 300
    ) -> list[Detections]:
        """The best pairs of proposal and class of each image; a proposal may appear with several classes.

        Args:
            prediction: Of the last stage.
            factors: [4] of each image, by which boxes are divided: see ``DenseHead.detect``.
            count: Number of results of an image.
        """
        found = []
        number = prediction.classes.shape[2]
        for index, (logits, boxes) in enumerate(zip(prediction.classes, prediction.boxes, strict=True)):
            scores, pairs = logits.sigmoid().flatten().topk(min(count, logits.numel()))
            chosen = boxes[pairs // number]
            if factors is not None:
                chosen = chosen / factors[index].to(chosen)
            found.append(Detections(chosen, pairs % number, scores))
        return found
