"""The course of a training run as an image."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .figure import FAINT, GRID, INK, new_figure, plain_axes, save_figure

_LOSS, _SCORE, _FINAL = "#0072B2", "#D55E00", "#009E73"


def plot_curves(
    history: Sequence[Mapping[str, float | None]],
    path: str | Path,
    title: str = "",
    score_name: str = "mIoU",
    final: tuple[int, float, str] | None = None,
) -> Path:
    """Draw loss (with a smoothed line) and mIoU over the steps.

    Args:
        history: Records with "step" and "loss" or "mIoU" (0..1) or both; missing, None and non-finite values
            are left out, the order does not matter.
        path: PNG to write.
        title: Written above.
        score_name: What the score is called, such as "mIoU (sample of 24)".
        final: Step, mIoU (0..1) and name of a score of its own, such as that of all images.

    Returns:
        ``path``.

    Raises:
        InputError: matplotlib is missing, or the file cannot be written.
    """
    figure = new_figure(8.0, 5.6)
    loss_axes, score_axes = figure.subplots(2, 1, sharex=True, height_ratios=(1.15, 1))
    if title:
        figure.suptitle(title, x=0.012, ha="left", color=INK, fontsize=12, parse_math=False)

    steps, losses = _series(history, "loss")
    if len(steps):
        crowded = len(steps) > 12
        loss_axes.plot(steps, losses, color=_LOSS, lw=0.8 if crowded else 1.6, alpha=0.3 if crowded else 1.0)
        if crowded:
            loss_axes.plot(steps, _smoothed(losses), color=_LOSS, lw=1.8)
        loss_axes.set_ylim(*_loss_limits(losses))
    loss_axes.set_ylabel("loss", color=INK)

    steps, scores = _series(history, "mIoU")
    if len(steps):
        score_axes.plot(steps, scores, color=_SCORE, lw=1.8, marker="o", ms=4 if len(steps) < 40 else 0)
        best = int(np.argmax(scores))
        score_axes.plot(steps[best], scores[best], "o", ms=9, mfc="none", mec=_SCORE, mew=1.4)
        # Above the highest point no line runs; left of it in the right half of the plot the words stay inside.
        left_end, right_end = score_axes.get_xlim()
        right = steps[best] > (left_end + right_end) / 2
        score_axes.annotate(
            f"best {scores[best]:.3f}",
            (steps[best], scores[best]),
            xytext=(-9 if right else 9, 8),
            textcoords="offset points",
            ha="right" if right else "left",
            color=INK,
            fontsize=9.5,
        )
        highest = max(scores.max(), final[1] if final else 0.0)
        score_axes.set_ylim(0, min(1.0, 1.2 * highest + 0.02))
    if final is not None:
        step, score, name = final
        score_axes.plot(step, score, "D", ms=7, color=_FINAL, zorder=3, label=f"{name}: {score:.3f}")
        score_axes.legend(loc="lower right", frameon=False, fontsize=9.5, labelcolor=INK)
    score_axes.set_ylabel(f"validation {score_name}", color=INK)
    score_axes.set_xlabel("step", color=INK)

    for axes, series in ((loss_axes, losses), (score_axes, scores)):
        plain_axes(axes)
        axes.grid(True, color=GRID, lw=0.8)
        axes.set_axisbelow(True)
        if not len(series):
            axes.text(0.5, 0.5, "nothing recorded", transform=axes.transAxes, ha="center", color=FAINT)
    figure.align_ylabels()
    return save_figure(figure, path)


def _series(history: Sequence[Mapping[str, float | None]], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and finite values of one quantity, by step; a step that was recorded twice keeps its last value."""
    points: dict[float, float] = {}
    for record in history:
        step, value = record.get("step"), record.get(key)
        if step is not None and value is not None and math.isfinite(float(value)):
            points[float(step)] = float(value)
    ordered = sorted(points)
    return np.array(ordered), np.array([points[step] for step in ordered])


def _smoothed(values: np.ndarray) -> np.ndarray:
    """Mean of the middle half of the values around each point: single spikes do not lift the line.

    The window is about a twentieth of the run, mirrored at the ends.
    """
    half = max(4, len(values) // 40)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, half, mode="reflect"), 2 * half + 1)
    quarter = (2 * half + 1) // 4
    return np.sort(windows, axis=1)[:, quarter : 2 * half + 1 - quarter].mean(axis=1)


def _loss_limits(losses: np.ndarray) -> tuple[float, float]:
    """Room for the usual values: a few spikes may leave the image, the rest must stay readable."""
    low, high = losses.min(), losses.max()
    usual = np.quantile(losses, 0.98)
    if len(losses) > 50 and high > 3 * usual > 0:
        high = 1.5 * usual
    return (min(0.0, low), high * 1.05 if high > 0 else 1.0)
