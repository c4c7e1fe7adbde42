"""Matplotlib figures without its global state: no backend is chosen, no window can open."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vit_adapter.config import InputError
from vit_adapter.config.files import write_atomically
from vit_adapter.config.own_files import KEYWORD

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#26282b"
FAINT = "#80848a"
GRID = "#e4e5e3"
PAPER = "#fcfcfa"


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of that size in inches.

    Raises:
        InputError: matplotlib is not installed.
    """
    try:
        with _without_advice():
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError("drawing plots needs matplotlib: pip install 'vit-adapter[train]'") from error
    figure = Figure(figsize=(width, height), dpi=120, facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


@contextmanager
def _without_advice() -> Iterator[None]:
    """Where the home folder cannot be written, matplotlib advises to set variables so that its fonts are found faster;
    that is nothing for somebody who trains a model. A level that the program has set stays.
    """
    log = logging.getLogger("matplotlib")
    level = log.level
    if level == logging.NOTSET:
        log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def save_figure(figure: "Figure", path: str | Path) -> Path:
    """Write the figure as PNG."""
    return write_atomically(path, lambda place: figure.savefig(place, format="png", metadata={KEYWORD: "{}"}))


def plain_axes(axes) -> None:
    """Thin lines, no frame at the top and right."""
    axes.set_facecolor(PAPER)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(colors=INK, labelcolor=INK, length=3, width=0.6)


def drawable_names(names: list[str]) -> list[str]:
    """The names with a number in place of those that matplotlib's font has no letters for."""
    with _without_advice():
        from matplotlib.font_manager import findfont
        from matplotlib.ft2font import FT2Font

    known = FT2Font(findfont("DejaVu Sans")).get_charmap()
    clean = (" ".join(name.split()) for name in names)
    return [
        name if all(ord(letter) in known for letter in name) else f"class {index}"
        for index, name in enumerate(clean)
    ]
