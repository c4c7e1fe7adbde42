"""Which class is mistaken for which, as an image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vit_adapter.config import InputError

from .figure import FAINT, INK, drawable_names, new_figure, plain_axes, save_figure

_NUMBERS_UP_TO = 20  # classes; beyond it the numbers in the cells could not be read


def plot_confusion(matrix: np.ndarray, names: Sequence[str] | None, path: str | Path) -> Path:
    """Draw a confusion matrix, each row in percent of the class's true pixels.

    Args:
        matrix: Counts [K, K], row = true class, column = predicted class. Classes without true pixels have a
            grey row.
        names: K class names; None: numbers.
        path: PNG to write.

    Returns:
        ``path``.

    Raises:
        InputError: The matrix is not square or the names are too few or too many, matplotlib is missing, or
            the file cannot be written.
    """
    matrix = np.asarray(matrix, np.float64)
    classes = len(matrix)
    if matrix.shape != (classes, classes) or classes == 0:
        raise InputError(f"the confusion matrix has shape {matrix.shape}, expected [classes, classes]")
    if names is not None and len(names) != classes:
        raise InputError(f"{len(names)} class names given for {classes} classes")

    totals = matrix.sum(axis=1, keepdims=True)
    share = np.divide(matrix, totals, out=np.full_like(matrix, np.nan), where=totals > 0)
    cell = 0.62 if classes <= _NUMBERS_UP_TO else max(0.19, 12.0 / classes)  # inches
    side = max(3.2, cell * classes)
    figure = new_figure(side + 2.4, side + 1.6)
    labels = drawable_names([str(index) for index in range(classes)] if names is None else list(names))
    labels = [label if len(label) <= 24 else label[:22] + "…" for label in labels]

    from matplotlib import colormaps

    axes = figure.subplots()
    colours = colormaps["Blues"].with_extremes(bad="#e8e8e6")
    # The square root shows the rare mistakes, which matter here, beside the large diagonal.
    image = axes.imshow(np.sqrt(share), cmap=colours, vmin=0, vmax=1, interpolation="nearest")
    size = 10 if classes <= _NUMBERS_UP_TO else max(7.0, min(9.0, cell * 40))
    ticks = np.arange(classes)
    axes.set_xticks(ticks, labels, rotation=90 if classes > 3 else 0, fontsize=size, parse_math=False)
    axes.set_yticks(ticks, labels, fontsize=size, parse_math=False)
    axes.set_xlabel("predicted", color=INK, fontsize=size + 1)
    axes.set_ylabel("true", color=INK, fontsize=size + 1)
    plain_axes(axes)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)
    axes.set_xticks(ticks[1:] - 0.5, minor=True)
    axes.set_yticks(ticks[1:] - 0.5, minor=True)
    axes.grid(which="minor", color="white", lw=1.2 if classes <= _NUMBERS_UP_TO else 0.3)
    axes.tick_params(which="minor", length=0)

    if classes <= _NUMBERS_UP_TO:
        for row, column in zip(*np.nonzero(totals.repeat(classes, axis=1))):
            colour = "white" if np.sqrt(share[row, column]) > 0.6 else INK if matrix[row, column] else FAINT
            text = _percent(float(share[row, column]), float(matrix[row, column]))
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)

    levels = np.array([0, 1, 5, 10, 25, 50, 100])
    bar = figure.colorbar(image, ax=axes, shrink=min(0.74, 4.0 / side), aspect=18, pad=0.02)
    bar.set_ticks(np.sqrt(levels / 100).tolist(), labels=[f"{level} %" for level in levels])
    bar.outline.set_visible(False)  # type: ignore[attr-defined]
    bar.ax.tick_params(length=0, labelsize=9, labelcolor=FAINT)
    return save_figure(figure, path)


def _percent(share: float, count: float) -> str:
    """A share in percent; "0" is no pixel at all, and "100" is every one."""
    value = 100 * share
    if count == 0 or value == 100:
        return f"{value:.0f}"
    if value < 0.05:
        return "<0.1"
    if value >= 99.95:
        return ">99.9"
    return f"{value:.0f}" if 9.95 <= value < 98.95 else f"{value:.1f}"
