"""The single transforms; each one is a function of an image and of explicit random draws.

Order and kind of the draws are those of the published code. A step that gives None drops the image: the data set
takes another one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from vit_adapter.annotations import Window
from vit_adapter.config import Normalization
from vit_adapter.images import fit_size, multiple_size, normalize, resize_labels, scaled_limits

from .detection_image import DetectionImage, Direction, large

SMALLEST = 0.01
"""Objects of large-scale jitter whose box is not wider and higher than this go, in pixels."""


class DetectionDraws(Protocol):
    """The part of ``numpy.random.Generator`` that these transforms use."""

    def random(self) -> float:
        """Uniform in [0, 1)."""
        ...

    def uniform(self, low: float, high: float) -> float:
        """Uniform in [low, high)."""
        ...

    def integers(self, low: int, high: int) -> int:
        """Whole number from low to high - 1."""
        ...

    def choice(self, a: int, *, p: Sequence[float] | None = None) -> int:
        """Whole number from 0 to a - 1, with given probabilities."""
        ...


class Step(Protocol):
    """A transform."""

    def __call__(self, image: DetectionImage, draws: DetectionDraws) -> DetectionImage | None:
        """The image after it; None: it is dropped."""
        ...


@dataclass(frozen=True)
class ResizeToOne:
    """One of several sizes; a single one takes no draw.

    Attributes:
        limits: Each two numbers, the larger one for the long side and the smaller one for the short side.
    """

    limits: tuple[tuple[int, int], ...]

    def __call__(self, image: DetectionImage, draws: DetectionDraws) -> DetectionImage:
        several = len(self.limits) > 1
        limits = self.limits[int(draws.integers(0, len(self.limits)))] if several else self.limits[0]
        return image.resized(fit_size(image.size, limits))


@dataclass(frozen=True)
class ResizeWithin:
    """Limits drawn from ranges, both ends included (behaviour 134).

    Attributes:
        long: Of the limit of the long side; it is drawn first, also when both ends are equal.
        short: Of the limit of the short side.
    """

    long: tuple[int, int]
    short: tuple[int, int]

    def __call__(self, image: DetectionImage, draws: DetectionDraws) -> DetectionImage:
        long = int(draws.integers(self.long[0], self.long[1] + 1))
        short = int(draws.integers(self.short[0], self.short[1] + 1))
        return image.resized(fit_size(image.size, (long, short)))


@dataclass(frozen=True)
class ResizeByFactor:
    """Large-scale jitter: one size times a factor.

    Attributes:
        limits: Of the long and the short side, at a factor of 1.
        factors: Smallest and largest factor.
    """

    limits: tuple[int, int]
    factors: tuple[float, float]

    def __call__(self, image: DetectionImage, draws: DetectionDraws) -> DetectionImage:
        low, high = self.factors
        limits = scaled_limits(self.limits, draws.random() * (high - low) + low)
        return image.resized(fit_size(image.size, limits))


@dataclass(frozen=True)
class FlipOrNot:
    """A mirror image with some probability.

    Attributes:
        probability: Of it.
        direction: Which one.
    """

    probability: float = 0.5
    direction: Direction = "horizontal"

    def __call__(self, image: DetectionImage, draws: DetectionDraws) -> DetectionImage:
        mirrored = draws.choice(2, p=[self.probability, 1 - self.probability]) == 0
        return image.mirrored(self.direction) if mirrored else image


@dataclass(frozen=True)
class CropWithin:
    """A window whose sides are drawn from one range, and then its place (behaviour 132).

    Attributes:
        least: Smallest side; a side of the image that is smaller is taken whole.
        most: Largest side.
        boxes_from_masks: See ``DetectionImage.cropped``.
        keep_empty: Windows without any object are allowed; otherwise they drop the image.
    """

    least: int
    most: int
    boxes_from_masks: bool = False
    keep_empty: bool = True

    def __call__(self, image: DetectionImage, draws: DetectionDraws) -> DetectionImage | None:
        height, width = (
            int(draws.integers(min(side, self.least), min(side, self.most) + 1)) for side in image.size
        )
        top = int(draws.integers(0, image.size[0] - height + 1))
        left = int(draws.integers(0, image.size[1] - width + 1))
        result = image.cropped(Window(top, left, height, width), self.boxes_from_masks)
        return result if self.keep_empty or len(result.objects) else None


@dataclass(frozen=True)
class OneOf:
    """One of several series of steps, all equally likely."""

    policies: tuple[tuple[Step, ...], ...]

    def __call__(self, image: DetectionImage, draws: DetectionDraws) -> DetectionImage | None:
        return apply_steps(self.policies[int(draws.choice(len(self.policies)))], image, draws)


@dataclass(frozen=True)
class DropSmallObjects:
    """Objects with tiny boxes go; an image that loses all of them so is dropped, one that had none is not."""

    least: float = SMALLEST

    def __call__(self, image: DetectionImage, draws: DetectionDraws) -> DetectionImage | None:
        if not len(image.objects):
            return image
        kept = large(image.objects.boxes, self.least)
        return image.with_objects(kept) if kept.any() else None


@dataclass(frozen=True)
class Normalize:
    """Mean and deviation of the model; float32 from here on."""

    normalization: Normalization

    def __call__(self, image: DetectionImage, draws: DetectionDraws) -> DetectionImage:
        return replace(image, image=normalize(image.image, self.normalization))


@dataclass(frozen=True)
class Pad:
    """Padding at the right and the bottom.

    Attributes:
        multiple: To sides that are multiples of this; not with ``size``.
        size: To this (height, width).
    """

    multiple: int = 32
    size: tuple[int, int] | None = None

    def __call__(self, image: DetectionImage, draws: DetectionDraws) -> DetectionImage:
        return image.enlarged(self.size or multiple_size(image.size, self.multiple))


@dataclass(frozen=True)
class ReduceLabels:
    """The class of every pixel, in a smaller map (HTC++'s semantic branch)."""

    factor: float = 0.125

    def __call__(self, image: DetectionImage, draws: DetectionDraws) -> DetectionImage:
        if image.labels is None:
            return image
        height, width = (int(side * self.factor + 0.5) for side in image.labels.shape)
        return replace(image, labels=resize_labels(image.labels, (height, width)))


def apply_steps(steps: Sequence[Step], image: DetectionImage, draws: DetectionDraws) -> DetectionImage | None:
    """All steps in order; None as soon as one drops the image."""
    for step in steps:
        changed = step(image, draws)
        if changed is None:
            return None
        image = changed
    return image
