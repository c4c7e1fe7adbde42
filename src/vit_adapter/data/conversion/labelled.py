"""What a labelling tool wrote, in one form for all tools: images with shapes that can be drawn."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import TypeAlias

import numpy as np

from vit_adapter.annotations import polygon_mask, stroke_mask
from vit_adapter.config import InputError

from ..file_tree import composed
from ..layouts.layout import SPLIT_NAMES, TEST_NAMES

Size: TypeAlias = tuple[int, int]
"""(height, width) in pixels."""

Draw: TypeAlias = Callable[[Size], np.ndarray]
"""From the size of the image to the shape's pixels, bool [H, W]; raises InputError for what cannot be drawn."""

IGNORED = "__ignore__"
"""Label of pixels that count nowhere; the name is labelme's."""


@dataclass(frozen=True)
class Shape:
    """One shape that somebody drew.

    Attributes:
        where: File and number, for messages.
        label: Its class; "": it has none.
        draw: Its pixels.
        kind: What ``--skip`` has to name where it cannot be drawn.
        group: Shapes of one image with the same label and group are one object; None: it is one by itself.
        depth: Those of a larger number lie above; of equal ones the later.
        crowd: A region of many objects that were not drawn one by one.
        box: It is a box around an object, of which its pixels are only a part.
        region: It is a part of the image of one class, and may show none or several objects.
    """

    where: str
    label: str
    draw: Draw
    kind: str = "broken"
    group: Hashable = None
    depth: float = 0
    crowd: bool = False
    box: bool = False
    region: bool = False


@dataclass(frozen=True)
class LabelledImage:
    """An image with its shapes.

    Attributes:
        where: What a message calls it.
        file: Annotation file.
        names: Ways to name its file below one of the places, the best first.
        size: (height, width) as the annotation states them; None: it does not.
        shapes: In the order of the file.
        places: Folders in which it may be.
        part: "train", "val", "test"; "": the tool does not say.
        content: Gives the content of its file and its (height, width), where it is in no file of its own; raises
            InputError.
    """

    where: str
    file: Path
    names: Sequence[Path]
    size: tuple[int | None, int | None]
    shapes: Sequence[Shape]
    places: Sequence[Path]
    part: str = ""
    content: Callable[[], tuple[bytes, Size]] | None = None


@dataclass
class Labelled:
    """All that a labelling tool wrote.

    Attributes:
        root: The file or folder that was given.
        images: Its images.
        classes: Labels in the order of the tool's own list; None: it has none, and they are sorted.
        classes_from: File of that list, for messages.
        on_top: What lies over what, such as "the later shape".
        problems: Kind (see ``problems.KINDS``) and line of what else cannot be converted, such as unreadable files.
        remarks: One line each about what was understood or left out on the way.
    """

    root: Path
    images: list[LabelledImage] = field(default_factory=list)
    classes: list[str] | None = None
    classes_from: Path | None = None
    on_top: str = "the later shape"
    problems: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def image_names(text: str) -> list[Path]:
    """Ways to find an image by the path that an annotation has for it; none of them leaves a folder.

    The path may be one of another machine: its last parts are tried, too, the longest first.
    """
    path = PureWindowsPath(text)
    parts = path.parts[1:] if path.anchor else path.parts
    if ".." in parts:
        parts = parts[-1:] if parts[-1] != ".." else ()
    return [Path(*parts[start:]) for start in range(len(parts))][-MOST_PARTS:]


MOST_PARTS = 12


def polygon(points: Sequence[float]) -> Draw:
    """Draws a flat polygon by COCO's rule."""
    return lambda size: polygon_mask(points, size)


def polygon_with_holes(outside: Sequence[float], holes: Sequence[Sequence[float]]) -> Draw:
    """Draws a flat polygon without the flat polygons inside it."""

    def draw(size: Size) -> np.ndarray:
        mask = polygon_mask(outside, size)
        for hole in holes:
            mask &= ~polygon_mask(hole, size)
        return mask

    return draw


def stroke(points: Sequence[float], what: str, line_width: float | None) -> Draw:
    """Draws a line, or a single point, with a width; without one it says that there is no area."""

    def draw(size: Size) -> np.ndarray:
        if line_width is None:
            raise InputError(
                f"a {what!r} has no area, so it covers no pixel (--line-width N draws it N pixels wide)"
            )
        return stroke_mask(points, line_width, size)

    return draw


def undrawable(reason: str) -> Draw:
    """Says why there is nothing to draw."""

    def draw(size: Size) -> np.ndarray:
        raise InputError(reason)

    return draw


def window_mask(part: np.ndarray, left: int, top: int, size: Size) -> np.ndarray:
    """A mask bool [h, w] put into an image.

    Raises:
        InputError: It leaves the image.
    """
    height, width = part.shape
    if left < 0 or top < 0 or top + height > size[0] or left + width > size[1]:
        raise InputError(f"a mask of {width}x{height} pixels at ({left}, {top}) that leaves the image")
    whole = np.zeros(size, bool)
    whole[top : top + height, left : left + width] = part
    return whole


def number(value: object, what: str) -> float:
    """A finite number out of a file.

    Raises:
        InputError: It is something else.
    """
    try:
        found = float(value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError, OverflowError):
        found = float("nan")
    if isinstance(value, bool) or not np.isfinite(found):
        raise InputError(f"{what} {shortened(value)}, expected a number")
    return found


def whole_number(value: object, what: str) -> int:
    """A whole number out of a file; errors as for ``number``."""
    found = number(value, what)
    if found != int(found):
        raise InputError(f"{what} {shortened(value)}, expected a whole number")
    return int(found)


def point_list(points: object, scale: tuple[float, float] = (1, 1)) -> list[float]:
    """Pairs [[x, y], ...] out of a file as a flat list, each multiplied by (x, y) of the scale.

    Raises:
        InputError: They are something else.
    """
    if not isinstance(points, (list, tuple)) or not all(
        isinstance(point, (list, tuple)) and len(point) == 2 for point in points
    ):
        raise InputError("points that are not pairs of numbers")
    return [number(value, "the coordinate") * by for point in points for value, by in zip(point, scale)]


def shortened(value: object) -> str:
    """The value for a message, not all of a long one."""
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**30 else "a number of many digits"
    return text if len(text) <= 60 else text[:57] + "..."


def clean_label(text: str) -> str:
    """A label as one line that every file can hold, accents in one character with their letter.

    Systems differ in accents, their readers do not; spaces of any kind count as one.
    """
    words = " ".join(text.replace("\0", " ").split())
    return composed(words.encode("utf-8", "backslashreplace").decode("utf-8"))


def part_of(text: str) -> str:
    """ "train", "val" or "test" of the name that a tool has for a part; "" for any other."""
    known = {**SPLIT_NAMES, "test": TEST_NAMES}
    return next((part for part, names in known.items() if text.strip().lower() in names), "")
