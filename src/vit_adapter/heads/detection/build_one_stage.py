"""ATSS, GFL and Sparse R-CNN from their settings."""

import math
from collections.abc import Sequence
from typing import Any

from vit_adapter.config import ATSSConfig, GFLConfig, InputError, SparseRCNNConfig

from ..head import Head
from .atss import ATSSHead
from .dense_detector import DenseDetector
from .fpn import FPN
from .gfl import GFLHead
from .learned_proposals import LearnedProposals
from .sparse_detector import SparseDetector
from .sparse_rcnn import SparseStages
from .sparse_stage import SparseStage

SIDE = 7
"""Side of the grid in which Sparse R-CNN reads a region."""


def build_one_stage(
    config: ATSSConfig | GFLConfig | SparseRCNNConfig, channels: Sequence[int], num_classes: int
) -> Head:
    """The head that settings describe.

    Args:
        config: Its settings.
        channels: Widths of the pyramid's maps at strides 4, 8, 16 and 32.
        num_classes: Number of classes.

    Raises:
        InputError: Sizes do not fit each other.
    """
    if isinstance(config, SparseRCNNConfig):
        if config.channels % config.heads:
            raise InputError(
                f"model.head.channels={config.channels} with model.head.heads={config.heads}: expected a multiple"
            )
        stages = [
            SparseStage(
                num_classes, config.channels, config.heads, config.feedforward, config.dynamic_channels, SIDE
            )
            for _ in range(config.stages)
        ]
        return SparseDetector(
            FPN(channels, config.channels, 4),
            LearnedProposals(config.proposals, config.channels),
            SparseStages(stages, side=SIDE),
            num_classes,
            config.proposals,
        )
    finest = config.finest_stride
    neck = FPN(channels, config.channels, 5, first=int(finest > 4), extra_convolutions=True)
    sizes = config.channels, num_classes, config.channels, config.convolutions
    options: dict[str, Any] = {
        "groups": _groups(config.channels),
        "strides": [finest * 2**level for level in range(5)],
        "anchor_scale": config.anchor_scale,
    }
    if isinstance(config, GFLConfig):
        return DenseDetector(neck, GFLHead(*sizes, largest=config.largest, **options))
    return DenseDetector(neck, ATSSHead(*sizes, **options))


def _groups(channels: int) -> int:
    """Of the towers' norms: 32 as published, fewer for few channels: one channel of one cell has no spread."""
    groups = math.gcd(32, channels)
    return groups if groups < channels else max(groups // 2, 1)
