"""What Mask R-CNN, Cascade Mask R-CNN and HTC++ share: proposals, then regions in one or several stages."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_adapter.config import InputError, TaskName, TrainingConfig
from vit_adapter.heads.head import Detections, Head, LossNotFinite, Targets

from .box_head import BoxHead
from .box_sampler import BoxSampler, Permutation, Samples
from .class_suppression import select_detections
from .frame import Frame, Truth
from .mask_head import MaskHead, mask_loss, mask_targets
from .overlap_assigner import OverlapAssigner
from .proposals import ProposalHead, ProposalLimits, ProposalTraining
from .region_features import FINEST, region_features
from .suppression import Suppression

BOX_SIDE, MASK_SIDE = 7, 14
"""Sides of the region features that box heads and mask heads read."""
REGION_STRIDES = (4, 8, 16, 32)
"""Levels that regions are read from; coarser ones serve the proposals alone."""


@dataclass(frozen=True)
class RegionTraining:
    """How regions are learned in one stage.

    Attributes:
        assigner: Which proposals learn which object.
        sampler: Which of them take part.
        weight: Of the stage's losses.
    """

    assigner: OverlapAssigner = field(default_factory=lambda: OverlapAssigner(0.5, 0.5, 0.5))
    sampler: BoxSampler = field(default_factory=lambda: BoxSampler(512, 0.25, add_truth=True))
    weight: float = 1.0


@dataclass(frozen=True)
class DetectionLimits:
    """Which boxes become detections.

    Attributes:
        least_score: Scores have to be above it, strictly.
        suppression: Which of overlapping boxes of a class stays.
        count: Most detections of an image, all classes together.
    """

    least_score: float = 0.05
    suppression: Suppression | None = field(default_factory=lambda: Suppression(0.5))
    count: int = 100


@dataclass(frozen=True)
class TwoStageSettings:
    """How a two-stage detector learns and answers.

    Attributes:
        proposal_training: How proposals are learned.
        training_proposals: Which proposals the regions learn from.
        proposals: Which proposals the regions answer for.
        regions: How each stage learns.
        limits: Which boxes become detections.
        finest: Side in pixels below twice of which a region is read at the finest level.
    """

    proposal_training: ProposalTraining = field(default_factory=ProposalTraining)
    training_proposals: ProposalLimits = field(default_factory=lambda: ProposalLimits(2000, 1000))
    proposals: ProposalLimits = field(default_factory=ProposalLimits)
    regions: tuple[RegionTraining, ...] = (RegionTraining(),)
    limits: DetectionLimits = field(default_factory=DetectionLimits)
    finest: int = FINEST


class TwoStageHead(Head):
    """Neck, proposals, and stages that look at regions.

    Args:
        neck: From the backbone's maps to the levels.
        proposals: Where objects may be.
        num_classes: Number of classes K.
        settings: How it learns and answers.
    """

    tasks: ClassVar[tuple[TaskName, ...]] = ("instance", "detection")
    min_classes: ClassVar[int] = 1
    takes_class_weights: ClassVar[bool] = False
    reaches_all_parameters: ClassVar[bool] = True
    extra_rows: ClassVar[int] = 1
    mixes_masks_after_boxes: ClassVar[bool] = False
    """Masks learn from boxes that the same stage has already moved (HTC's interleaved execution)."""

    def __init__(
        self, neck: nn.Module, proposals: ProposalHead, num_classes: int, settings: TwoStageSettings
    ) -> None:
        super().__init__()
        self.neck, self.proposals = neck, proposals
        self.num_classes, self.settings = num_classes, settings

    def answers_without_masks(self) -> None:
        """Of a head without masks only boxes can be asked."""
        if not self.mask_stages:
            self.tasks = ("detection",)  # pyright: ignore[reportAttributeAccessIssue] (of this one alone)

    @property
    @abstractmethod
    def box_stages(self) -> Sequence[BoxHead]:
        """The box head of every stage."""

    @property
    @abstractmethod
    def mask_stages(self) -> Sequence[MaskHead]:
        """The mask head of every stage; none for boxes alone."""

    # What a stage sees.

    def context(self, levels: Sequence[Tensor]) -> Tensor | None:
        """Features of the whole image, [B, C, h, w] at stride 8, that are added to those of the regions."""
        return None

    def box_features(
        self, levels: Sequence[Tensor], boxes: Sequence[Tensor], context: Tensor | None
    ) -> Tensor:
        """What box heads read: boxes [N_b, 4] of each image -> [N, C, 7, 7]."""
        return self._features(levels, boxes, BOX_SIDE)

    def mask_features(
        self, levels: Sequence[Tensor], boxes: Sequence[Tensor], context: Tensor | None
    ) -> Tensor:
        """What mask heads read: boxes [N_b, 4] of each image -> [N, C, 14, 14]."""
        return self._features(levels, boxes, MASK_SIDE)

    def mask_logits(self, stage: int, regions: Tensor) -> Tensor:
        """What a stage's mask head says of region features [N, C, s, s]: [N, K, 2 s, 2 s]."""
        return self.mask_stages[stage](regions)

    def all_mask_logits(self, regions: Tensor) -> list[Tensor]:
        """The same of every stage."""
        return [self.mask_logits(stage, regions) for stage in range(len(self.mask_stages))]

    def _features(self, levels: Sequence[Tensor], boxes: Sequence[Tensor], side: int) -> Tensor:
        maps = levels[: len(REGION_STRIDES)]
        return region_features(maps, boxes, REGION_STRIDES, side, finest=self.settings.finest)

    # Training.

    def detection_losses(
        self,
        levels: Sequence[Tensor],
        frames: Sequence[Frame],
        truths: Sequence[Truth],
        labels: Tensor | None = None,
        permutation: Permutation = torch.randperm,
        ignored: Sequence[Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Every loss by its published name, and accuracies.

        Args:
            levels: Of the neck.
            frames: Of each image.
            truths: Of each image.
            labels: int64 [B, h, w] at stride 8, for a head that learns from them.
            permutation: Where the order of the sampling comes from.
            ignored: [M, 4] regions of each image; without effect as published.
        """
        settings = self.settings
        predictions = self.proposals(levels)
        targets = self.proposals.targets(
            predictions.sizes,
            [truth.boxes for truth in truths],
            frames,
            settings.proposal_training,
            permutation,
            ignored,
        )
        losses = self.proposals.losses(predictions, targets, settings.proposal_training.box_beta)
        proposals = self.proposals.propose(predictions, frames, settings.training_proposals)
        boxes = [part for part, _ in proposals]
        return losses | self.region_losses(levels, boxes, frames, truths, labels, permutation)

    def region_losses(
        self,
        levels: Sequence[Tensor],
        boxes: list[Tensor],
        frames: Sequence[Frame],
        truths: Sequence[Truth],
        labels: Tensor | None = None,
        permutation: Permutation = torch.randperm,
    ) -> dict[str, Tensor]:
        """The losses of all stages; arguments as in ``detection_losses``, boxes [N, 4] of each image to start from."""
        context = self.context(levels)
        losses: dict[str, Tensor] = {}
        last = len(self.box_stages) - 1
        for stage, head in enumerate(self.box_stages):
            samples = self._sampled(stage, boxes, truths, permutation)
            regions = self.box_features(levels, [image.boxes for image in samples], context)
            logits, offsets = head(regions)
            found = head.losses(logits, offsets, head.targets(samples))
            if stage < last or self.mixes_masks_after_boxes:
                boxes = head.refined_samples(samples, logits, offsets, frames)
            if self.mask_stages:
                if self.mixes_masks_after_boxes:
                    samples = self._sampled(stage, boxes, truths, permutation)
                found["loss_mask"] = self._mask_loss(stage, levels, samples, truths, context)
            weight, prefix = self.settings.regions[stage].weight, f"s{stage}." if last else ""
            losses |= {
                prefix + name: weight * value if name.startswith("loss") else value
                for name, value in found.items()
            }
        return losses

    @torch.no_grad()
    def _sampled(
        self, stage: int, boxes: Sequence[Tensor], truths: Sequence[Truth], permutation: Permutation
    ) -> list[Samples]:
        training = self.settings.regions[stage]
        return [
            training.sampler(
                training.assigner(part, truth.boxes, truth.classes),
                part,
                truth.boxes,
                truth.classes,
                permutation,
            )
            for part, truth in zip(boxes, truths, strict=True)
        ]

    def _mask_loss(
        self,
        stage: int,
        levels: Sequence[Tensor],
        samples: Sequence[Samples],
        truths: Sequence[Truth],
        context: Tensor | None,
    ) -> Tensor:
        boxes = [image.positive_boxes for image in samples]
        regions = self.mask_features(levels, boxes, context)
        if not len(regions):
            # Zero, but every parameter gets its (zero) gradient: all processes need the same ones.
            used = [weight for head in self.mask_stages[: stage + 1] for weight in head.parameters()]
            return regions.sum() + sum(weight.sum() * 0 for weight in used)
        masks = [truth.required_masks() for truth in truths]
        logits = self.mask_logits(stage, regions)
        wanted = mask_targets(boxes, [image.truth_indices for image in samples], masks, logits.shape[-1])
        return mask_loss(logits, wanted, torch.cat([image.classes for image in samples]))

    # Answers.

    @torch.no_grad()
    def detect(
        self, levels: Sequence[Tensor], frames: Sequence[Frame], factors: Sequence[Tensor] | None = None
    ) -> list[Detections]:
        """The objects of each image, best first.

        Args:
            levels: Of the neck.
            frames: Of each image.
            factors: [4] of each image, by which boxes are divided before any is suppressed: how much the image was
                enlarged in width, height, width, height. None: boxes stay in pixels of the batch.
        """
        context, limits = self.context(levels), self.settings.limits
        boxes, classes, scores = [], [], []
        scored = self.scored_boxes(levels, frames, context)
        for index, (image_boxes, image_scores) in enumerate(scored):
            if factors is not None:
                sides = image_boxes.unflatten(1, (image_boxes.shape[1] // 4, 4))
                image_boxes = (sides / factors[index].to(sides)).flatten(1)
            found = select_detections(
                image_boxes, image_scores, limits.least_score, limits.suppression, limits.count
            )
            boxes.append(found[0])
            scores.append(found[1])
            classes.append(found[2])
        masks: Sequence[Tensor | None] = [None] * len(boxes)
        if self.mask_stages:
            regions = boxes
            if factors is not None:
                regions = [part * factor.to(part) for part, factor in zip(boxes, factors, strict=True)]
            masks = self.masks_of(levels, regions, classes, context)
        return list(map(Detections, boxes, classes, scores, masks))

    @torch.no_grad()
    def scored_boxes(
        self,
        levels: Sequence[Tensor],
        frames: Sequence[Frame],
        context: Tensor | None,
        proposals: Sequence[Tensor] | None = None,
    ) -> list[tuple[Tensor, Tensor]]:
        """What the stages make of the proposals, before any is suppressed.

        Args:
            levels: Of the neck.
            frames: Of each image.
            context: See ``context``.
            proposals: [N, 4] of each image; None: the head's own.

        Returns:
            For each image boxes [N, 4] or [N, 4 K] of the last stage, clipped to the image, and the probabilities
            [N, K + 1] of the averaged logits of all stages.
        """
        if proposals is None:
            found = self.proposals.propose(self.proposals(levels), frames, self.settings.proposals)
            proposals = [part for part, _ in found]
        boxes, counts = list(proposals), [len(part) for part in proposals]
        logits: list[Tensor] = []
        for stage, head in enumerate(self.box_stages):
            stage_logits, offsets = head(self.box_features(levels, boxes, context))
            logits.append(stage_logits)
            parts = offsets.split(counts)
            if stage < len(self.box_stages) - 1:
                best = stage_logits[:, :-1].argmax(1).split(counts)
                boxes = [
                    head.refined(part, own, part_offsets, frame.size)
                    for part, own, part_offsets, frame in zip(boxes, best, parts, frames, strict=True)
                ]
            else:
                boxes = [
                    head.decoded(part, part_offsets, frame.size)
                    for part, part_offsets, frame in zip(boxes, parts, frames, strict=True)
                ]
        probabilities = torch.stack(logits).mean(0).softmax(1)
        return list(zip(boxes, probabilities.split(counts), strict=True))

    @torch.no_grad()
    def masks_of(
        self,
        levels: Sequence[Tensor],
        boxes: Sequence[Tensor],
        classes: Sequence[Tensor],
        context: Tensor | None,
    ) -> list[Tensor]:
        """The masks inside boxes, the mean of all stages.

        Args:
            levels: Of the neck.
            boxes: [N_b, 4] of each image, xyxy in pixels of the batch.
            classes: int64 [N_b] of each image.
            context: See ``context``.

        Returns:
            Of each image [N_b, 28, 28], 0..1.
        """
        counts, own = [len(part) for part in boxes], torch.cat(list(classes))
        if not len(own):
            side = 2 * MASK_SIDE
            return [part.new_zeros(0, side, side) for part in boxes]
        regions = self.mask_features(levels, boxes, context)
        rows = torch.arange(len(own), device=own.device)
        probabilities = [logits[rows, own].sigmoid() for logits in self.all_mask_logits(regions)]
        return list(torch.stack(probabilities).mean(0).split(counts))

    # What every head promises.

    def find(self, pyramid: Sequence[Tensor], area: tuple[int, int]) -> list[Detections]:
        """See ``Head.find``."""
        levels = self.neck(pyramid)
        frame = Frame(area, covered(pyramid))
        return self.detect(levels, [frame] * len(levels[0]))

    def configure_loss(
        self, training: TrainingConfig, class_weights: Sequence[float] | None, ignore_index: int
    ) -> None:
        """Nothing to take over: its losses weigh regions, by ``TwoStageSettings``."""

    def count(self, targets: Targets) -> None:
        """Nothing: losses are means over the regions that are sampled, about as many in every batch."""
        return

    def loss(
        self, pyramid: Sequence[Tensor], targets: Targets, divisor: float | None = None
    ) -> dict[str, Tensor]:
        """What training minimizes, by its published names; those of the proposals are sums over the levels.

        Crowds take no part, as published.

        Args:
            pyramid: See ``Head.forward``.
            targets: Objects, with masks where the head makes masks; labels, where it learns from them.
            divisor: Has no effect.

        Raises:
            InputError: There are no objects, no masks, or classes are outside of the head's.
            LossNotFinite: Predictions hold NaN or infinity.
        """
        truths = truths_of(targets, self.num_classes, bool(self.mask_stages))
        if not all(maps.isfinite().all() for maps in pyramid):
            raise LossNotFinite("the backbone's maps hold NaN or infinity; lower the learning rate")
        frame = Frame(targets.area, targets.area)
        losses = self.detection_losses(
            self.neck(pyramid), [frame] * len(truths), truths, self.labels_of(targets)
        )
        summed = {name: value for name, value in losses.items() if not name.startswith("loss_rpn")}
        for kind in ("loss_rpn_cls", "loss_rpn_bbox"):
            levels = [value for name, value in losses.items() if name.startswith(kind)]
            summed[kind] = torch.stack(levels).sum()
        return summed

    def labels_of(self, targets: Targets) -> Tensor | None:
        """Labels at stride 8 for a head that learns from them."""
        return None


def covered(pyramid: Sequence[Tensor]) -> tuple[int, int]:
    """(height, width) in pixels of what a pyramid covers, whose finest map has stride 4."""
    height, width = pyramid[0].shape[-2:]
    return REGION_STRIDES[0] * height, REGION_STRIDES[0] * width


def truths_of(targets: Targets, num_classes: int, with_masks: bool) -> list[Truth]:
    """The objects of each image, without crowds; masks cover the whole area.

    Raises:
        InputError: There are no objects or no masks, or a class is outside of 0..K-1.
    """
    truths = []
    for objects in targets.required_objects():
        kept = torch.ones_like(objects.classes, dtype=torch.bool) if objects.crowd is None else ~objects.crowd
        classes = objects.classes[kept]
        if len(classes) and not 0 <= int(classes.min()) <= int(classes.max()) < num_classes:
            raise InputError(
                f"objects have classes {int(classes.min())}..{int(classes.max())}, expected 0..{num_classes - 1}"
            )
        masks = None
        if with_masks:
            if objects.masks is None:
                raise InputError(
                    "this head learns masks, and the objects have boxes alone; give masks, or switch them off "
                    "(--model.head.masks false)"
                )
            masks = objects.masks[kept]
            margin = targets.area[0] - masks.shape[-2], targets.area[1] - masks.shape[-1]
            masks = F.pad(masks, (0, margin[1], 0, margin[0]))
        truths.append(Truth(objects.boxes[kept].float(), classes, masks))
    return truths
