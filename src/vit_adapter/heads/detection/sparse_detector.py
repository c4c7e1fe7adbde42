"""Sparse R-CNN as a head on a backbone's pyramid: neck, learned proposals, stages."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from vit_adapter.config import TaskName, TrainingConfig
from vit_adapter.config.box_rule import BoxRule

from ..frame import Frame
from ..head import Candidates, Detections, Head, LossNotFinite, Targets
from ..processes import mean_over_processes
from .boxes import clip_boxes
from .learned_proposals import LearnedProposals
from .sparse_rcnn import SparseStages, StagePredictions
from .truth import covered, truths_of

MOST_STAGES = 6


class SparseDetector(Head):
    """A neck, learned proposals and the stages that refine them.

    Args:
        neck: From the backbone's maps to the levels.
        proposals: Where the stages start.
        refinement: The stages.
        num_classes: Number of classes K.
        detections: Most detections of an image.
    """

    tasks: ClassVar[tuple[TaskName, ...]] = ("detection",)
    min_classes = 1
    takes_class_weights = False
    exports_any_size = False  # regions of all images are read together
    classifiers = tuple(f"refinement.stages.{stage}.classifier" for stage in range(MOST_STAGES))

    def __init__(
        self,
        neck: nn.Module,
        proposals: LearnedProposals,
        refinement: SparseStages,
        num_classes: int,
        detections: int = 300,
    ) -> None:
        super().__init__()
        self.neck, self.proposals, self.refinement = neck, proposals, refinement
        self.num_classes, self.detections = num_classes, detections

    def predictions(self, pyramid: Sequence[Tensor], frames: Sequence[Frame]) -> list[StagePredictions]:
        """What every stage makes of the proposals."""
        return self.refinement(self.neck(pyramid), *self.proposals(frames))

    def find(self, pyramid: Sequence[Tensor], area: tuple[int, int]) -> list[Detections]:
        """See ``Head.find``; boxes are cut at the area, which the published ones are not."""
        frames = [Frame(area, covered(pyramid))] * len(pyramid[0])
        last = self.predictions(pyramid, frames)[-1]
        return [
            Detections(clip_boxes(one.boxes, area), one.classes, one.scores)
            for one in self.refinement.detect(last, count=self.detections)
        ]

    def candidates(self, pyramid: Sequence[Tensor], area: tuple[int, int]) -> Candidates:
        """See ``Head.candidates``: the boxes of the last stage."""
        frames = [Frame(area, covered(pyramid))] * len(pyramid[0])
        last = self.predictions(pyramid, frames)[-1]
        return Candidates(clip_boxes(last.boxes, area), last.classes.sigmoid())

    @property
    def box_rule(self) -> BoxRule:
        """See ``Head.box_rule``: the best pairs of proposal and class, of which none is suppressed."""
        return BoxRule((), 0.0, self.detections, None, self.detections)

    def configure_loss(
        self, training: TrainingConfig, class_weights: Sequence[float] | None, ignore_index: int
    ) -> None:
        """Nothing to take over: its losses weigh proposals, by ``SparseSettings``."""

    def count(self, targets: Targets) -> float:
        """Proposals that are matched with an object."""
        most = len(self.proposals.boxes)
        return float(
            sum(min(len(truth.classes), most) for truth in truths_of(targets, self.num_classes, False))
        )

    def loss(
        self, pyramid: Sequence[Tensor], targets: Targets, divisor: float | None = None
    ) -> dict[str, Tensor]:
        """What training minimizes, by its published names. Crowds take no part, as published (behaviour 162).

        Args:
            pyramid: See ``Head.forward``.
            targets: Objects.
            divisor: What sums are divided by, at least 1: the published loss is infinite where no image of a step
                has an object.

        Raises:
            InputError: There are no objects, or classes are outside of the head's.
            LossNotFinite: Predictions hold NaN or infinity.
        """
        truths = truths_of(targets, self.num_classes, False)
        if not all(maps.isfinite().all() for maps in pyramid):
            raise LossNotFinite("the backbone's maps hold NaN or infinity; lower the learning rate")
        frames = targets.places(len(truths))
        predictions = self.predictions(pyramid, frames)
        with torch.autocast(pyramid[0].device.type, enabled=False):
            losses = self.refinement.losses(predictions, truths, frames, _divided_by(divisor))
        # ``stage0_loss_cls`` as recorded; a loss begins with "loss" after its last dot (``is_loss``).
        return {name.replace("_", ".", 1): value for name, value in losses.items()}


def _divided_by(divisor: float | None):
    def average(count: Tensor) -> Tensor:
        mean = mean_over_processes(count) if divisor is None else torch.full_like(count, divisor)
        return mean.clamp(min=1.0)

    return average
