"""Where the images of a batch lie in it."""

from dataclasses import dataclass

Size = tuple[int, int]
Place = tuple[Size, Size]
"""The two sizes of a ``Frame``, as loaders pass them on."""


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
