"""A legend beside or below an image, sized with it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from .text import drawable, font, shortened

BACKGROUND = (252, 252, 250)
INK = (38, 40, 43)
FAINT = (128, 132, 138)


@dataclass(frozen=True)
class LegendEntry:
    """One line of a legend.

    Attributes:
        name: What is written.
        colour: RGB of the swatch; None: an empty one.
        share: Share of the image, 0..1; None: not written.
        fallback: Written when no font has the letters of the name.
    """

    name: str
    colour: tuple[int, ...] | None
    share: float | None = None
    fallback: str = "?"


@dataclass(frozen=True)
class _Measure:
    """Sizes in pixels, all from the size of the letters."""

    letter: int
    given_margin: int | None = None

    @property
    def line(self) -> int:
        return round(self.letter * 1.7)

    @property
    def margin(self) -> int:
        return round(self.letter * 1.1) if self.given_margin is None else self.given_margin

    @property
    def swatch(self) -> int:
        return self.letter

    @property
    def gap(self) -> int:
        return round(self.letter * 0.6)


def beside(image: Image.Image, entries: Sequence[LegendEntry]) -> Image.Image:
    """The image with the legend in one column to its right, below it if it is wide or has many classes."""
    if not entries:
        return image
    letter = max(13, round(math.sqrt(image.width * image.height) / 36))
    if image.width < 1.6 * image.height:
        # A few lines too many: smaller letters, down to three quarters.
        for smaller in range(letter, max(12, letter * 3 // 4) - 1, -1):
            measure = _Measure(smaller)
            if len(entries) * measure.line + 2 * measure.margin <= image.height:
                return _with_panel_at_right(image, entries, measure)
    return _with_panel_below(image, entries, _Measure(letter))


def _with_panel_at_right(
    image: Image.Image, entries: Sequence[LegendEntry], measure: _Measure
) -> Image.Image:
    lines = [_Line(entry, measure) for entry in entries]
    panel = _panel(lines, 1, _column_width(lines, measure), measure, height=image.height)
    canvas = Image.new("RGB", (image.width + panel.width, image.height), BACKGROUND)
    canvas.paste(image, (0, 0))
    canvas.paste(panel, (image.width, 0))
    return canvas


def _with_panel_below(image: Image.Image, entries: Sequence[LegendEntry], measure: _Measure) -> Image.Image:
    lines = [_Line(entry, measure) for entry in entries]
    column = _column_width(lines, measure)
    columns = max(1, (image.width - 2 * measure.margin + 2 * measure.gap) // column)
    # at most as high as the image, whatever the number of classes
    rows = min(math.ceil(len(lines) / columns), max(4, image.height // measure.line))
    lines = _at_most(lines, rows * columns, measure)
    panel = _panel(lines, columns, column, measure)
    canvas = Image.new("RGB", (max(image.width, panel.width), image.height + panel.height), BACKGROUND)
    canvas.paste(image, (0, 0))
    canvas.paste(panel, (0, image.height))
    return canvas


def legend_strip(entries: Sequence[LegendEntry], width: int, letter: int, margin: int) -> Image.Image:
    """The entries in as many columns as fit ``width`` pixels, letters ``letter`` pixels high."""
    measure = _Measure(letter, margin)
    lines = [_Line(entry, measure) for entry in entries]
    column = min(_column_width(lines, measure), width - 2 * measure.margin)
    columns = max(1, min(len(lines), (width - 2 * measure.margin) // max(1, column)))
    return _panel(lines, columns, column, measure, width=width)


class _Line:
    """An entry with its texts and their widths."""

    def __init__(self, entry: LegendEntry, measure: _Measure):
        self.colour = entry.colour
        self.text, self.font = drawable(entry.name, measure.letter, entry.fallback)
        self.text = shortened(self.text, self.font, 12 * measure.letter)
        self.share = "" if entry.share is None else percent(entry.share)
        self.amount = entry.share or 0.0
        self.width = math.ceil(self.font.getlength(self.text))


def percent(share: float) -> str:
    """A share 0..1 as it is written in a legend."""
    if 0 < share < 0.001:
        return "<0.1 %"
    return f"{100 * share:.1f} %"


def _column_width(lines: Sequence[_Line], measure: _Measure) -> int:
    name = max(line.width for line in lines)
    share = max(_share_width(line, measure) for line in lines)
    return measure.swatch + measure.gap + name + share + 2 * measure.gap


def _share_width(line: _Line, measure: _Measure) -> int:
    return math.ceil(font(measure.letter).getlength(line.share)) + measure.gap if line.share else 0


def _at_most(lines: list[_Line], count: int, measure: _Measure) -> list[_Line]:
    """The first lines, and one that says how many were left out."""
    count = max(1, count)
    if len(lines) <= count:
        return lines
    left = lines[count - 1 :]
    rest = LegendEntry(f"{len(left)} more", None, sum(line.amount for line in left))
    return [*lines[: count - 1], _Line(rest, measure)]


def _panel(
    lines: Sequence[_Line],
    columns: int,
    column: int,
    measure: _Measure,
    width: int | None = None,
    height: int | None = None,
) -> Image.Image:
    rows = math.ceil(len(lines) / columns)
    width = width or columns * column + 2 * measure.margin - 2 * measure.gap
    panel = Image.new("RGB", (width, height or rows * measure.line + 2 * measure.margin), BACKGROUND)
    draw = ImageDraw.Draw(panel)
    for index, line in enumerate(lines):
        left = measure.margin + index // rows * column
        middle = measure.margin + index % rows * measure.line + measure.line / 2
        _draw_line(draw, line, left, middle, column, measure)
    return panel


def _draw_line(
    draw: ImageDraw.ImageDraw, line: _Line, left: float, middle: float, column: int, measure: _Measure
) -> None:
    half = measure.swatch / 2
    box = (left, middle - half, left + measure.swatch, middle + half)
    thin = max(1, round(measure.letter / 14))
    outline = tuple(value * 3 // 4 for value in line.colour) if line.colour else FAINT
    draw.rounded_rectangle(box, measure.swatch / 5, fill=line.colour, outline=outline, width=thin)
    name_left = left + measure.swatch + measure.gap
    draw.text((name_left, middle), line.text, fill=INK, font=line.font, anchor="lm")
    right = left + column - 2 * measure.gap
    draw.text((right, middle), line.share, fill=FAINT, font=font(measure.letter), anchor="rm")
