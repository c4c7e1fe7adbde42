"""Where the transforms take the pixels of an image, and the objects that go with them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vit_adapter.annotations import Instances, RunLengths, Window
from vit_adapter.images import nearest_indices

Size = tuple[int, int]


@dataclass(frozen=True)
class Geometry:
    """A resize, the window that is cut out of its result, mirror images of that, padding at the right and the bottom.

    Attributes:
        original: (height, width) of the image.
        resized: (height, width) after the resize.
        window: The part of the resized image that is kept.
        mirrored: Left and right are exchanged.
        upside_down: Top and bottom are exchanged.
        padded: (height, width) of the result, at least those of the window.
    """

    original: Size
    resized: Size
    window: Window
    mirrored: bool
    upside_down: bool
    padded: Size

    @classmethod
    def resize(cls, original: Size, resized: Size) -> "Geometry":
        """A resize alone."""
        return cls(original, resized, Window(0, 0, *resized), False, False, resized)

    def instances(self, instances: Instances, pairs: Sequence[tuple[int, int]] = ()) -> Instances:
        """Objects moved along; those without a pixel in the result are left out.

        Masks are resized by the rule of label maps, so that masks and labels that agreed still do. Only the part of a
        mask around its object is ever made before it is cut.

        Args:
            instances: Objects of the original image.
            pairs: Labels that one mirror image exchanges.

        Returns:
            Masks bool [N, H, W] at the size ``padded``, with the smallest boxes around them; boxes alone, moved and
            cut, where there are no masks. Areas are those of the result.
        """
        if instances.masks is None:
            kept, boxes = self._boxes(instances.boxes)
            masks = None
        else:
            kept, boxes, masks = self._masks(instances.masks)
        classes = instances.classes[kept]
        if self.mirrored != self.upside_down:  # two mirror images are a turn: left hands are left hands again
            classes = exchange(classes, pairs)
        crowd = None if instances.crowd is None else instances.crowd[kept]
        scores = None if instances.scores is None else instances.scores[kept]
        return Instances(classes, boxes, masks, scores, crowd)

    def _masks(self, masks: np.ndarray | Sequence[RunLengths]) -> tuple[list[int], np.ndarray, np.ndarray]:
        """Numbers of the objects that are seen, their boxes and masks in the result."""
        rows = nearest_indices(self.original[0], self.resized[0])[self.window.top : self.window.bottom]
        columns = nearest_indices(self.original[1], self.resized[1])[self.window.left : self.window.right]
        found: list[tuple[int, int, int, np.ndarray]] = []  # number, top, left, mask around the object
        for index, mask in enumerate(masks):
            left, top, right, bottom = _box(mask)
            first, last = np.searchsorted(rows, [top, bottom])
            begin, end = np.searchsorted(columns, [left, right])
            if first == last or begin == end:
                continue
            inner_rows, inner_columns = rows[first:last], columns[begin:end]
            part = Window(
                int(inner_rows[0]),
                int(inner_columns[0]),
                int(inner_rows[-1] - inner_rows[0]) + 1,
                int(inner_columns[-1] - inner_columns[0]) + 1,
            )
            around = mask.part(part) if isinstance(mask, RunLengths) else mask[part.slices]
            around = around[inner_rows - part.top].take(inner_columns - part.left, axis=1)
            if not around.any():
                continue
            if self.upside_down:
                around, first = around[::-1], self.window.height - last
            if self.mirrored:
                around, begin = around[:, ::-1], self.window.width - end
            found.append((index, int(first), int(begin), around))
        moved = np.zeros((len(found), *self.padded), bool)
        boxes = np.zeros((len(found), 4), np.float32)
        for number, (_, top, left, around) in enumerate(found):
            moved[number, top : top + around.shape[0], left : left + around.shape[1]] = around
            across, down = np.flatnonzero(around.any(axis=0)), np.flatnonzero(around.any(axis=1))
            boxes[number] = left + across[0], top + down[0], left + across[-1] + 1, top + down[-1] + 1
        return [index for index, *_ in found], boxes, moved

    def _boxes(self, boxes: np.ndarray) -> tuple[list[int], np.ndarray]:
        """Numbers of the boxes that are seen, and those boxes in the result."""
        height, width = self.window.height, self.window.width
        factors = np.array(
            [self.resized[1] / self.original[1], self.resized[0] / self.original[0]], np.float32
        )
        moved = boxes * np.tile(factors, 2)
        moved -= np.array([self.window.left, self.window.top] * 2, np.float32)
        if self.upside_down:
            moved[:, [1, 3]] = height - moved[:, [3, 1]]
        if self.mirrored:
            moved[:, [0, 2]] = width - moved[:, [2, 0]]
        moved = moved.clip(0, np.array([width, height] * 2, np.float32))
        kept = np.flatnonzero((moved[:, 2:] > moved[:, :2]).all(axis=1))
        return kept.tolist(), moved[kept]


def exchange(labels: np.ndarray, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """Labels with both classes of every pair exchanged; the same array where there is no pair."""
    if not pairs:
        return labels
    exchanged = labels.copy()
    for first, second in pairs:
        exchanged[labels == first] = second
        exchanged[labels == second] = first
    return exchanged


def _box(mask: np.ndarray | RunLengths) -> tuple[int, int, int, int]:
    if isinstance(mask, RunLengths):
        return mask.box
    across, down = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(across):
        return 0, 0, 0, 0
    return int(across[0]), int(down[0]), int(across[-1]) + 1, int(down[-1]) + 1
