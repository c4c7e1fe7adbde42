"""InstaBoost: objects are cut out, moved a little, and pasted where they were into a background without them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np
from PIL import Image, ImageEnhance

from vit_adapter.annotations import Boxes, Instances, boxes_of_masks, mask_outlines, polygons_run_lengths
from vit_adapter.config import InputError

from .detection_image import DetectionImage, Size
from .steps import DetectionDraws

BORDER = 10
"""Objects closer to a border than this, in pixels, are neither turned nor shrunk nor moved away from it."""
INPAINT_RADIUS = 5
COLOURS = ((ImageEnhance.Color, 0, 31), (ImageEnhance.Brightness, 10, 21), (ImageEnhance.Contrast, 10, 21))
COLOUR_STEPS = (*COLOURS, (ImageEnhance.Sharpness, 0, 31))
"""Changes of the whole image, with the tenths from and below which their factors are drawn."""


@dataclass(frozen=True)
class Move:
    """Where a group of objects goes: scaled and turned about its middle, then shifted.

    Attributes:
        scale: 1: as large as before.
        across: Shift to the right in pixels.
        down: Shift downwards in pixels.
        angle: In radians.
    """

    scale: float
    across: int
    down: int
    angle: float


@dataclass(frozen=True)
class InstaBoost:
    """Moves the objects of an image with some probability; comes before every other step (behaviour 122).

    Boxes become the smallest around the moved masks. Holes of masks are filled, since annotations are polygons.
    Labels of pixels and ignored regions stay.

    Attributes:
        probability: That anything happens at all.
        scales: Smallest and largest scale.
        shift: Objects move by at most one part in so many of their sides.
        degrees: Largest angle, in whole degrees.
        colour: Probability that the colours of the whole image change then.
    """

    probability: float = 0.5
    scales: tuple[float, float] = (0.8, 1.2)
    shift: int = 15
    degrees: int = 1
    colour: float = 0.5

    def __call__(self, image: DetectionImage, draws: DetectionDraws) -> DetectionImage:
        if not len(image.objects) or not _happens(draws, self.probability):
            return image
        assert isinstance(image.objects.masks, np.ndarray), "InstaBoost moves masks"
        masks = image.objects.masks
        owner = np.full(image.size, -1)  # of objects one above the other the later one is seen
        for number, mask in enumerate(masks):
            owner[mask] = number
        pixels = background(image.image, owner >= 0)
        order: list[int] = []
        moved: list[np.ndarray] = []
        for group in overlapping_groups(image.objects.boxes):
            window = _whole_pixels(image.objects.boxes[group])
            move = self._drawn(window, image.size, draws)
            pixels = _pasted(pixels, image.image, np.isin(owner, group), window, move)
            for number in group:
                part = masks[number][window[1] : window[3], window[0] : window[2]]
                mask = _moved(part.astype(np.uint8), image.size, window, move, order=0) > 0
                outlines = [outline.clip(min=0).reshape(-1) for outline in mask_outlines(mask)]
                mask = polygons_run_lengths(outlines, image.size).mask()
                if mask.any():
                    order.append(number)
                    moved.append(mask)
        if _happens(draws, self.colour):
            pixels = _recoloured(pixels, draws)
        kept = np.stack(moved) if moved else np.zeros((0, *image.size), bool)
        objects = Instances(image.objects.classes[order], boxes_of_masks(kept), kept)
        return replace(image, image=pixels, objects=objects)

    def _drawn(self, window: Sequence[int], size: Size, draws: DetectionDraws) -> Move:
        """A random move of what lies in a window (left, top, right, bottom) of an image."""
        left, top, right, bottom = window
        near = (left < BORDER, top < BORDER, right > size[1] - BORDER, bottom > size[0] - BORDER)
        # The published choice between "normal", "horizontal" (not near a border) and "skip", of which only the first
        # one has a probability.
        draws.choice(2 if any(near) else 3, p=[1.0] + [0.0] * (1 if any(near) else 2))
        scale = draws.uniform(*self.scales)
        most = (right - left) // self.shift
        across = int(draws.integers(-most, most + 1))
        most = (bottom - top) // self.shift
        down = int(draws.integers(-most, most + 1))
        angle = math.radians(int(draws.integers(-self.degrees, self.degrees + 1)))
        if near[0]:
            across = min(across, 0)
        if near[2]:
            across = max(across, 0)
        if near[1]:
            down = min(down, 0)
        if near[3]:
            down = max(down, 0)
        return Move(max(scale, 1.0), across, down, 0.0) if any(near) else Move(scale, across, down, angle)


def overlapping_groups(boxes: Boxes) -> list[list[int]]:
    """Numbers of boxes [N, 4] that overlap, directly or through others; each group in the order it was found in."""
    starts, ends = boxes[:, :2], boxes[:, 2:]
    touches = np.all((starts[:, None] < ends) & (starts < ends[:, None]), axis=2)
    free = np.ones(len(boxes), bool)
    groups = []
    for first in range(len(boxes)):
        if not free[first]:
            continue
        free[first] = False
        group, path = [first], [first]
        while path:
            found = np.flatnonzero(touches[path[-1]] & free)
            if len(found):
                free[found[0]] = False
                group.append(int(found[0]))
                path.append(int(found[0]))
            else:
                path.pop()
        groups.append(group)
    return groups


def background(image: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """An image uint8 [H, W, 3] whose pixels under ``hidden``, bool [H, W], are guessed from those around them.

    Raises:
        InputError: OpenCV is missing.
    """
    opencv = require_opencv()
    return opencv.inpaint(
        np.ascontiguousarray(image), hidden.astype(np.uint8), INPAINT_RADIUS, opencv.INPAINT_NS
    )


def require_opencv() -> ModuleType:
    """OpenCV.

    Raises:
        InputError: It is missing.
    """
    try:
        import cv2
    except ImportError as error:
        raise InputError("InstaBoost needs OpenCV: pip install 'vit-adapter[instaboost]'") from error
    return cv2


def _happens(draws: DetectionDraws, probability: float) -> bool:
    return draws.choice(2, p=[1 - probability, probability]) == 1


def _whole_pixels(boxes: Boxes) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of all boxes [N, 4] together, rounded; halves to the even number."""
    left, top = boxes[:, :2].min(0).tolist()
    right, bottom = boxes[:, 2:].max(0).tolist()
    return max(round(left), 0), max(round(top), 0), round(right), round(bottom)


def _moved(part: np.ndarray, size: Size, window: Sequence[int], move: Move, order: int) -> np.ndarray:
    """The part [h, w] in a window of an image, uint8, at its new place in an empty image of that size."""
    from scipy import ndimage  # late, as few runs need it

    canvas = np.zeros(size, np.uint8)
    canvas[: part.shape[0], : part.shape[1]] = part
    cosine, sine = math.cos(move.angle), math.sin(move.angle)
    back = (
        np.array([[cosine, -sine], [sine, cosine]]) / move.scale
    )  # (row, column) of the new image to the old
    middle = np.array([(window[1] + window[3]) / 2 + move.down, (window[0] + window[2]) / 2 + move.across])
    offset = np.array(part.shape) / 2 - back @ middle
    return ndimage.affine_transform(canvas, back, offset.tolist(), order=order)


def _pasted(
    onto: np.ndarray, image: np.ndarray, seen: np.ndarray, window: Sequence[int], move: Move
) -> np.ndarray:
    """An image with the pixels of another one, where they are ``seen``, at their new place."""
    rows, columns = slice(window[1], window[3]), slice(window[0], window[2])
    size = onto.shape[0], onto.shape[1]
    alpha = seen[rows, columns].astype(np.uint8) * np.uint8(255)
    share = _moved(alpha, size, window, move, order=3)[..., None] / 255
    channels = [
        _moved(image[rows, columns, channel], size, window, move, order=3)
        for channel in range(image.shape[2])
    ]
    return (onto * (1 - share) + np.stack(channels, 2) * share).astype(np.uint8)


def _recoloured(image: np.ndarray, draws: DetectionDraws) -> np.ndarray:
    changed = Image.fromarray(image)
    factors = [int(draws.integers(low, high)) / 10 for _, low, high in COLOUR_STEPS]
    for (step, _, _), factor in zip(COLOUR_STEPS, factors, strict=True):
        changed = step(changed).enhance(factor)
    return np.array(changed)
