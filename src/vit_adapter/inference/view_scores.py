"""Scores of one view, brought back to the size and the orientation of the image."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from vit_adapter.annotations import Window
from vit_adapter.config.backbone import COARSEST_STRIDE
from vit_adapter.images import multiple_size

from .grid import Size, window_grid
from .strips import crop_strips, resize_scores, resize_strips, split_rows
from .windows import ScoreFunction, merge_windows, score_windows

Flip = Literal["horizontal", "vertical"]


@dataclass(frozen=True)
class ScoreFrame:
    """From the pixels of a view to those of the stream of its scores.

    Attributes:
        size: (height, width) of the view.
        flip: How the view is mirrored against the image; the stream is not.
        transposed: The stream runs over the columns of the image instead of its rows.
    """

    size: Size
    flip: Flip | None = None
    transposed: bool = False

    def place(self, window: Window) -> Window:
        """Where a window of the view lies in the stream."""
        top, left, height, width = window
        if self.flip == "horizontal":
            left = self.size[1] - window.right
        if self.flip == "vertical":
            top = self.size[0] - window.bottom
        return Window(left, top, width, height) if self.transposed else Window(top, left, height, width)

    def turn(self, scores: Tensor) -> Tensor:
        """Scores [B, K, h, w] of a window of the view, as they lie in the stream."""
        if self.flip is not None:
            scores = scores.flip(-1 if self.flip == "horizontal" else -2)
        return scores.mT if self.transposed else scores

    def oriented(self, size: Size) -> Size:
        """A size of the image as a size of the stream."""
        return (size[1], size[0]) if self.transposed else size


@dataclass
class HeldScores:
    """Scores of a view before they are resized to the image, so that the model need not run twice.

    Attributes:
        rows: How many rows make the view complete.
        strips: What has passed through so far.
    """

    rows: int
    strips: list[Tensor] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether all rows are held."""
        return sum(strip.shape[2] for strip in self.strips) == self.rows

    def record(self, strips: Iterator[Tensor]) -> Iterator[Tensor]:
        """Passes strips on and keeps copies."""
        self.strips.clear()
        for strip in strips:
            self.strips.append(strip.clone())
            yield strip


def view_strips(
    score_function: ScoreFunction,
    cut: Callable[[Window], Tensor],
    frame: ScoreFrame,
    original_size: Size,
    *,
    mode: Literal["slide", "whole"],
    crop: int | Size = 0,
    stride: int | Size = 0,
    batch_size: int = 1,
    valid_size: Size | None = None,
    held: HeldScores | None = None,
    small_windows: Literal["image", "square"] = "image",
    sized: bool = False,
) -> Iterator[Tensor]:
    """Scores of a view at the image's size, un-flipped (behaviours 68, 69, 70, 71 and 75).

    Args:
        score_function: The model. It may return scores of a lower resolution, those of its input padded at the
            right and at the bottom to multiples of 32 pixels; they are resized to it and cut.
        cut: From a window of the view to its normalised pixels [B, C, h, w].
        frame: Size and orientation of the view.
        original_size: (height, width) of the image.
        mode: Windows, or the whole view at once.
        crop: Size of a window in pixels.
        stride: Distance between windows in pixels.
        batch_size: Largest number of windows in one call, but never less than B.
        valid_size: Size of the view without padding, to which averaged window scores are cut before they are
            resized; None: not cut. A whole view is never cut (behaviour 75).
        held: Where scores are kept, and taken from when it is complete.
        small_windows: See ``window_grid``.
        sized: The model is called with a size: it resizes its own answers to a window or, of a whole view, to
            the image (behaviour 118).

    Yields:
        Strips [B, K, rows, W] that are ``original_size[0]`` rows together; for a transposed frame strips of
        columns, [B, K, columns, H]. A strip may be overwritten when the next one is asked for.
    """
    source = frame.oriented(frame.size)
    if mode == "slide" and valid_size is not None:
        source = frame.oriented(valid_size)
    if mode == "whole" and sized:
        source = frame.oriented(original_size)
    if held is not None and held.complete:
        strips = iter(held.strips)
    else:
        if mode == "whole":
            strips = (
                _whole_at(score_function, cut, frame, original_size)
                if sized
                else _whole(score_function, cut, frame)
            )
        else:
            grid = sorted(window_grid(frame.size, crop, stride, small_windows), key=frame.place)
            window_size = (grid[0].height, grid[0].width) if sized else None
            scores = (
                frame.turn(_full(part, grid[0]))
                for part in score_windows(score_function, cut, grid, batch_size, window_size)
            )
            strips = merge_windows(
                [frame.place(window) for window in grid], scores, frame.oriented(frame.size)
            )
            if valid_size is not None:
                strips = crop_strips(strips, frame.place(Window(0, 0, *valid_size)))
        if held is not None:
            strips = held.record(strips)
    yield from resize_strips(strips, source, frame.oriented(original_size))


def _whole(
    score_function: ScoreFunction, cut: Callable[[Window], Tensor], frame: ScoreFrame
) -> Iterator[Tensor]:
    window = Window(0, 0, *frame.size)
    (scores,) = score_windows(score_function, cut, [window], batch_size=1)
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    size = (scores.shape[2], scores.shape[3])
    if size == frame.size:
        yield from split_rows(frame.turn(scores))
        return
    padded = ScoreFrame(multiple_size(frame.size, COARSEST_STRIDE), frame.flip, frame.transposed)
    strips = resize_strips(
        split_rows(frame.turn(scores)), padded.oriented(size), padded.oriented(padded.size)
    )
    yield from crop_strips(strips, padded.place(window))


def _whole_at(
    score_function: ScoreFunction,
    cut: Callable[[Window], Tensor],
    frame: ScoreFrame,
    size: Size,
) -> Iterator[Tensor]:
    """Scores of a whole view at the size of the image."""
    window = Window(0, 0, *frame.size)
    (scores,) = score_windows(score_function, cut, [window], 1, size)
    yield from split_rows(frame.turn(scores.to(torch.promote_types(scores.dtype, torch.float32))))


def _full(scores: Tensor, window: Window) -> Tensor:
    """Scores of a window at the window's size."""
    height, width = window.height, window.width
    if scores.shape[2:] == (height, width):
        return scores
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    return resize_scores(scores, multiple_size((height, width), COARSEST_STRIDE))[:, :, :height, :width]
