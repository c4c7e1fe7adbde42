"""Heads that find objects in two stages: proposals, then regions."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from .values import Checked, number

BoxLossName = Literal["l1", "smooth_l1", "giou"]
OptionalNorm = Literal["none", "batch", "group"]


@dataclass(frozen=True)
class RegionConfig(Checked):
    """What all heads share that find objects in two stages.

    Attributes:
        channels: Width of neck, proposals, and convolutions on regions.
        anchor_scale: Side of the square anchor in strides of its level; smaller ones suit smaller objects.
        box_width: Width of the box heads' fully connected layers.
        training_proposals: Most proposals that regions learn from, of an image.
        proposals: Most proposals that regions answer for, of an image.
        proposal_samples: Anchors of an image in a loss.
        region_samples: Regions of an image and stage in a loss.
        least_score: Detections have a score above it, 0..1.
        overlap: Of two boxes of a class that overlap more (IoU, 0..1), the better one stays, or the other loses score.
        detections: Most detections of an image.
    """

    section: ClassVar[str] = "model.head"

    channels: int = number(256, at_least=1)
    anchor_scale: float = number(8.0, above=0)
    box_width: int = number(1024, at_least=1)
    training_proposals: int = number(2000, at_least=1)
    proposals: int = number(1000, at_least=1)
    proposal_samples: int = number(256, at_least=2)
    region_samples: int = number(512, at_least=2)
    least_score: float = number(0.05, at_least=0, below=1)
    overlap: float = number(0.5, at_least=0, at_most=1)
    detections: int = number(100, at_least=1)


@dataclass(frozen=True)
class MaskRCNNConfig(RegionConfig):
    """Mask R-CNN: proposals, their classes and boxes, and a mask inside each box.

    Attributes:
        kind: "mask_rcnn".
        neck: "fpn", or "channel_mapper": each map by itself.
        neck_norm: Of the neck's convolutions.
        proposal_convolutions: 3×3 convolutions of the proposals.
        box_convolutions: 3×3 convolutions of the box head.
        box_layers: Fully connected layers of the box head.
        region_norm: Of the convolutions on regions, in the box head and the mask head.
        masks: False: boxes alone (Faster R-CNN).
    """

    title: ClassVar[str] = "Mask R-CNN"

    kind: Literal["mask_rcnn"] = "mask_rcnn"
    neck: Literal["fpn", "channel_mapper"] = "fpn"
    neck_norm: OptionalNorm = "none"
    proposal_convolutions: int = number(1, at_least=1)
    box_convolutions: int = number(0, at_least=0)
    box_layers: int = number(2, at_least=1)
    region_norm: OptionalNorm = "none"
    masks: bool = True
    training_proposals: int = number(1000, at_least=1)


@dataclass(frozen=True)
class CascadeConfig(RegionConfig):
    """Cascade Mask R-CNN: three stages, each from the boxes of the one before.

    Attributes:
        kind: "cascade_mask_rcnn".
        box_convolutions: 3×3 convolutions of the box heads.
        box_layers: Fully connected layers of the box heads.
        box_norm: Of the convolutions of the box heads.
        box_loss: "giou" of the boxes (weight 10), or of their offsets.
        class_agnostic: One box for all classes instead of one for each.
        masks: False: boxes alone.
    """

    title: ClassVar[str] = "Cascade Mask R-CNN"

    kind: Literal["cascade_mask_rcnn"] = "cascade_mask_rcnn"
    box_convolutions: int = number(4, at_least=0)
    box_layers: int = number(1, at_least=1)
    box_norm: OptionalNorm = "batch"
    box_loss: BoxLossName = "giou"
    class_agnostic: bool = False
    masks: bool = True


@dataclass(frozen=True)
class HTCConfig(RegionConfig):
    """HTC++: a cascade whose masks learn from moved boxes, with attention over the coarsest map.

    Attributes:
        kind: "htc".
        neck_norm: Of the neck's convolutions.
        attention_heads: Of the attention before the neck; 0: no such part.
        attention_drop_path: Its stochastic depth, 0..1.
        box_norm: Of the convolutions of the box heads.
        box_loss: "smooth_l1" of the offsets, or "giou" of the boxes (weight 10).
        semantic_classes: Classes of the label maps that a branch for the whole image learns; None: no such branch.
        soft_suppression: False: it goes instead.
    """

    title: ClassVar[str] = "HTC++"

    kind: Literal["htc"] = "htc"
    neck_norm: OptionalNorm = "none"
    attention_heads: int = number(32, at_least=0)
    attention_drop_path: float = number(0.3, at_least=0, below=1)
    box_norm: OptionalNorm = "none"
    box_loss: BoxLossName = "smooth_l1"
    semantic_classes: int | None = number(None, at_least=1)
    least_score: float = number(0.001, at_least=0, below=1)
    soft_suppression: bool = True


def learns_masks(head: object) -> bool:
    """Whether a head finds objects in two stages and gives each box a mask."""
    return isinstance(head, HTCConfig) or (isinstance(head, MaskRCNNConfig | CascadeConfig) and head.masks)


TwoStageConfig = MaskRCNNConfig | CascadeConfig | HTCConfig
