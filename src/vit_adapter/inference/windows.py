"""Overlapping windows: where they lie, and the mean of their scores, given out as soon as rows are finished."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from vit_adapter.annotations import Window

from .grid import Size
from .strips import split_rows

ScoreFunction = Callable[..., Tensor]
"""From normalised images [B, C, h, w] to scores [B, K, h, w].

Where a protocol says ``resize_answers``, it is called with the (height, width) of the scores as second argument, to
which the model resizes its own answers first.
"""


def score_windows(
    score_function: ScoreFunction,
    cut: Callable[[Window], Tensor],
    grid: Sequence[Window],
    batch_size: int,
    size: Size | None = None,
) -> Iterator[Tensor]:
    """Scores window after window, several in one call of the model.

    Args:
        score_function: The model.
        cut: From a window to its normalised pixels [B, C, h, w] of B images of the same size.
        grid: Windows of one and the same size.
        batch_size: Largest number of windows in one call, but never less than the B images of one window.
        size: Size of the scores that the model is asked for; None: it is not asked for any.

    Yields:
        Scores [B, K, h, w] of each window, in the order of the grid.
    """
    position = 0
    while position < len(grid):
        pixels = cut(grid[position])
        images = pixels.shape[0]
        together = grid[position + 1 : position + max(1, batch_size // images)]
        if together:
            pixels = torch.cat([pixels, *map(cut, together)])  # [n * B, C, h, w]
        with torch.no_grad():
            scores = score_function(pixels) if size is None else score_function(pixels, size)
        position += 1 + len(together)
        yield from scores.split(images)
        del scores, pixels  # not held while the next ones are made


def merge_windows(grid: Sequence[Window], scores: Iterable[Tensor], size: Size) -> Iterator[Tensor]:
    """Averages the scores of overlapping windows (behaviour 70), holding one row of windows at a time.

    Sums are kept in float32, in float64 for float64 scores.

    Args:
        grid: All windows of an image, as ``window_grid`` gives them.
        scores: Scores [B, K, h, w] of each window, in the same order.
        size: (height, width) of the image.

    Yields:
        Finished rows from top to bottom, [B, K, rows, width]. A strip may be overwritten when the next one is
        asked for.
    """
    scores = iter(scores)
    if len(grid) == 1:
        yield from split_rows(_summable(next(scores)))
        return
    height, width = size
    tops = sorted({window.top for window in grid})
    across = len(grid) // len(tops)
    columns = _visits([(window.left, window.right) for window in grid[:across]], width)
    rows = _visits([(window.top, window.bottom) for window in grid[::across]], height)
    sums: Tensor | None = None  # [B, K, window height, width], first row: the current windows' top
    windows = iter(grid)
    for top, next_top in pairwise([*tops, height]):
        for _ in range(across):
            window, found = next(windows), next(scores)
            if sums is None:
                batch, classes, window_height, _ = found.shape
                dtype = torch.promote_types(found.dtype, torch.float32)
                together = (
                    found.is_contiguous(memory_format=torch.channels_last) and not found.is_contiguous()
                )
                sums = torch.empty(
                    batch,
                    classes,
                    window_height,
                    width,
                    dtype=dtype,
                    device=found.device,
                    memory_format=torch.channels_last if together else torch.contiguous_format,
                ).zero_()
            sums[..., window.left : window.right] += found
            del found
        assert sums is not None
        finished = next_top - top
        visits = rows[top:next_top, None] * columns  # [finished, width]
        sums[:, :, :finished] /= visits.to(sums.device)
        yield from split_rows(sums[:, :, :finished])
        _move_up(sums, finished)


def _visits(spans: list[tuple[int, int]], side: int) -> Tensor:
    """How many spans hold each pixel of an axis: int64 [side]."""
    visits = torch.zeros(side, dtype=torch.int64)
    for start, end in spans:
        visits[start:end] += 1
    return visits


def _summable(scores: Tensor) -> Tensor:
    return scores.to(torch.promote_types(scores.dtype, torch.float32))


def _move_up(sums: Tensor, finished: int) -> None:
    """Drops the first rows and adds empty ones below, in place: a second buffer would double the peak."""
    kept = sums.shape[2] - finished
    for start in range(0, kept, finished):
        count = min(finished, kept - start)  # source and destination of one step never overlap
        sums[:, :, start : start + count] = sums[:, :, start + finished : start + finished + count]
    sums[:, :, kept:] = 0
