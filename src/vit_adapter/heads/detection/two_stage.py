"""What Mask R-CNN, Cascade Mask R-CNN and HTC++ share: proposals, then regions in one or several stages."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from vit_adapter.config import TrainingConfig

from ..frame import Frame
from ..head import Detections, LossNotFinite, Objects, Targets
from ..views import JoiningRule, View
from .box_sampler import Permutation, Samples
from .class_suppression import select_detections
from .mask_head import mask_loss, mask_targets
from .proposals import Anchors
from .region_stages import RegionStages
from .truth import covered, truths_of
from .two_stage_views import SeenView, joined_detections


class TwoStageHead(RegionStages):
    """Stages of regions with all that trains them, and the detections that come of them; see ``RegionStages``."""

    joins_views: ClassVar[bool] = True

    @classmethod
    def finest_anchors(cls, settings: Any) -> tuple[int, float]:
        """See ``Head.finest_anchors``."""
        return Anchors().strides[0], settings.anchor_scale

    # Training.

    def detection_losses(
        self,
        levels: Sequence[Tensor],
        frames: Sequence[Frame],
        truths: Sequence[Objects],
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
        truths: Sequence[Objects],
        labels: Tensor | None = None,
        permutation: Permutation = torch.randperm,
    ) -> dict[str, Tensor]:
        """The losses of all stages; arguments as in ``detection_losses``, boxes [N, 4] of each image to start from.

        Behaviour 152.
        """
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
        self, stage: int, boxes: Sequence[Tensor], truths: Sequence[Objects], permutation: Permutation
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
        truths: Sequence[Objects],
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

    # What every head promises.

    def find(self, pyramid: Sequence[Tensor], area: tuple[int, int]) -> list[Detections]:
        """See ``Head.find``."""
        levels = self.neck(pyramid)
        frame = Frame(area, covered(pyramid))
        return self.detect(levels, [frame] * len(levels[0]))

    def find_in_views(
        self, pyramids: Iterable[Sequence[Tensor]], views: Sequence[View], rule: JoiningRule
    ) -> Detections:
        """See ``Head.find_in_views``."""
        seen = [
            SeenView(self.neck(maps), Frame(view.size, covered(maps)), view, rule.classes_in(view))
            for maps, view in zip(pyramids, views, strict=True)
        ]
        return joined_detections(self, seen, rule)

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
        losses = self.detection_losses(
            self.neck(pyramid), targets.places(len(truths)), truths, self.labels_of(targets)
        )
        summed = {name: value for name, value in losses.items() if not name.startswith("loss_rpn")}
        for kind in ("loss_rpn_cls", "loss_rpn_bbox"):
            levels = [value for name, value in losses.items() if name.startswith(kind)]
            summed[kind] = torch.stack(levels).sum()
        return summed

    def labels_of(self, targets: Targets) -> Tensor | None:
        """Labels at stride 8 for a head that learns from them."""
        return None
