"""What the stages of a two-stage detector see of regions, and what they make of them."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from vit_adapter.config import TaskName

from ..frame import Frame
from ..head import Head
from .box_head import BoxHead
from .mask_head import MaskHead
from .proposals import ProposalHead
from .region_features import region_features
from .two_stage_settings import TwoStageSettings

BOX_SIDE, MASK_SIDE = 7, 14
"""Sides of the region features that box heads and mask heads read."""
REGION_STRIDES = (4, 8, 16, 32)
"""Levels that regions are read from; coarser ones serve the proposals alone."""


class RegionStages(Head):
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

    # What the stages make of regions.

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
