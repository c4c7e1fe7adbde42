"""The walk from pixels to labels: views, windows, probabilities, arg-max - for images of any size.

Labels never need full-size scores: everything after the model is a stream of rows (``strips.py``). What is held at
once is one row of windows for each view, ``classes x crop x shorter side`` scores: 1.2 GB for 150 classes and
6000x4000 pixels, a few megabytes for usual images.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from vit_adapter.annotations import Window
from vit_adapter.config import InferenceConfig, InputError, ScoresAre

from .augmentation import PlannedView, plan_views
from .grid import Size
from .limits import NOTHING, SCORES_LIMIT_BYTES, check_threshold
from .strips import RowReader, split_rows
from .view_scores import HeldScores, ScoreFrame, view_strips
from .views import PreparedView
from .windows import ScoreFunction

HELD_BYTES = 1 << 28
"""Scores of an image that are kept for a later ``.scores()``; beyond that the model runs again."""
BLOCK_BYTES = 1 << 29
"""Full-size probabilities in which the views are added up before the next rows are begun."""
TRANSPOSE_ABOVE_BYTES = 1 << 28
"""Rows of windows larger than this run along the shorter side of the image."""
CPU_BATCH_BYTES = 1 << 28
"""Window scores of one call on the CPU, where larger batches gain nothing."""


class Application:
    """A model and images of one size that it is applied to; it runs when labels or scores are asked for.

    Args:
        score_function: From normalised images [B, C, h, w] float32 to scores [B, K, h, w] (or of a lower
            resolution, see ``view_strips``). Sides need not be multiples of 32: it pads and crops automatically. With
            ``resize_answers`` in the protocol it is called with the size of the scores as well.
        images: Images [H, W, C] of one size and type; uint8, uint16 or float32, RGB for three channels.
        protocol: How the model is applied.
        num_classes: K.
        scores_are: "logits", or "class_sums": Mask2Former's class x mask sums, which are not logits.
        batch_size: Largest number of windows in one call.
        device: Where windows are sent; scores are processed where the model leaves them.
        held_bytes: Scores up to this size are kept between ``labels`` and ``scores``.
        mirrored: For every class the one that it becomes in a mirror image (left hand, right hand); None: itself.

    Raises:
        InputError: The protocol contradicts itself, or ``batch_size`` is below 1.
    """

    def __init__(
        self,
        score_function: ScoreFunction,
        images: Sequence[np.ndarray],
        protocol: InferenceConfig,
        *,
        num_classes: int,
        scores_are: ScoresAre = "logits",
        batch_size: int = 4,
        device: str | torch.device = "cpu",
        held_bytes: int = HELD_BYTES,
        mirrored: Sequence[int] | None = None,
    ) -> None:
        if batch_size < 1:
            raise InputError(f"batch_size is {batch_size}, expected at least 1")
        self._mirrored = None if mirrored is None else list(mirrored)
        self._score_function, self._images, self._protocol = score_function, images, protocol
        self._num_classes, self._device = num_classes, torch.device(device)
        self._scores_are: ScoresAre = scores_are
        self._size: Size = (images[0].shape[0], images[0].shape[1])
        self._views = plan_views(self._size, protocol)
        # Scores of the padding, stretched over the image with the rest, would move every label.
        self._unpad = protocol.pad_to_crop is not None
        window_bytes = _score_bytes(num_classes, (protocol.crop, protocol.crop))
        self._batch_size = max(1, batch_size)
        if self._device.type == "cpu" and protocol.mode == "slide":
            self._batch_size = max(1, min(batch_size, CPU_BATCH_BYTES // window_bytes))
        self._transposed = (
            self._size[1] > self._size[0]
            and protocol.mode == "slide"
            and any(
                _score_bytes(len(images) * num_classes, (min(protocol.crop, view.padded[0]), view.padded[1]))
                > TRANSPOSE_ABOVE_BYTES
                for view in self._views
            )
        )
        held = sum(_score_bytes(len(images) * num_classes, view.size) for view in self._views)
        self._held: list[HeldScores | None] = [
            HeldScores(self._source_rows(view)) if held <= held_bytes else None for view in self._views
        ]

    def labels(self, threshold: float | None = None) -> list[np.ndarray]:
        """Class of every pixel.

        Args:
            threshold: For two classes: smallest probability of class 1 that makes a pixel class 1; None: the class
                with the largest score, of equal ones the first. For one class: the smallest that makes it so.

        Returns:
            For each image [H, W], 0..K-1; uint8, or uint16 for more than 255 classes. Of a single class: 0, and
            ``NOTHING`` where its probability is below the threshold (None: one half).

        Raises:
            InputError: A threshold for more than two classes or outside 0..1; scores that are not finite.
        """
        check_threshold(threshold, self._num_classes)
        if self._num_classes == 1 and threshold is None:
            threshold = 0.5
        dtype = np.uint8 if self._num_classes <= 255 else np.uint16
        labels = [np.empty(self._size, dtype) for _ in self._images]
        targets = [label.T if self._transposed else label for label in labels]
        start = 0
        # A single view's labels need no probabilities: they are in the order of the scores.
        for strip in self._strips(probabilities=threshold is not None or len(self._views) > 1):
            best, chosen = strip.max(dim=1)  # [B, rows, W]
            _check_finite(best)
            if threshold is not None:
                chosen = strip[:, -1] >= threshold
                if self._num_classes == 1:
                    chosen = torch.where(chosen, 0, NOTHING)
            end = start + strip.shape[2]
            for target, part in zip(targets, chosen.cpu().numpy()):
                target[start:end] = part
            start = end
        return labels

    def scores(self, limit_bytes: int | None = SCORES_LIMIT_BYTES) -> list[np.ndarray]:
        """Probabilities of every class at every pixel.

        Args:
            limit_bytes: Largest size of the result; None: no limit.

        Returns:
            For each image float32 [K, H, W]; the sum over classes is 1.

        Raises:
            InputError: The result would be larger than the limit; scores that are not finite.
        """
        total = _score_bytes(self._num_classes * len(self._images), self._size)
        if limit_bytes is not None and total > limit_bytes:
            raise InputError(
                f"scores of {self._num_classes} classes at {self._size[1]}x{self._size[0]} pixels are "
                f"{total / 1e9:.1f} GB, more than the limit of {limit_bytes / 1e9:.1f} GB; labels need no such map, "
                "and a higher limit gives it"
            )
        scores = [np.empty((self._num_classes, *self._size), np.float32) for _ in self._images]
        targets = [array.transpose(0, 2, 1) if self._transposed else array for array in scores]
        start = 0
        for strip in self._strips(probabilities=True):
            _check_finite(strip)
            end = start + strip.shape[2]
            for target, part in zip(targets, strip.float().cpu().numpy()):
                target[:, start:end] = part
            start = end
        return scores

    def visit_scores(self, take: Callable[[Window, np.ndarray], object]) -> None:
        """Hands out the probabilities of a single image piece by piece, so that they are never held as a whole.

        Args:
            take: Called with a place of the image, and float32 [K, height, width] of that place.

        Raises:
            InputError: Scores that are not finite.
        """
        height, width = self._size
        start = 0
        for strip in self._strips(probabilities=True):
            _check_finite(strip)
            part = strip[0].float().cpu().numpy()  # [K, rows, W]
            if self._transposed:
                place, part = Window(0, start, height, part.shape[1]), part.transpose(0, 2, 1)
            else:
                place = Window(start, 0, part.shape[1], width)
            take(place, part)
            start += strip.shape[2]

    def _strips(self, probabilities: bool) -> Iterator[Tensor]:
        """Scores or probabilities at the image's size, [B, K, rows, W] (transposed: columns and H)."""
        streams = [self._view_strips(index) for index in range(len(self._views))]
        if len(streams) == 1:
            for strip in streams[0]:
                yield single_view_probabilities(strip, self._scores_are) if probabilities else strip
            return
        rows, _ = self._oriented(self._size)
        row_bytes = _score_bytes(self._num_classes * len(self._images), self._size) // rows
        yield from mean_probabilities(streams, rows, max(1, BLOCK_BYTES // row_bytes))

    def _view_strips(self, index: int) -> Iterator[Tensor]:
        view, held = self._views[index], self._held[index]
        # Prepared only when the first rows are asked for: of all views only the current one takes memory.
        prepared: list[PreparedView] = []

        def cut(window: Window) -> Tensor:
            if not prepared:
                prepared.extend(PreparedView(image, view, self._protocol) for image in self._images)
            return torch.cat([torch.from_numpy(one.cut(window)) for one in prepared])

        strips = view_strips(
            self._score,
            cut,
            ScoreFrame(view.padded, "horizontal" if view.flip else None, self._transposed),
            self._size,
            mode=self._protocol.mode,
            crop=self._protocol.crop,
            stride=self._protocol.stride,
            batch_size=self._batch_size,
            valid_size=view.size if self._unpad else None,
            held=held,
            small_windows=self._protocol.small_windows,
            sized=self._protocol.resize_answers,
        )
        if self._mirrored is None or not view.flip:
            return strips
        return (strip[:, self._mirrored] for strip in strips)

    def _score(self, windows: Tensor, size: Size | None = None) -> Tensor:
        windows = windows.to(self._device)
        scores = self._score_function(windows) if size is None else self._score_function(windows, size)
        if scores.ndim != 4 or scores.shape[:2] != (windows.shape[0], self._num_classes):
            raise ValueError(
                f"the model gave scores of shape {tuple(scores.shape)} for {windows.shape[0]} windows, expected "
                f"[{windows.shape[0]}, {self._num_classes}, h, w]"
            )
        return scores

    def _source_rows(self, view: PlannedView) -> int:
        if self._protocol.mode == "whole" and self._protocol.resize_answers:
            return self._size[0]
        return self._oriented(view.size if self._unpad else view.padded)[0]

    def _oriented(self, size: Size) -> Size:
        return (size[1], size[0]) if self._transposed else size


def single_view_probabilities(scores: Tensor, scores_are: ScoresAre) -> Tensor:
    """Probabilities [B, K, h, w] of one view's scores: softmax of logits (behaviour 71), or class sums normalised."""
    if scores.shape[1] == 1 and scores_are == "class_sums":
        return scores.clamp(max=1)  # nothing competes with a single class: its sum says how sure it is
    if scores_are == "logits":
        return scores.softmax(dim=1)
    total = scores.sum(dim=1, keepdim=True)
    # A pixel that no query claims has no evidence: all classes are equally likely.
    return torch.where(total > 0, scores / total, 1 / scores.shape[1])


def mean_probabilities(streams: Sequence[Iterator[Tensor]], rows: int, block: int) -> Iterator[Tensor]:
    """Mean over views of their softmax probabilities (behaviour 72).

    The softmax is also taken of Mask2Former's class sums, for which it is a second one, as published (behaviour 74):
    it changes the average.

    Args:
        streams: Scores of each view at the image's size, [B, K, rows, W].
        rows: Rows of the image.
        block: Rows that are added up before the next are begun. A block that holds all rows runs the views one
            after the other; several blocks keep all views under way.

    Yields:
        Strips [B, K, rows, W].
    """
    readers = [RowReader(stream) for stream in streams]
    for start in range(0, rows, block):
        count = min(block, rows - start)
        total: Tensor | None = None  # [B, K, count, W]
        for reader in readers:
            done = 0
            for strip in reader.read(count):
                if total is None:
                    batch, classes, _, width = strip.shape
                    total = strip.new_zeros(batch, classes, count, width)
                end = done + strip.shape[2]
                total[:, :, done:end] += strip.clamp(max=1) if strip.shape[1] == 1 else strip.softmax(dim=1)
                done = end
            if start + count == rows:
                reader.close()
        assert total is not None
        total /= len(readers)
        yield from split_rows(total)


def _check_finite(values: Tensor) -> None:
    if not bool(torch.isfinite(values).all()):
        raise InputError(
            "the model gave scores that are not finite: its weights are damaged, or half precision overflowed "
            "(try float32)"
        )


def _score_bytes(maps: int, size: Size) -> int:
    """Size of float32 maps."""
    return 4 * maps * size[0] * size[1]
