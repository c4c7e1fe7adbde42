"""Many small images on one sheet: rows of a data set, columns of what belongs together."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from vit_adapter.config import InputError

from .legend import BACKGROUND, FAINT, INK, LegendEntry, legend_strip
from .overlay import displayable
from .text import drawable, shortened


def contact_sheet(
    rows: Sequence[Sequence[np.ndarray | None]],
    column_titles: Sequence[str] = (),
    captions: Sequence[str | Sequence[str]] = (),
    cell: tuple[int, int] = (320, 240),
    title: str = "",
    legend: Sequence[LegendEntry] = (),
) -> Image.Image:
    """Put images in a table.

    Args:
        rows: Images [H, W, C] of any sizes, as for ``overlay``; None leaves a place empty. Rows may differ in length.
        column_titles: Written above the columns.
        captions: One for each row, written below it, such as the file's name and its score; or a list for a row, one
            below each of its images.
        cell: (width, height) in pixels that an image is fitted into, ratio kept.
        title: Written above everything.
        legend: Classes and colours, written below everything.

    Returns:
        RGB image.

    Raises:
        InputError: No image at all, or an image that is not an array of numbers.
    """
    columns = max((len(row) for row in rows), default=0)
    if columns == 0:
        raise InputError("the contact sheet has no images")
    images = [[None if image is None else _fitted(displayable(image), cell) for image in row] for row in rows]

    letter = max(13, round(cell[1] / 15))
    margin, gap = round(letter * 1.6), max(4, round(letter * 0.5))
    title_height = round(letter * 2.6) if title else 0
    titles_height = round(letter * 1.8) if any(column_titles) else 0
    caption_height = round(letter * 1.7) if any(captions) else 0
    heights = [max((image.height for image in row if image), default=gap) for row in images]
    widths = [gap] * columns
    for row in images:
        for column, image in enumerate(row):
            widths[column] = max(widths[column], image.width if image else 0)
    width = 2 * margin + sum(widths) + gap * (columns - 1)
    strip = legend_strip(legend, width, round(letter * 0.9), margin) if legend else None

    height = (
        2 * margin + title_height + titles_height + sum(heights) + (caption_height + gap) * len(rows) - gap
    )
    sheet = Image.new("RGB", (width, height + (strip.height - margin if strip else 0)), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    lefts = [margin + sum(widths[:column]) + gap * column for column in range(columns)]

    def write(text: str, left: int, middle: float, size: int, room: int, colour: tuple[int, ...]) -> None:
        text, chosen = drawable(text, size)
        draw.text((left, middle), shortened(text, chosen, room), fill=colour, font=chosen, anchor="lm")

    top = margin
    if title:
        write(title, margin, top + title_height * 0.35, round(letter * 1.35), width - 2 * margin, INK)
        top += title_height
    for text, left, room in zip(column_titles, lefts, widths):
        write(text, left, top + titles_height * 0.4, letter, room, INK)
    top += titles_height
    for index, row in enumerate(images):
        for image, left in zip(row, lefts):
            if image:
                sheet.paste(image, (left, top))
        caption = captions[index] if index < len(captions) else ""
        below = top + heights[index]
        if isinstance(caption, str):
            places = [(caption, margin, below, width - 2 * margin)]
        else:  # close to each image, also where its neighbours are higher
            bottoms = [top + image.height if image else below for image in row]
            places = list(zip(caption, lefts, bottoms, widths))
        for text, left, edge, room in places:
            write(text, left, edge + caption_height * 0.5, round(letter * 0.85), room, FAINT)
        top = below
        top += caption_height + gap
    if strip:
        sheet.paste(strip, (0, height - margin))
    return sheet


def _fitted(image: np.ndarray, cell: tuple[int, int]) -> Image.Image:
    whole = Image.fromarray(image)
    scale = min(cell[0] / whole.width, cell[1] / whole.height)
    size = (max(1, round(whole.width * scale)), max(1, round(whole.height * scale)))
    # Whole squares when enlarged much, so that labels are seen as they are.
    filter_ = Image.Resampling.NEAREST if scale >= 3 else Image.Resampling.LANCZOS
    return whole if size == whole.size else whole.resize(size, filter_)
