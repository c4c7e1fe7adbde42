"""Text in images: Pillow's built-in font where it has the letters, a font of the system where not."""

import math
import unicodedata
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Asked for by name in the system's font folders, first found first used; none of them has to be there.
_WIDER_FONTS = (
    "NotoSans-Regular.ttf",
    "DejaVuSans.ttf",
    "NotoSansCJK-Regular.ttc",
    "WenQuanYi Micro Hei.ttf",
    "wqy-microhei.ttc",
    "Arial Unicode.ttf",
    "msyh.ttc",
    "arial.ttf",
    "Arial.ttf",
)
_NOT_A_CHARACTER = "\uffff"


@lru_cache(maxsize=64)
def font(size: int) -> Font:
    """The built-in font, ``size`` pixels high."""
    return ImageFont.load_default(size)


def drawable(text: str, size: int, fallback: str = "?") -> tuple[str, Font]:
    """What to draw for ``text``, and with which font.

    Line breaks and repeated spaces become one space. If no font at hand has all letters, accents are left
    out, then letters, as long as half of them remain; else ``fallback`` stands in for the whole text.
    """
    text = " ".join(text.split())
    plain = _without_accents(text)
    for wording in (text, plain):
        for candidate in (font(size), *_wider_fonts(size)):
            if all(_has(candidate, letter) for letter in set(wording)):
                return wording, candidate
    known = "".join(letter for letter in plain if _has(font(size), letter)).strip()
    return (known if 2 * len(known) >= len(plain) else fallback), font(size)


def shortened(text: str, chosen: Font, width: float) -> str:
    """``text``, cut with three dots at the end if it is wider than ``width`` pixels."""
    if chosen.getlength(text) <= width:
        return text
    while text and chosen.getlength(text + "...") > width:
        text = text[:-1]
    return text.rstrip() + "..."


@lru_cache(maxsize=64)
def _wider_fonts(size: int) -> tuple[Font, ...]:
    found = []
    for name in _WIDER_FONTS:
        try:
            found.append(ImageFont.truetype(name, size))
        except OSError:
            continue
    return tuple(found)


@lru_cache(maxsize=4096)
def _has(chosen: Font, letter: str) -> bool:
    """A letter that a font lacks is drawn like a code point that is none."""
    if letter.isspace():
        return True
    if unicodedata.category(letter).startswith("C"):
        return False
    try:
        drawn = _drawn(chosen, letter)
        return drawn.getbbox() is not None and drawn != _drawn(chosen, _NOT_A_CHARACTER)
    except (UnicodeEncodeError, OSError):
        return False


def _drawn(chosen: Font, letter: str) -> Image.Image:
    left, top, right, bottom = chosen.getbbox(letter)
    image = Image.new("L", (max(1, math.ceil(right - left)), max(1, math.ceil(bottom - top))))
    ImageDraw.Draw(image).text((-left, -top), letter, fill=255, font=chosen)
    return image


def _without_accents(text: str) -> str:
    parts = unicodedata.normalize("NFKD", text)
    return "".join(part for part in parts if not unicodedata.combining(part))
