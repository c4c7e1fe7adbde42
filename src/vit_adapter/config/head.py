"""Heads on a feature pyramid."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from .detection_head import ATSSConfig, GFLConfig, SparseRCNNConfig
from .two_stage_head import TwoStageConfig
from .values import Checked, number


@dataclass(frozen=True)
class UPerNetConfig(Checked):
    """UperNet, with an auxiliary FCN head that helps it to train.

    Attributes:
        kind: "upernet".
        channels: Width inside.
        pool_scales: Grid sides of the pyramid pooling.
        dropout: Channel dropout before the class scores, 0..1.
        auxiliary: An FCN head on the stride-16 map, in training only.
        auxiliary_channels: Its width.
        auxiliary_weight: Weight of its loss.
    """

    section: ClassVar[str] = "model.head"
    title: ClassVar[str] = "UperNet"

    kind: Literal["upernet"] = "upernet"
    channels: int = number(512, at_least=1)
    pool_scales: tuple[int, ...] = number((1, 2, 3, 6), at_least=1)
    dropout: float = number(0.1, at_least=0, below=1)
    auxiliary: bool = True
    auxiliary_channels: int = number(256, at_least=1)
    auxiliary_weight: float = number(0.4, at_least=0)


@dataclass(frozen=True)
class FCNConfig(Checked):
    """A convolution on the stride-4 map.

    Attributes:
        kind: "fcn".
        channels: Width inside.
        dropout: Channel dropout before the class scores, 0..1.
    """

    section: ClassVar[str] = "model.head"
    title: ClassVar[str] = "FCN"

    kind: Literal["fcn"] = "fcn"
    channels: int = number(512, at_least=1)
    dropout: float = number(0.1, at_least=0, below=1)


@dataclass(frozen=True)
class Mask2FormerConfig(Checked):
    """Mask2Former: queries that each have a class and a mask.

    Attributes:
        kind: "mask2former".
        queries: Number of object queries.
        channels: Width of pixel decoder, transformer decoder and mask features; a multiple of 32.
        heads: Attention heads of both decoders.
        encoder_layers: Deformable encoder layers of the pixel decoder.
        decoder_layers: Layers of the transformer decoder.
        encoder_feedforward: Hidden width of the pixel decoder's feed-forward part.
        decoder_feedforward: Hidden width of the transformer decoder's feed-forward part.
        matrix_init: Distribution in which the matrices of both decoders start, each within Xavier's bounds: "normal" as
            ViT-Adapter has it, "uniform" as DINOv3.
        float32_pixel_decoder: The pixel decoder runs without autocast, its reference points are float32 in every
            precision (DINOv3); otherwise both are as the rest.
        grad_checkpointing: Recompute the feed-forward parts in the backward pass; saves memory.
        loss_points: Points at which masks are compared in training; fewer are enough for small crops.
    """

    section: ClassVar[str] = "model.head"
    title: ClassVar[str] = "Mask2Former"

    kind: Literal["mask2former"] = "mask2former"
    queries: int = number(100, at_least=1)
    channels: int = number(256, at_least=1)
    heads: int = number(8, at_least=1)
    encoder_layers: int = number(6, at_least=1)
    decoder_layers: int = number(9, at_least=1)
    encoder_feedforward: int = number(1024, at_least=1)
    decoder_feedforward: int = number(2048, at_least=1)
    matrix_init: Literal["normal", "uniform"] = "normal"
    float32_pixel_decoder: bool = False
    grad_checkpointing: bool = False
    loss_points: int = number(112 * 112, at_least=4)


HeadConfig = (
    UPerNetConfig | FCNConfig | Mask2FormerConfig | ATSSConfig | GFLConfig | SparseRCNNConfig | TwoStageConfig
)
