"""A head from its settings."""

import math
from collections.abc import Sequence

from vit_adapter.config import (
    ATSSConfig,
    CascadeConfig,
    FCNConfig,
    GFLConfig,
    HeadConfig,
    HTCConfig,
    Mask2FormerConfig,
    MaskRCNNConfig,
    SparseRCNNConfig,
    UPerNetConfig,
)
from vit_adapter.ops import NormKind

from .detection.build_one_stage import build_one_stage
from .detection.build_two_stage import build_two_stage
from .detection.cascade import CascadeHead
from .detection.dense_detector import DenseDetector
from .detection.htc import HTCHead
from .detection.mask_rcnn import MaskRCNNHead
from .detection.sparse_detector import SparseDetector
from .fcn import FCNHead
from .head import Head
from .mask2former import Mask2FormerHead
from .uper import UPerHead

HEADS: dict[str, type[Head]] = {
    "upernet": UPerHead,
    "fcn": FCNHead,
    "mask2former": Mask2FormerHead,
    "atss": DenseDetector,
    "gfl": DenseDetector,
    "sparse_rcnn": SparseDetector,
    "mask_rcnn": MaskRCNNHead,
    "cascade_mask_rcnn": CascadeHead,
    "htc": HTCHead,
}
"""Every head by the ``kind`` of its settings."""


CLASS_LAYERS: dict[str, int] = {"auxiliary_head.classifier": 0} | {
    f"head.{layer}": head.extra_rows for head in HEADS.values() for layer in head.classifiers
}
"""Layers of a segmenter with one row per class, and the rows that each has after those ("no object")."""


def build_head(
    config: HeadConfig, channels: Sequence[int], num_classes: int, norm: NormKind = "batch"
) -> Head:
    """The head that settings describe.

    Args:
        config: Its settings.
        channels: Widths of the pyramid's maps, fine to coarse.
        num_classes: Number of classes.
        norm: "batch" or "group", where the head does not say.

    Raises:
        InputError: Sizes do not fit each other.
    """
    if isinstance(config, Mask2FormerConfig):
        return Mask2FormerHead(channels, num_classes, config)
    if isinstance(config, (ATSSConfig, GFLConfig, SparseRCNNConfig)):
        return build_one_stage(config, channels, num_classes)
    if isinstance(config, (MaskRCNNConfig, CascadeConfig, HTCConfig)):
        return build_two_stage(config, channels, num_classes)
    if isinstance(config, FCNConfig):
        return FCNHead(channels[0], config.channels, num_classes, 0, dropout=config.dropout, norm=norm)
    return UPerHead(channels, config.channels, num_classes, config.pool_scales, config.dropout, norm)


def maps_taken(config: HeadConfig) -> tuple[int, float]:
    """Smallest and largest number of maps that a head, with its auxiliary head, can be built on."""
    if not isinstance(config, (UPerNetConfig, FCNConfig)):
        return 4, 4
    return (3 if isinstance(config, UPerNetConfig) and config.auxiliary else 1), math.inf


def build_auxiliary_head(
    config: HeadConfig, channels: Sequence[int], num_classes: int, norm: NormKind = "batch"
) -> tuple[Head, float] | None:
    """The head on the stride-16 map that helps to train, and the weight of its loss; None where there is none."""
    if not isinstance(config, UPerNetConfig) or not config.auxiliary:
        return None
    head = FCNHead(channels[2], config.auxiliary_channels, num_classes, dropout=config.dropout, norm=norm)
    return head, config.auxiliary_weight
