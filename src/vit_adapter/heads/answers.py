"""What heads answer: queries, boxes, candidates for boxes, and what they are elsewhere."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Queries:
    """What a head says that finds masks, each with a class, by a fixed number Q of queries.

    Attributes:
        classes: Class logits [B, Q, K + 1]; the last column is "no object".
        masks: Mask logits [B, Q, h, w] of any stride, over the whole area that the pyramid covers.
    """

    classes: Tensor
    masks: Tensor


@dataclass(frozen=True)
class Detections:
    """What a head says of one image that finds boxes; already thinned out, best first.

    Attributes:
        boxes: float [N, 4]: left, top, right, bottom in pixels of the image, ends exclusive.
        classes: int64 [N], 0..K-1.
        scores: float [N], 0..1.
        masks: float [N, m, m], 0..1: the mask inside each box, which is stretched over it; None: boxes only.
    """

    boxes: Tensor
    classes: Tensor
    scores: Tensor
    masks: Tensor | None = None


@dataclass(frozen=True)
class Candidates:
    """Every box that a head considers in a batch, before any is chosen: as many for every image of one size.

    Attributes:
        boxes: float [B, N, 4]: left, top, right, bottom in pixels of what the pyramid covers, clipped to the image.
        scores: float [B, N, K], 0..1.
        centerness: float [B, N], 0..1, which scores are multiplied by once candidates are chosen; None: nothing.
    """

    boxes: Tensor
    scores: Tensor
    centerness: Tensor | None = None


@dataclass(frozen=True)
class TransformersForm:
    """A head as Hugging Face's ``transformers`` has it, as plain data: nothing here needs that package.

    Attributes:
        settings: Arguments of its configuration; backbone and classes come from elsewhere.
        state: The weights under its names.
    """

    settings: dict[str, Any]
    state: dict[str, Tensor]
