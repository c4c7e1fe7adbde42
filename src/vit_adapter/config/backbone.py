"""What turns a ViT into a feature pyramid."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from .values import Checked, number

COARSEST_STRIDE = 32
"""Stride in pixels of the coarsest map of a pyramid: images are padded to multiples of it."""


@dataclass(frozen=True)
class AdapterConfig(Checked):
    """ViT-Adapter: a spatial prior beside the ViT, and interactions around its stages.

    Attributes:
        kind: "adapter".
        interaction_indexes: First and last ViT block (inclusive, from 0) of every interaction; None: the depth
            cut in four, longer stages first.
        injectors: False: the adapter reads the ViT's tokens and changes none (DINOv3's form).
        deform_heads: Heads of the deformable attention; None: as published for the width.
        deform_ratio: Width of the sampled values relative to the ViT's; None: as published for the width.
        deform_points: Sampling points per head and level.
        cffn_ratio: Hidden width of the extractors' convolutional feed-forward relative to the ViT's; None: none.
        conv_inplanes: Width of the spatial prior's stem.
        injector_init: Start value of the injectors' gamma.
        add_vit_feature: Add the ViT's own maps to the pyramid.
        vit_feature: Which of them: the map of each of the four "stages", fine to coarse (segmentation), or the "last"
            map on every level (detection), whatever the number of interactions.
        extra_extractors: Two further extractors in the last interaction.
        pyramid_gate: None: the pyramid is the norm of the sum of the adapter's maps and the ViT's, as published. A
            number: either is normalised by itself, and this is the start value of the weights of the norms over the
            adapter's part; at 0 training starts from the ViT alone. Without the ViT's maps it changes nothing.
    """

    section: ClassVar[str] = "model.backbone"

    kind: Literal["adapter"] = "adapter"
    interaction_indexes: list[tuple[int, int]] | None = number(None, at_least=0)
    injectors: bool = True
    deform_heads: int | None = number(None, at_least=1)
    deform_ratio: float | None = number(None, above=0)
    deform_points: int = number(4, at_least=1)
    cffn_ratio: float | None = number(0.25, above=0)
    conv_inplanes: int = number(64, at_least=1)
    injector_init: float = 0.0
    add_vit_feature: bool = True
    vit_feature: Literal["stages", "last"] = "stages"
    extra_extractors: bool = True
    pyramid_gate: float | None = None


@dataclass(frozen=True)
class PyramidConfig(Checked):
    """The ViT alone, its stage maps resampled.

    Attributes:
        kind: "pyramid".
    """

    section: ClassVar[str] = "model.backbone"

    kind: Literal["pyramid"] = "pyramid"


@dataclass(frozen=True)
class BeitPyramidConfig(Checked):
    """The published plain BEiT baseline: maps of single blocks, resampled by small convolutions.

    Attributes:
        kind: "beit_pyramid".
        out_indices: One to four blocks, from 0, whose outputs become the maps, finest first.
    """

    section: ClassVar[str] = "model.backbone"

    kind: Literal["beit_pyramid"] = "beit_pyramid"
    out_indices: tuple[int, ...] = number((7, 11, 15, 23), at_least=0)


@dataclass(frozen=True)
class BlockPyramidConfig(Checked):
    """The published plain ViT baseline of detection: normalised tokens of single blocks, resampled by convolutions.

    Attributes:
        kind: "block_pyramid".
        out_indices: Four blocks, from 0, whose outputs become the maps, finest first; or one, used for all four.
        residual_indices: Blocks after which a convolutional bottleneck follows (ViTDet's form).
    """

    section: ClassVar[str] = "model.backbone"

    kind: Literal["block_pyramid"] = "block_pyramid"
    out_indices: tuple[int, ...] = number((2, 5, 8, 11), at_least=0)
    residual_indices: tuple[int, ...] = number((), at_least=0)


BackboneConfig = AdapterConfig | PyramidConfig | BeitPyramidConfig | BlockPyramidConfig
