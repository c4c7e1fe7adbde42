"""Heads that find boxes in one stage, or by learned proposals."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from .values import Checked, number


@dataclass(frozen=True)
class ATSSConfig(Checked):
    """ATSS: one anchor a cell, refined; boxes only.

    Attributes:
        kind: "atss".
        channels: Width of neck and towers.
        convolutions: Length of each tower.
        finest_stride: Pixels of a cell of the finest of the five levels, 8 as published or 4 for small objects.
        anchor_scale: Side of an anchor in strides of its level; smaller ones suit smaller objects.
    """

    section: ClassVar[str] = "model.head"
    title: ClassVar[str] = "ATSS"

    kind: Literal["atss"] = "atss"
    channels: int = number(256, at_least=1)
    convolutions: int = number(4, at_least=1)
    finest_stride: Literal[4, 8] = 8
    anchor_scale: float = number(8.0, above=0)


@dataclass(frozen=True)
class GFLConfig(Checked):
    """GFL: boxes as distributions of distances, scores that tell how well they fit; boxes only.

    Attributes:
        kind: "gfl".
        channels: Width of neck and towers.
        convolutions: Length of each tower.
        finest_stride: Pixels of a cell of the finest of the five levels, 8 as published or 4 for small objects.
        anchor_scale: Side of an anchor in strides of its level, by which objects are assigned to levels.
        largest: Largest distance from a cell's centre to a side of its box, in strides.
    """

    section: ClassVar[str] = "model.head"
    title: ClassVar[str] = "GFL"

    kind: Literal["gfl"] = "gfl"
    channels: int = number(256, at_least=1)
    convolutions: int = number(4, at_least=1)
    finest_stride: Literal[4, 8] = 8
    anchor_scale: float = number(8.0, above=0)
    largest: int = number(16, at_least=2)


@dataclass(frozen=True)
class SparseRCNNConfig(Checked):
    """Sparse R-CNN: learned proposals, refined stage by stage, without suppression; boxes only.

    Attributes:
        kind: "sparse_rcnn".
        channels: Width of neck, proposals and stages.
        proposals: Number of learned proposals.
        stages: Number of stages.
        heads: Attention heads of each stage.
        feedforward: Hidden width of each stage's feed-forward part.
        dynamic_channels: Width between the matrices of the dynamic convolution.
    """

    section: ClassVar[str] = "model.head"
    title: ClassVar[str] = "Sparse R-CNN"

    kind: Literal["sparse_rcnn"] = "sparse_rcnn"
    channels: int = number(256, at_least=1)
    proposals: int = number(300, at_least=1)
    stages: int = number(6, at_least=1, at_most=6)
    heads: int = number(8, at_least=1)
    feedforward: int = number(2048, at_least=1)
    dynamic_channels: int = number(64, at_least=1)
