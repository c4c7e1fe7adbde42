"""An exported model applied to images: the walk of ``inference``, in numpy, without torch."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from vit_adapter.annotations import Window
from vit_adapter.config import InferenceConfig, InputError
from vit_adapter.config.mirrored import mirrored_order
from vit_adapter.images import resize_image
from vit_adapter.inference.augmentation import PlannedView, plan_views
from vit_adapter.inference.grid import Size, window_grid
from vit_adapter.inference.limits import SCORES_LIMIT_BYTES, check_threshold
from vit_adapter.inference.views import PreparedView

from .exported_objects import ExportedObjects
from .query_answers import class_sums
from .scores import decided, probabilities, softmax


class ExportedModel(ExportedObjects):
    """A file that ``api.export`` wrote, applied to images; arguments and errors are those of ``ExportedFile``."""

    @property
    def _logits(self) -> bool:
        return self.description.scores_are == "logits"

    def labels(
        self,
        image: np.ndarray,
        *,
        batch_size: int = 4,
        protocol: InferenceConfig | None = None,
        threshold: float | None = None,
        counted: Callable[[int], object] = lambda windows: None,
    ) -> np.ndarray:
        """Class of every pixel.

        Args:
            image: [H, W, C], as ``images.read_image`` gives it.
            batch_size: Windows in one call, where the file takes several.
            protocol: Another way of applying the model than its own.
            threshold: For two classes: smallest probability of class 1 that makes a pixel class 1; for one: of it.
            counted: Told of the windows of every call that ended.

        Returns:
            [H, W], 0..K-1; uint8, or uint16 for more than 255 classes. Of a single class 0, and 255 for nothing.

        Raises:
            InputError: The file gives boxes, takes no image of this size, cannot do what the protocol says, or its
                scores would take more than 4 GiB.
        """
        if self.description.output == "boxes":
            raise InputError(f"{self.file}: gives boxes, no labels")
        protocol = protocol or self.protocol
        count = len(self.classes)
        check_threshold(threshold, count)
        if self.description.output == "labels":
            return self._merged_labels(image, protocol, threshold, batch_size, counted)
        if count == 1 and threshold is None:
            threshold = 0.5
        size: Size = (image.shape[0], image.shape[1])
        views = plan_views(size, protocol)
        labels = np.empty(size, np.uint8 if count <= 255 else np.uint16)
        start = 0
        if len(views) == 1 and views[0].size == size:
            strips = self._rows(image, views[0], protocol, batch_size, counted)
            if threshold is not None:
                strips = (probabilities(strip, self._logits) for strip in strips)
        else:
            strips = iter([self._averaged(image, views, protocol, threshold, batch_size, counted)])
        for strip in strips:  # [K, rows, W]
            rows = min(strip.shape[1], size[0] - start)
            labels[start : start + rows] = decided(strip[:, :rows, : size[1]], threshold)
            start += rows
        return labels

    def _averaged(
        self,
        image: np.ndarray,
        views: Sequence[PlannedView],
        protocol: InferenceConfig,
        threshold: float | None,
        batch_size: int,
        counted: Callable[[int], object],
    ) -> np.ndarray:
        """Scores of one view, or the mean of the softmax of several, at the size of the image: [K, H, W]."""
        size = image.shape[:2]
        largest = max(size[0] * size[1], *(view.padded[0] * view.padded[1] for view in views))
        needed = 4 * len(self.classes) * largest
        if needed > SCORES_LIMIT_BYTES:
            raise InputError(
                f"scores of {len(self.classes)} classes at {size[1]}x{size[0]} pixels are {needed / 1e9:.1f} GB; a "
                "model folder needs no such map, an exported file only for images at native resolution without tta"
            )
        total: np.ndarray | None = None
        for view in views:
            rows = list(self._rows(image, view, protocol, batch_size, counted))
            scores = np.concatenate(rows, axis=1) if len(rows) > 1 else rows[0]
            if protocol.pad_to_crop is not None:
                scores = scores[:, : view.size[0], : view.size[1]]
            if view.flip:
                scores = scores[:, :, ::-1]
                order = mirrored_order(self.classes)
                scores = scores if order is None else scores[list(order)]
            if scores.shape[1:] != size:
                scores = np.stack(
                    [resize_image(np.ascontiguousarray(one)[..., None], size)[..., 0] for one in scores]
                )
            if len(views) > 1:
                scores = scores.clip(max=1) if len(scores) == 1 else softmax(scores)
            elif threshold is not None:
                scores = probabilities(scores, self._logits)
            total = scores if total is None else total + scores
        assert total is not None
        return total / len(views)

    def _rows(
        self,
        image: np.ndarray,
        view: PlannedView,
        protocol: InferenceConfig,
        batch_size: int,
        counted: Callable[[int], object],
    ) -> Iterator[np.ndarray]:
        """Mean scores of a view's windows, [K, rows, W] from top to bottom: one row of windows is held at a time."""
        prepared = PreparedView(image, view, protocol)
        height, width = view.padded
        grid = [Window(0, 0, height, width)] if protocol.mode == "whole" else None
        grid = grid or window_grid(view.padded, protocol.crop, protocol.stride)
        sums: np.ndarray | None = (
            None  # [K, window height, W], its first row at the top of the current windows
        )
        visits: np.ndarray | None = None
        tops = sorted({window.top for window in grid})
        for index, (top, windows) in enumerate(groupby(grid, key=lambda window: window.top)):
            for window, scores in self._scores(
                prepared, list(windows), protocol.resize_answers, batch_size, counted
            ):
                if sums is None or visits is None:
                    sums = np.zeros((len(scores), window.height, width), np.float32)
                    visits = np.zeros((window.height, width), np.float32)
                sums[:, :, window.left : window.right] += scores
                visits[:, window.left : window.right] += 1
            assert sums is not None
            assert visits is not None
            finished = (tops[index + 1] if index + 1 < len(tops) else height) - top
            yield sums[:, :finished] / visits[:finished]
            for array in (sums, visits):
                kept = array.shape[-2] - finished
                array[..., :kept, :] = array[..., finished:, :].copy()
                array[..., kept:, :] = 0

    def _scores(
        self,
        prepared: PreparedView,
        windows: Sequence[Window],
        masks_first: bool,
        batch_size: int,
        counted: Callable[[int], object],
    ) -> Iterator[tuple[Window, np.ndarray]]:
        """The scores or labels [.., h, w] of each window, cut to the window's size."""
        for numbers, seen, outputs in self.calls(
            windows, lambda number: prepared.cut(windows[number]), batch_size, counted
        ):
            for place, number in enumerate(numbers):
                scores, window = outputs[0][place], windows[number]
                if self.description.output == "queries":
                    scores = class_sums(scores, outputs[1][place], seen, masks_first)
                yield window, scores[..., : window.height, : window.width]

    def _merged_labels(
        self,
        image: np.ndarray,
        protocol: InferenceConfig,
        threshold: float | None,
        batch_size: int,
        counted: Callable[[int], object],
    ) -> np.ndarray:
        """Labels of windows, each pixel's from the window in whose middle it lies most."""
        check_labels_suffice(self.file, protocol, threshold)
        size = image.shape[:2]
        (view,) = plan_views(size, protocol)
        whole = [Window(0, 0, *view.padded)]
        grid = whole if protocol.mode == "whole" else window_grid(view.padded, protocol.crop, protocol.stride)
        labels = np.zeros(view.padded, np.uint8 if len(self.classes) <= 255 else np.uint16)
        depth = np.full(view.padded, -1, np.int32)
        prepared = PreparedView(image, view, protocol)
        for window, found in self._scores(prepared, grid, protocol.resize_answers, batch_size, counted):
            inner = np.minimum(_to_border(window.height)[:, None], _to_border(window.width))
            better = inner > depth[window.slices]
            labels[window.slices][better] = found[better]
            depth[window.slices][better] = inner[better]
        if protocol.pad_to_crop is not None:
            labels = labels[: view.size[0], : view.size[1]]
        if labels.shape != size:  # half-pixel centres, as scores are resized
            rows, columns = (
                ((np.arange(new) + 0.5) * old / new).astype(np.int64) for old, new in zip(labels.shape, size)
            )
            labels = labels[rows][:, columns]
        return labels


def check_labels_suffice(file: Path, protocol: InferenceConfig, threshold: float | None) -> None:
    """Refuses what a file that gives labels, without scores, cannot do.

    Raises:
        InputError: A threshold, or several views whose scores would be averaged.
    """
    several = protocol.flip or len(protocol.scales) > 1 or len(protocol.resizes) > 1
    if threshold is not None or several:
        raise InputError(f"{file}: gives labels only; thresholds and tta need a file that gives scores")


def _to_border(side: int) -> np.ndarray:
    """Distance of every pixel of a side to the nearer end."""
    places = np.arange(side)
    return np.minimum(places, side - 1 - places)
