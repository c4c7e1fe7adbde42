"""Objects over an image: filled, outlined, and with what they are written beside them."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from .overlay import check_alpha, displayable
from .text import drawable

LEGIBLE_SIDE = 512
"""Smaller images are enlarged by a whole factor to about this long side."""
SMALLEST_WRITTEN = 256
"""In images of a shorter long side words would hide what they name, so there are none."""

INK, PAPER = (255, 255, 255), (20, 22, 25)


def draw_objects(
    image: np.ndarray,
    masks: Sequence[np.ndarray],
    boxes: np.ndarray,
    colours: np.ndarray,
    texts: Sequence[str],
    alpha: float = 0.5,
    enlarge: bool = True,
) -> Image.Image:
    """Draws objects, the first ones on top.

    What an object is, is written at its upper left corner where there is room: words never cover each other, so those
    of small objects in a crowd are left out.

    Args:
        image: [H, W, C], see ``visualization.overlay``.
        masks: bool [h, w] of each of N objects: what lies inside its box.
        boxes: float [N, 4], left, top, right, bottom in whole pixels, ends exclusive.
        colours: uint8 [N, 3].
        texts: N words.
        alpha: Opacity of the fillings, 0 to 1.
        enlarge: Small images are enlarged by a whole factor; False: the image keeps its size.

    Raises:
        InputError: The opacity lies outside 0 to 1.
    """
    check_alpha(alpha)
    shown = displayable(image).copy()
    height, width = shown.shape[:2]
    factor = max(1, round(LEGIBLE_SIDE / max(height, width))) if enlarge else 1
    if factor > 1:
        size = (width * factor, height * factor)
        shown = np.array(Image.fromarray(shown).resize(size, Image.Resampling.BICUBIC))
    thick = max(1, round(max(shown.shape) / 700))
    for mask, box, colour in reversed(list(zip(masks, boxes, colours, strict=True))):
        left, top, right, bottom = box.astype(int).tolist()
        if right <= left or bottom <= top:
            continue
        inside = mask
        if factor > 1:
            inside = mask.repeat(factor, axis=0).repeat(factor, axis=1)
        part = shown[top * factor : bottom * factor, left * factor : right * factor]
        filled = part[inside] * (1 - alpha) + colour * alpha
        part[inside] = filled.astype(np.uint8)
        part[inside & ~_shrunk(inside, thick)] = _outline(colour)
    drawn = Image.fromarray(shown)
    if max(drawn.size) >= SMALLEST_WRITTEN:
        _write(drawn, boxes * factor, colours, texts)
    return drawn


def _shrunk(inside: np.ndarray, width: int) -> np.ndarray:
    """A mask without its outermost ``width`` pixels; outside of the array there is nothing of it."""
    for _ in range(width):
        padded = np.pad(inside, 1)
        inside = inside & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inside


def _outline(colour: np.ndarray) -> np.ndarray:
    """A light form of a colour, seen on dark and on coloured ground."""
    return (colour // 4 + 191).astype(np.uint8)


def _write(image: Image.Image, boxes: np.ndarray, colours: np.ndarray, texts: Sequence[str]) -> None:
    letter = max(11, round(max(image.size) / 55))
    draw = ImageDraw.Draw(image)
    taken: list[tuple[float, float, float, float]] = []
    for box, colour, text in zip(boxes.tolist(), colours.tolist(), texts, strict=True):
        if not text:
            continue
        words, font = drawable(text, letter)
        wide, high = font.getlength(words) + letter * 0.6, letter * 1.35
        if wide > 2.5 * (box[2] - box[0]) and len(texts) > 12:
            continue  # a word much wider than its object would point at its neighbours
        left = min(max(0.0, box[0]), max(0.0, image.width - wide))
        top = max(0.0, box[1] - high)
        place = (left, top, left + wide, top + high)
        if any(
            place[0] < x1 and x0 < place[2] and place[1] < y1 and y0 < place[3] for x0, y0, x1, y1 in taken
        ):
            continue
        taken.append(place)
        dark = sum(colour) < 380
        draw.rectangle(place, fill=tuple(colour))
        draw.text(
            (left + letter * 0.3, top + high / 2), words, fill=INK if dark else PAPER, font=font, anchor="lm"
        )
