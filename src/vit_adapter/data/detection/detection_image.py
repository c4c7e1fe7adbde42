"""An image on its way through the transforms, with everything that moves along."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from vit_adapter.annotations import Boxes, Instances, Window, boxes_of_masks
from vit_adapter.images import pad, resize_image, resize_labels

Size = tuple[int, int]
Direction = Literal["horizontal", "vertical", "diagonal"]


@dataclass(frozen=True, eq=False)
class DetectionImage:
    """An image with its objects; every method gives a new one.

    Attributes:
        image: [H, W, C], uint8, or float32 once it is normalised or where it was loaded so.
        objects: What is there; masks bool [N, H, W] or none. Boxes are those of the annotation, which may be larger or
            smaller than the masks.
        ignored: Regions that count as nothing (crowds).
        labels: Class of every pixel [H, W], or none.
        factors: float32 [4], by which the last resize enlarged width, height, width, height; None: not resized.
        padded: (height, width) with the image's own padding; a crop does not change it.
        flipped: How the image was mirrored.
    """

    image: np.ndarray
    objects: Instances
    ignored: Boxes
    labels: np.ndarray | None = None
    factors: np.ndarray | None = None
    padded: Size | None = None
    flipped: Direction | None = None

    @property
    def size(self) -> Size:
        """(height, width)."""
        return self.image.shape[0], self.image.shape[1]

    def resized(self, size: Size) -> "DetectionImage":
        """Bilinear; masks and labels by the rule of label maps, boxes times float32 factors and clipped.

        Behaviour 131.
        """
        factors = np.array([size[1] / self.size[1], size[0] / self.size[0]] * 2, np.float32)
        masks = self.objects.masks
        if masks is not None:
            masks = _stack([resize_labels(mask, size) for mask in _array(masks)], size)
        return replace(
            self,
            image=resize_image(self.image, size),
            objects=replace(self.objects, boxes=clipped(self.objects.boxes * factors, size), masks=masks),
            ignored=clipped(self.ignored * factors, size),
            labels=None if self.labels is None else resize_labels(self.labels, size),
            factors=factors,
            padded=size,
        )

    def mirrored(self, direction: Direction) -> "DetectionImage":
        """The mirror image; "diagonal" is both of the others."""
        masks = self.objects.masks
        return replace(
            self,
            image=mirrored_map(self.image, direction),
            objects=replace(
                self.objects,
                boxes=mirrored_boxes(self.objects.boxes, self.size, direction),
                masks=None
                if masks is None
                else mirrored_map(np.moveaxis(_array(masks), 0, -1), direction, last=True),
            ),
            ignored=mirrored_boxes(self.ignored, self.size, direction),
            labels=None if self.labels is None else mirrored_map(self.labels, direction),
            flipped=direction,
        )

    def cropped(self, window: Window, boxes_from_masks: bool = False) -> "DetectionImage":
        """The part inside a window; objects whose box is empty there go (behaviour 132).

        Args:
            window: Inside the image.
            boxes_from_masks: Boxes become the smallest around what is left of the masks, zeros for a mask without a
                pixel; otherwise they are only moved and clipped.
        """
        size = (window.height, window.width)
        offset = np.array([window.left, window.top] * 2, np.float32)
        boxes = clipped(self.objects.boxes - offset, size)
        ignored = clipped(self.ignored - offset, size)
        result = replace(
            self,
            image=self.image[window.slices],
            objects=replace(self.objects, boxes=boxes, masks=_cut(self.objects.masks, window)),
            ignored=ignored[_filled(ignored, 0)],
            labels=None if self.labels is None else self.labels[window.slices],
        ).with_objects(_filled(boxes, 0))
        masks = result.objects.masks
        if boxes_from_masks and masks is not None:
            result = replace(result, objects=replace(result.objects, boxes=boxes_of_masks(masks)))
        return result

    def with_objects(self, kept: np.ndarray) -> "DetectionImage":
        """Only the objects that a bool [N] array keeps."""
        objects = self.objects
        masks = None if objects.masks is None else _array(objects.masks)[kept]
        return replace(self, objects=Instances(objects.classes[kept], objects.boxes[kept], masks))

    def enlarged(self, size: Size, void: int = 255) -> "DetectionImage":
        """Padded at the right and the bottom: 0 in image and masks, ``void`` in labels."""
        masks = self.objects.masks
        if masks is not None:
            masks = _stack([pad(mask, size, 0) for mask in _array(masks)], size)
        return replace(
            self,
            image=pad(self.image, size, 0),
            objects=replace(self.objects, masks=masks),
            labels=None if self.labels is None else pad(self.labels, size, void),
            padded=size,
        )


def clipped(boxes: Boxes, size: Size) -> Boxes:
    """Boxes cut to an image of a size."""
    return boxes.clip(0, np.array([size[1], size[0]] * 2, np.float32))


def large(boxes: Boxes, least: float) -> np.ndarray:
    """Bool [N]: boxes whose width and height are above a number of pixels."""
    return _filled(boxes, least)


def mirrored_boxes(boxes: Boxes, size: Size, direction: Direction) -> Boxes:
    """Boxes in the mirror image."""
    boxes = boxes.copy()
    if direction != "vertical":
        boxes[:, [0, 2]] = np.float32(size[1]) - boxes[:, [2, 0]]
    if direction != "horizontal":
        boxes[:, [1, 3]] = np.float32(size[0]) - boxes[:, [3, 1]]
    return boxes


def mirrored_map(maps: np.ndarray, direction: Direction, last: bool = False) -> np.ndarray:
    """Mirror image of [H, W, ...]; ``last``: the last axis becomes the first one in the end."""
    maps = maps[:, ::-1] if direction != "vertical" else maps
    maps = maps[::-1] if direction != "horizontal" else maps
    return np.moveaxis(maps, -1, 0) if last else maps


def _filled(boxes: Boxes, least: float) -> np.ndarray:
    return ((boxes[:, 2] - boxes[:, 0]) > least) & ((boxes[:, 3] - boxes[:, 1]) > least)


def _array(masks: object) -> np.ndarray:
    if not isinstance(masks, np.ndarray):
        raise TypeError("masks are run-lengths, expected bool [N, H, W]")
    return masks


def _cut(masks: object, window: Window) -> np.ndarray | None:
    return None if masks is None else _array(masks)[:, *window.slices]


def _stack(masks: list[np.ndarray], size: Size) -> np.ndarray:
    return np.stack(masks) if masks else np.zeros((0, *size), bool)
