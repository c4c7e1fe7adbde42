"""Two-stage heads from their settings: the published forms, in the sizes that are asked for."""

from collections.abc import Sequence

from torch import nn

from vit_adapter.config import InputError
from vit_adapter.config.two_stage_head import (
    BoxLossName,
    CascadeConfig,
    HTCConfig,
    MaskRCNNConfig,
    OptionalNorm,
    TwoStageConfig,
)

from .box_coding import BoxCoding
from .box_head import BoxHead, BoxLoss
from .box_sampler import BoxSampler
from .cascade import CascadeHead
from .conv_block import NO_NORM, BlockNorm
from .extra_attention import ExtraAttention
from .fpn import FPN, ChannelMapper
from .htc import HTCHead
from .mask_head import MaskHead
from .mask_rcnn import MaskRCNNHead
from .overlap_assigner import OverlapAssigner
from .proposals import Anchors, ProposalHead, ProposalLimits, ProposalTraining
from .semantic_head import SemanticHead
from .soft_suppression import Decay
from .suppression import Suppression
from .two_stage import TwoStageHead
from .two_stage_settings import DetectionLimits, RegionTraining, TwoStageSettings

STAGE_DEVIATIONS = ((0.1, 0.1, 0.2, 0.2), (0.05, 0.05, 0.1, 0.1), (0.033, 0.033, 0.067, 0.067))
STAGE_OVERLAPS, STAGE_WEIGHTS = (0.5, 0.6, 0.7), (1.0, 0.5, 0.25)
"""Of the three stages of a cascade: deviations of the offsets, overlap of a positive, weight of the losses."""
LOSSES: dict[BoxLossName, BoxLoss] = {
    "l1": BoxLoss("smooth_l1", 0.0),
    "smooth_l1": BoxLoss("smooth_l1", 1.0),
    "giou": BoxLoss("giou", weight=10.0),
}


def build_two_stage(config: TwoStageConfig, channels: Sequence[int], num_classes: int) -> TwoStageHead:
    """The head that settings describe.

    Args:
        config: Its settings.
        channels: Widths of the backbone's four maps, fine to coarse.
        num_classes: Number of classes.

    Raises:
        InputError: Sizes do not fit each other.
    """
    if isinstance(config, MaskRCNNConfig):
        return _mask_rcnn(config, channels, num_classes)
    if isinstance(config, CascadeConfig):
        return _cascade(config, channels, num_classes)
    return _htc(config, channels, num_classes)


def _mask_rcnn(config: MaskRCNNConfig, channels: Sequence[int], num_classes: int) -> MaskRCNNHead:
    width, norm = config.channels, _norm(config.region_norm)
    neck = FPN(channels, width, norm=_norm(config.neck_norm))
    if config.neck == "channel_mapper":
        if config.neck_norm != "none":
            raise InputError(
                f"--model.head.neck_norm is {config.neck_norm!r}: a channel_mapper has no norm, expected 'none'"
            )
        neck = ChannelMapper(channels, width)
    box_head = BoxHead(
        width,
        num_classes,
        config.box_convolutions,
        config.box_layers,
        channels=width,
        width=config.box_width,
        norm=norm,
        loss=LOSSES["l1"],
    )
    mask_head = MaskHead(width, num_classes, width, norm=norm) if config.masks else None
    proposals = _proposals(config, config.proposal_convolutions)
    regions = RegionTraining(OverlapAssigner(0.5, 0.5, 0.5), _region_sampler(config))
    settings = _settings(config, ProposalTraining(sampler=_proposal_sampler(config)), (regions,))
    return MaskRCNNHead(neck, proposals, box_head, mask_head, settings)


def _cascade(config: CascadeConfig, channels: Sequence[int], num_classes: int) -> CascadeHead:
    width = config.channels
    box_heads = [
        BoxHead(
            width,
            num_classes,
            config.box_convolutions,
            config.box_layers,
            channels=width,
            width=config.box_width,
            class_agnostic=config.class_agnostic,
            norm=_norm(config.box_norm),
            coding=BoxCoding(deviations),
            loss=LOSSES[config.box_loss],
        )
        for deviations in STAGE_DEVIATIONS
    ]
    mask_heads = [MaskHead(width, num_classes, width) for _ in STAGE_DEVIATIONS] if config.masks else []
    settings = _settings(
        config, _cascade_proposals(config), _stages(_region_sampler(config), low_quality=False)
    )
    return CascadeHead(FPN(channels, width), _proposals(config), box_heads, mask_heads, settings)


def _htc(config: HTCConfig, channels: Sequence[int], num_classes: int) -> HTCHead:
    width = config.channels
    neck: nn.Module = FPN(channels, width, norm=_norm(config.neck_norm))
    if config.attention_heads:
        if channels[-1] % config.attention_heads:
            raise InputError(
                f"--model.head.attention_heads is {config.attention_heads}: expected a divisor of the backbone's "
                f"width {channels[-1]}, or 0"
            )
        attention = ExtraAttention(channels[-1], config.attention_heads, drop_path=config.attention_drop_path)
        neck = nn.Sequential(attention, neck)
    box_heads = [
        BoxHead(
            width,
            num_classes,
            4,
            1,
            channels=width,
            width=config.box_width,
            class_agnostic=True,
            norm=_norm(config.box_norm),
            coding=BoxCoding(deviations),
            loss=LOSSES[config.box_loss],
        )
        for deviations in STAGE_DEVIATIONS
    ]
    mask_heads = [
        MaskHead(width, num_classes, width, takes_features=stage > 0) for stage in range(len(box_heads))
    ]
    semantic = None
    if config.semantic_classes is not None:
        semantic = SemanticHead(width, config.semantic_classes, width)
    settings = _settings(
        config,
        _cascade_proposals(config),
        _stages(_region_sampler(config), low_quality=True),
        Decay() if config.soft_suppression else None,
    )
    return HTCHead(neck, _proposals(config), box_heads, mask_heads, settings, semantic)


def _norm(kind: OptionalNorm) -> BlockNorm:
    return NO_NORM if kind == "none" else BlockNorm(kind)


def _proposals(config: TwoStageConfig, convolutions: int = 1) -> ProposalHead:
    anchors = Anchors(scale=config.anchor_scale)
    return ProposalHead(config.channels, config.channels, convolutions, anchors)


def _proposal_sampler(config: TwoStageConfig) -> BoxSampler:
    return BoxSampler(config.proposal_samples, 0.5)


def _region_sampler(config: TwoStageConfig) -> BoxSampler:
    return BoxSampler(config.region_samples, 0.25, add_truth=True)


def _cascade_proposals(config: TwoStageConfig) -> ProposalTraining:
    """Anchors that leave the image take no part, and the loss is quadratic for small errors."""
    return ProposalTraining(sampler=_proposal_sampler(config), border=0, box_beta=1 / 9)


def _stages(sampler: BoxSampler, low_quality: bool) -> tuple[RegionTraining, ...]:
    return tuple(
        RegionTraining(OverlapAssigner(overlap, overlap, overlap, low_quality), sampler, weight)
        for overlap, weight in zip(STAGE_OVERLAPS, STAGE_WEIGHTS, strict=True)
    )


def _settings(
    config: TwoStageConfig,
    proposal_training: ProposalTraining,
    regions: tuple[RegionTraining, ...],
    decay: Decay | None = None,
) -> TwoStageSettings:
    return TwoStageSettings(
        proposal_training,
        ProposalLimits(2000, config.training_proposals),
        ProposalLimits(1000, config.proposals),
        regions,
        DetectionLimits(config.least_score, Suppression(config.overlap, decay=decay), config.detections),
    )
