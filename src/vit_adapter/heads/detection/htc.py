"""Hybrid task cascade (Chen et al., CVPR 2019), which with extra attention before its neck is HTC++."""

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_adapter.config import InputError

from ..frame import Frame
from ..head import Objects, Targets
from .box_head import BoxHead
from .box_sampler import Permutation
from .cascade import CascadeHead
from .mask_head import MaskHead
from .proposals import ProposalHead
from .region_features import region_features
from .region_stages import BOX_SIDE, MASK_SIDE
from .semantic_head import SemanticHead
from .two_stage_settings import TwoStageSettings

SEMANTIC_STRIDE = 8


class HTCHead(CascadeHead):
    """A cascade whose masks learn from moved boxes and pass features on, with a view of the whole image.

    Behaviour 153.

    Args:
        neck: From the backbone's maps to the levels.
        proposals: Where objects may be.
        box_heads: Of each stage.
        mask_heads: Of each stage; all but the first take features of the one before.
        settings: How it learns and answers; ``regions`` has an entry for each stage.
        semantic_head: What the whole image shows; None: regions stand alone.
    """

    mixes_masks_after_boxes: ClassVar[bool] = True

    def __init__(
        self,
        neck: nn.Module,
        proposals: ProposalHead,
        box_heads: Sequence[BoxHead],
        mask_heads: Sequence[MaskHead],
        settings: TwoStageSettings,
        semantic_head: SemanticHead | None = None,
    ) -> None:
        super().__init__(neck, proposals, box_heads, mask_heads, settings)
        self.semantic_head = semantic_head

    def context(self, levels: Sequence[Tensor]) -> Tensor | None:
        return None if self.semantic_head is None else self.semantic_head(levels)[1]

    def region_losses(
        self,
        levels: Sequence[Tensor],
        boxes: list[Tensor],
        frames: Sequence[Frame],
        truths: Sequence[Objects],
        labels: Tensor | None = None,
        permutation: Permutation = torch.randperm,
    ) -> dict[str, Tensor]:
        losses = super().region_losses(levels, boxes, frames, truths, labels, permutation)
        if self.semantic_head is not None:
            assert labels is not None
            losses["loss_semantic_seg"] = self.semantic_head.loss(self.semantic_head(levels)[0], labels)
        return losses

    def box_features(
        self, levels: Sequence[Tensor], boxes: Sequence[Tensor], context: Tensor | None
    ) -> Tensor:
        regions = super().box_features(levels, boxes, context)
        if context is None:
            return regions
        return regions + F.adaptive_avg_pool2d(_of_image(context, boxes), BOX_SIDE)

    def mask_features(
        self, levels: Sequence[Tensor], boxes: Sequence[Tensor], context: Tensor | None
    ) -> Tensor:
        regions = super().mask_features(levels, boxes, context)
        return regions if context is None else regions + _of_image(context, boxes)

    def mask_logits(self, stage: int, regions: Tensor) -> Tensor:
        # The heads before run on this stage's regions, without their logits.
        before = None
        for head in self.mask_stages[:stage]:
            before = head.features(regions, before)
        return self.mask_stages[stage](regions, before)

    def all_mask_logits(self, regions: Tensor) -> list[Tensor]:
        logits, before = [], None
        for head in self.mask_stages:
            before = head.features(regions, before)
            logits.append(head.logits(before))
        return logits

    def labels_of(self, targets: Targets) -> Tensor | None:
        if self.semantic_head is None:
            return None
        labels = targets.required_labels().long()
        ignored = self.semantic_head.ignore_index
        labels = torch.where(labels == targets.ignore_index, labels.new_tensor(ignored), labels)
        classes = self.semantic_head.classifier.out_channels
        if ((labels >= classes) & (labels != ignored)).any():
            raise InputError(f"labels hold {int(labels.max())}, the semantic branch has {classes} classes")
        margin = targets.area[0] - labels.shape[1], targets.area[1] - labels.shape[2]
        labels = F.pad(labels, (0, margin[1], 0, margin[0]), value=ignored)
        return labels[:, ::SEMANTIC_STRIDE, ::SEMANTIC_STRIDE]


def _of_image(context: Tensor, boxes: Sequence[Tensor]) -> Tensor:
    """[B, C, h, w] and boxes [N_b, 4] of each image -> [N, C, 14, 14]."""
    return region_features([context], boxes, [SEMANTIC_STRIDE], MASK_SIDE)
