"""A head from its settings."""

from collections.abc import Sequence

from vit_adapter.config import ModelConfig

from .fcn import FCNHead
from .head import Head
from .mask2former import Mask2FormerHead
from .uper import UPerHead

HEADS: dict[str, type[Head]] = {"upernet": UPerHead, "fcn": FCNHead, "mask2former": Mask2FormerHead}
"""Every head by the name that ``ModelConfig.head`` has for it."""


CLASS_LAYERS: dict[str, int] = {"auxiliary_head.classifier": 0} | {
    f"head.{layer}": head.extra_rows for head in HEADS.values() for layer in head.classifiers
}
"""Layers of a segmenter with one row a class, and the rows that each has behind those ("no object")."""


def build_head(config: ModelConfig, channels: Sequence[int], num_classes: int) -> Head:
    """The head that a configuration names.

    Args:
        config: The model's settings.
        channels: Widths of the pyramid's maps, fine to coarse.
        num_classes: Number of classes.

    Raises:
        InputError: Sizes do not fit each other.
    """
    if config.head == "mask2former":
        return Mask2FormerHead(channels, num_classes, config.mask2former)
    if config.head == "fcn":
        return FCNHead(
            channels[0], config.head_channels, num_classes, level=0, dropout=config.dropout, norm=config.norm
        )
    return UPerHead(
        channels, config.head_channels, num_classes, config.pool_scales, config.dropout, config.norm
    )


def build_auxiliary_head(config: ModelConfig, channels: Sequence[int], num_classes: int) -> Head | None:
    """The head on the stride-16 map that helps UperNet to train; None for other heads and where it is off."""
    if config.head != "upernet" or not config.auxiliary:
        return None
    return FCNHead(
        channels[2], config.auxiliary_channels, num_classes, dropout=config.dropout, norm=config.norm
    )
