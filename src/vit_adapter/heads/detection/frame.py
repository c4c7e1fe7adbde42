"""Where the images of a batch lie in it, and what they show."""

from dataclasses import dataclass

from torch import Tensor

Size = tuple[int, int]


@dataclass(frozen=True)
class Frame:
    """The place of one image in its batch: at the top left, padded twice.

    Attributes:
        size: (height, width) of the image itself; boxes are clipped to it.
        padded: (height, width) with the padding of its own, to a multiple of 32 as published. The batch may be
            larger still, where it holds a larger image; what lies beyond ``padded`` takes no part in training.
    """

    size: Size
    padded: Size


@dataclass(frozen=True)
class Truth:
    """The objects of one image.

    Attributes:
        boxes: [N, 4] xyxy in pixels of the batch.
        classes: int64 [N], 0..K-1.
        masks: [N, H, W] of 0 and 1, over the whole batch image; None: only boxes are known.
    """

    boxes: Tensor
    classes: Tensor
    masks: Tensor | None = None

    def required_masks(self) -> Tensor:
        """The masks, for a head that cannot do without."""
        assert self.masks is not None, "a mask head learns from masks"
        return self.masks


@dataclass(frozen=True)
class Detected:
    """What was found in one image.

    Attributes:
        boxes: [N, 4] xyxy in pixels.
        scores: [N], 0..1.
        classes: int64 [N].
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor
