"""Mask R-CNN (He et al., ICCV 2017): one stage; and without its mask head, Faster R-CNN."""

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from .box_head import BoxHead
from .mask_head import MaskHead
from .proposals import ProposalHead
from .two_stage import TwoStageHead
from .two_stage_settings import TwoStageSettings


class MaskRCNNHead(TwoStageHead):
    """Proposals, their classes and boxes, and the masks inside them.

    Args:
        neck: From the backbone's maps to the levels.
        proposals: Where objects may be.
        box_head: What a region shows and where it is.
        mask_head: Its mask; None: boxes alone.
        settings: How it learns and answers.
    """

    classifiers: ClassVar[tuple[str, ...]] = ("box_head.classifier",)

    def __init__(
        self,
        neck: nn.Module,
        proposals: ProposalHead,
        box_head: BoxHead,
        mask_head: MaskHead | None,
        settings: TwoStageSettings,
    ) -> None:
        super().__init__(neck, proposals, box_head.num_classes, settings)
        self.box_head, self.mask_head = box_head, mask_head
        self.answers_without_masks()

    @property
    def box_stages(self) -> Sequence[BoxHead]:
        return [self.box_head]

    @property
    def mask_stages(self) -> Sequence[MaskHead]:
        return [] if self.mask_head is None else [self.mask_head]
