"""Cascade Mask R-CNN (Cai and Vasconcelos, CVPR 2018): every stage starts from the boxes of the one before."""

from collections.abc import Sequence
from typing import ClassVar, cast

from torch import nn

from .box_head import BoxHead
from .mask_head import MaskHead
from .proposals import ProposalHead
from .two_stage import TwoStageHead
from .two_stage_settings import TwoStageSettings


class Refinement(nn.Module):
    """The box heads of a cascade.

    Args:
        stages: First to last, each with deviations of its own.
    """

    def __init__(self, stages: Sequence[BoxHead]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)


class CascadeHead(TwoStageHead):
    """Stages that ask for more and more overlap (behaviour 152).

    Args:
        neck: From the backbone's maps to the levels.
        proposals: Where objects may be.
        box_heads: Of each stage.
        mask_heads: Of each stage; empty: boxes alone.
        settings: How it learns and answers; ``regions`` has an entry for each stage.
    """

    classifiers: ClassVar[tuple[str, ...]] = tuple(
        f"refinement.stages.{stage}.classifier" for stage in range(3)
    )

    def __init__(
        self,
        neck: nn.Module,
        proposals: ProposalHead,
        box_heads: Sequence[BoxHead],
        mask_heads: Sequence[MaskHead],
        settings: TwoStageSettings,
    ) -> None:
        super().__init__(neck, proposals, box_heads[0].num_classes, settings)
        self.refinement, self.mask_heads = Refinement(box_heads), nn.ModuleList(mask_heads)
        self.answers_without_masks()

    @property
    def box_stages(self) -> Sequence[BoxHead]:
        return cast(Sequence[BoxHead], self.refinement.stages)

    @property
    def mask_stages(self) -> Sequence[MaskHead]:
        return cast(Sequence[MaskHead], self.mask_heads)
