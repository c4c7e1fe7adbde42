"""What goes in and out of a dense head, and its settings."""

from dataclasses import dataclass, field

from torch import Tensor

from .atss_assigner import ATSSAssigner
from .suppression import Suppression


@dataclass(frozen=True)
class DensePredictions:
    """Outputs of a dense head, one map for each level, fine to coarse.

    Attributes:
        classes: Logits [B, K, h, w].
        boxes: [B, 4 R, h, w]; what they mean is the head's.
        centerness: Logits [B, 1, h, w]; None where the head has none.
    """

    classes: list[Tensor]
    boxes: list[Tensor]
    centerness: list[Tensor] | None = None


@dataclass(frozen=True)
class DenseSettings:
    """How a dense head is trained.

    Attributes:
        assigner: Which anchors learn which box.
        class_weight: Weight of the class loss.
        box_weight: Weight of the GIoU loss.
        positive_weight: Weight of anchors with an object in the class loss; background has 1.
    """

    assigner: ATSSAssigner = field(default_factory=ATSSAssigner)
    class_weight: float = 1.0
    box_weight: float = 2.0
    positive_weight: float = 1.0


@dataclass(frozen=True)
class Selection:
    """Which predictions become results.

    Attributes:
        least_score: Class scores have to be above it, strictly.
        per_level: Most pairs of anchor and class taken from a level, the best ones.
        suppression: Which of overlapping boxes stays; None: all stay, level by level.
        count: Most results of an image.
    """

    least_score: float = 0.05
    per_level: int = 1000
    suppression: Suppression | None = field(default_factory=lambda: Suppression(0.6))
    count: int = 100


@dataclass(frozen=True)
class LevelTargets:
    """What the anchors of one level learn, for all images of a batch.

    Attributes:
        anchors: [A, 4] xyxy in pixels.
        stride: Of the level.
        classes: int64 [B, A]; K is background.
        weights: [B, A] weight in the class loss, 0 for anchors that take no part.
        boxes: [B, A, 4] xyxy in pixels, zeros for background.
    """

    anchors: Tensor
    stride: int
    classes: Tensor
    weights: Tensor
    boxes: Tensor


@dataclass(frozen=True)
class DenseTargets:
    """What a batch is to teach.

    Attributes:
        levels: By level.
        positives: Sum over the images of the number of anchors with an object, at least 1 for each image.
        negatives: The same for background.
    """

    levels: list[LevelTargets]
    positives: int
    negatives: int
