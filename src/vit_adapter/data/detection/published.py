"""The training transforms of the published detection recipes."""

from vit_adapter.config import Normalization, PipelineName

from .steps import (
    CropWithin,
    DropSmallObjects,
    FlipOrNot,
    Normalize,
    OneOf,
    Pad,
    ReduceLabels,
    ResizeByFactor,
    ResizeToOne,
    ResizeWithin,
    Step,
)

LONG = 1333
"""Limit of the long side, but for HTC++ and large-scale jitter."""
SHORT_SIDES = tuple(range(480, 801, 32))
JITTER = 1024
"""Side of the images of large-scale jitter."""


def training_steps(name: PipelineName, normalization: Normalization) -> tuple[Step, ...]:
    """The transforms of a published recipe, in order (behaviour 133).

    Args:
        name: "1x": one size. "3x": sizes from 480 to 800, half of the time after a crop. "htc": sizes from 400 to 1400,
            with labels of every pixel at an eighth of the size. "objects365": the same, from 600 to 1600. "lsj":
            large-scale jitter. "panoptic": as "3x", without its last crop.
        normalization: Mean and deviation of the model.
    """
    finish = (Normalize(normalization), Pad())
    if name == "1x":
        return ResizeToOne(((LONG, 800),)), FlipOrNot(), *finish
    if name in ("htc", "objects365"):
        long, short = (1600, (400, 1400)) if name == "htc" else (2000, (600, 1600))
        return ResizeWithin((long, long), short), FlipOrNot(), *finish, ReduceLabels()
    if name == "lsj":
        return (
            ResizeByFactor((JITTER, JITTER), (0.1, 2.0)),
            CropWithin(JITTER, JITTER, boxes_from_masks=True),
            DropSmallObjects(),
            FlipOrNot(),
            Normalize(normalization),
            Pad(size=(JITTER, JITTER)),
        )
    size = ResizeToOne(tuple((short, LONG) for short in SHORT_SIDES))
    closer = (ResizeToOne(tuple((short, LONG) for short in (400, 500, 600))), CropWithin(384, 600), size)
    policies = OneOf(((size,), closer))
    last = () if name == "panoptic" else (CropWithin(1024, 1024),)
    return FlipOrNot(), policies, *last, *finish
