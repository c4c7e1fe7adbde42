"""The published training transforms, each a function of its input and of explicit random draws.

``draws`` is a ``numpy.random.Generator``, or anything with its ``random``, ``uniform`` and ``integers``:
recorded draws can be replayed. Order and kind of the draws are those of the published code (behaviours 88 to 90).
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vit_adapter.annotations import Annotation, Window
from vit_adapter.config import AugmentationConfig, InputError, Normalization
from vit_adapter.images import fit_size, normalize, pad, resize_image, resize_labels, scaled_limits

from .geometry import Geometry, exchange
from .hsv import HUES, hsv_to_rgb, rgb_to_hsv

CROP_ATTEMPTS = 10  # windows that are checked; the next one is taken as it comes

Size = tuple[int, int]


class Draws(Protocol):
    """The part of ``numpy.random.Generator`` that the transforms use."""

    def random(self) -> float:
        """Uniform in [0, 1)."""
        ...

    def uniform(self, low: float, high: float) -> float:
        """Uniform in [low, high)."""
        ...

    def integers(self, low: int, high: int) -> int:
        """Whole number from low to high - 1."""
        ...


def check_augmentation(settings: AugmentationConfig) -> None:
    """Refuses settings that give no image.

    Raises:
        InputError: Names the setting, its value and what is expected.
    """
    low, high = settings.scale_range
    if low > high:
        raise InputError(
            f"--data.augmentation.scale_range {[low, high]}: expected two factors above 0, the smaller one first"
        )


@dataclass(frozen=True)
class RandomResize:
    """Draw a size: base size times a random factor, the image's ratio kept.

    Attributes:
        base_size: Two limits in pixels, the larger for the long side; None: the sides of the image itself.
        scale_range: Smallest and largest factor.
    """

    base_size: tuple[int, int] | None
    scale_range: tuple[float, float]

    def draw(self, draws: Draws, size: Size) -> Size:
        """(height, width) that an image of ``size`` is to be resized to."""
        low, high = self.scale_range
        factor = draws.random() * (high - low) + low
        return fit_size(size, scaled_limits(self.base_size or size, factor))


@dataclass(frozen=True)
class RandomCrop:
    """Draw a window in which no class fills more than its share.

    Attributes:
        size: (height, width) of the window; a side of the image that is smaller is taken whole.
        category_max_ratio: A window is drawn again while it has fewer than two classes, or one class fills this
            share of its valid pixels or more. Ten windows are checked, the eleventh is used as it is. 1: no
            check.
        ignore_index: Label of pixels that are not valid.
    """

    size: Size
    category_max_ratio: float
    ignore_index: int

    def draw(self, draws: Draws, labels: np.ndarray | None, size: Size | None = None) -> Window:
        """A window within ``labels`` [H, W]; two draws for each, rows first.

        Without labels nothing is checked, and ``size`` is the (height, width) that the window is drawn within.
        """
        shape = labels.shape if labels is not None else size
        assert shape is not None
        window = self._draw_window(draws, shape)
        if self.category_max_ratio >= 1 or labels is None:
            return window
        for _ in range(CROP_ATTEMPTS):
            if self._is_mixed(crop(labels, window)):
                break
            window = self._draw_window(draws, shape)
        return window

    def _draw_window(self, draws: Draws, shape: tuple[int, ...]) -> Window:
        height, width = min(self.size[0], shape[0]), min(self.size[1], shape[1])
        top = int(draws.integers(0, shape[0] - height + 1))
        left = int(draws.integers(0, shape[1] - width + 1))
        return Window(top, left, height, width)

    def _is_mixed(self, labels: np.ndarray) -> bool:
        counts = np.bincount(labels.ravel())
        counts[self.ignore_index : self.ignore_index + 1] = 0
        return bool(np.count_nonzero(counts) > 1 and counts.max() / counts.sum() < self.category_max_ratio)


def crop(array: np.ndarray, window: Window) -> np.ndarray:
    """The part of [H, W, ...] inside a window, as a view."""
    return array[window.slices]


def flip(array: np.ndarray, vertical: bool = False) -> np.ndarray:
    """Mirror image of [H, W, ...], left to right or upside down, as a view."""
    return array[::-1] if vertical else array[:, ::-1]


def draw_flip(draws: Draws, probability: float) -> bool:
    """Whether to mirror; one draw, also for the probabilities 0 and 1."""
    return bool(draws.random() < probability)


def distort_colours(image: np.ndarray, draws: Draws) -> np.ndarray:
    """Random brightness, contrast, saturation and hue, each with a probability of one half (behaviour 90).

    Contrast comes first or last at random. Every step ends in 8-bit integers, truncated.

    Args:
        image: uint8 [H, W, 3] RGB.
        draws: Four to nine draws.

    Returns:
        uint8 [H, W, 3] RGB.
    """
    if draws.integers(0, 2):
        image = _linear(image, 1, draws.uniform(-32, 32))
    contrast_first = draws.integers(0, 2) == 1
    if contrast_first:
        image = _distort_contrast(image, draws)
    if draws.integers(0, 2):
        hue, saturation, value = rgb_to_hsv(image)
        image = hsv_to_rgb(hue, _linear(saturation, draws.uniform(0.5, 1.5), 0), value)
    if draws.integers(0, 2):
        hue, saturation, value = rgb_to_hsv(image)
        shifted = (hue.astype(np.int32) + int(draws.integers(-18, 18))) % HUES
        image = hsv_to_rgb(shifted.astype(np.uint8), saturation, value)
    if not contrast_first:
        image = _distort_contrast(image, draws)
    return image


def _distort_contrast(image: np.ndarray, draws: Draws) -> np.ndarray:
    return _linear(image, draws.uniform(0.5, 1.5), 0) if draws.integers(0, 2) else image


def _linear(image: np.ndarray, factor: float, shift: float) -> np.ndarray:
    """Image times factor plus shift in float32, clipped to 0..255 and truncated: a table of the 256 byte values."""
    table = np.arange(256, dtype=np.float32) * np.float32(factor) + np.float32(shift)
    return np.clip(table, 0, 255).astype(np.uint8)[image]


@dataclass(frozen=True)
class TrainingTransform:
    """All of them in the published order: resize, crop, flip, colour, normalise, pad (behaviour 88).

    Attributes:
        augmentation: Which changes, and how strong.
        normalization: Mean and standard deviation of the model.
        ignore_index: Label of padding, and of pixels that are not valid.
        mirrored: Pairs of labels that a mirror image exchanges.
    """

    augmentation: AugmentationConfig
    normalization: Normalization
    ignore_index: int
    mirrored: tuple[tuple[int, int], ...] = ()

    def __call__(
        self, image: np.ndarray, annotation: Annotation, draws: Draws
    ) -> tuple[np.ndarray, Annotation]:
        """Transform a pair; objects change no draw.

        Args:
            image: [H, W, C] RGB or bands; colours are distorted only for uint8 with three channels.
            annotation: Labels [H, W], objects, or both.
            draws: Where the random numbers come from.

        Returns:
            float32 [crop, crop, C], 0 in the padding; labels [crop, crop] of the given dtype, ``ignore_index`` in
            the padding, and objects with masks of that size, see ``Geometry.instances``.
        """
        original: Size = (image.shape[0], image.shape[1])
        labels = annotation.labels
        settings = self.augmentation
        assert settings.crop is not None
        square = (settings.crop, settings.crop)
        size = RandomResize(settings.base_size, settings.scale_range).draw(draws, original)
        labels = None if labels is None else resize_labels(labels, size)
        window = RandomCrop(square, settings.category_max_ratio, self.ignore_index).draw(draws, labels, size)
        mirrored = draw_flip(draws, settings.flip)
        upside_down = settings.vertical_flip > 0 and draw_flip(draws, settings.vertical_flip)
        geometry = Geometry(original, size, window, mirrored, upside_down, square)
        # The window depends on the labels only, so no pixel outside it needs to be interpolated.
        image = resize_image(image, size, window)
        labels = None if labels is None else crop(labels, window)
        for happens, vertical in ((mirrored, False), (upside_down, True)):
            if happens:
                image = flip(image, vertical)
                labels = None if labels is None else exchange(flip(labels, vertical), self.mirrored)
        if settings.photometric and image.shape[2] == 3 and image.dtype == np.uint8:
            image = distort_colours(image, draws)
        objects = annotation.instances
        moved = Annotation(
            None if labels is None else pad(labels, square, self.ignore_index),
            None if objects is None else geometry.instances(objects, self.mirrored),
        )
        return pad(normalize(image, self.normalization), square, 0), moved
