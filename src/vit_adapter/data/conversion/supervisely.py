"""Supervisely's projects: polygons with holes, bitmaps, rectangles, lines and points."""

import base64
import binascii
import io
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vit_adapter.annotations import polygon_mask, rectangle_outline, stroke_mask
from vit_adapter.config import InputError
from vit_adapter.images.loading import load_file

from ..file_tree import files_below
from .labelled import (
    Draw,
    Labelled,
    LabelledImage,
    Shape,
    Size,
    part_of,
    point_list,
    shortened,
    stroke,
    undrawable,
    whole_number,
    window_mask,
)
from .text_files import read_json

WITHOUT_PIXELS = {"cuboid": "cuboid", "cuboid_2d": "cuboid", "graph": "skeleton"}
PNG_ROOM = 65536  # bytes that a PNG may have beside four for each pixel


def read_supervisely(files: Sequence[Path], root: Path, line_width: float | None = None) -> Labelled:
    """Reads a project of Supervisely.

    Coordinates are numbers of pixels: a corner stands for the middle of its pixel, a rectangle has the pixels of both
    its corners.

    Args:
        files: ``meta.json`` of the project.
        root: Its folder, with ``DATASET/ann/*.json`` and ``DATASET/img``.
        line_width: Pixels that lines are wide, and points across; None: they have no area.

    Raises:
        InputError: The project's description cannot be read, or there is no annotation.
    """
    labelled = Labelled(root, classes=_class_names(files[0]), classes_from=files[0])
    base = files[0].parent
    found = [file for file in files_below(base, ".json") if file.parent.name == "ann"]
    several = len({file.parent for file in found}) > 1
    for file in found:
        try:
            labelled.images.append(_image(file, base, several, line_width))
        except InputError as error:
            labelled.problems.append(("unreadable", str(error)))
    if not found:
        raise InputError(f"{root}: holds no annotation of Supervisely (DATASET/ann/*.json)")
    return labelled


def _class_names(file: Path) -> list[str]:
    content = read_json(file)
    classes = content.get("classes") if isinstance(content, dict) else None
    if not isinstance(classes, list) or not all(isinstance(some, dict) for some in classes):
        raise InputError(f"{file}: has no list 'classes', so it is no meta.json of Supervisely")
    names = [some.get("title") for some in classes]
    if not all(isinstance(name, str) for name in names):
        raise InputError(f"{file}: has a class without a title")
    return names


def _image(file: Path, base: Path, several: bool, line_width: float | None) -> LabelledImage:
    content = read_json(file)
    objects = content.get("objects") if isinstance(content, dict) else None
    if not isinstance(objects, list):
        raise InputError(f"{file}: has no list 'objects', so it is no annotation of Supervisely")
    shapes = []
    for position, item in enumerate(objects, start=1):
        item = item if isinstance(item, dict) else {}
        kind, draw = _drawing(item, line_width)
        label = item.get("classTitle")
        shapes.append(
            Shape(
                f"{file}: object {position}",
                label if isinstance(label, str) else "",
                draw,
                kind,
                box=item.get("geometryType") == "rectangle",
            )
        )
    dataset = file.parent.parent
    place = dataset / "img"
    inside = dataset.relative_to(base)
    names = [Path(file.stem)]
    if not (place / file.stem).is_file():  # older projects leave the suffix of the image out
        names += sorted(Path(path.name) for path in place.glob(f"{_literal(file.stem)}.*"))
    # Data sets of a project may hold images of the same names.
    if several and not part_of(dataset.name):
        place, names = base, [inside / "img" / name for name in names]
    size = content.get("size")
    sides = (size.get("height"), size.get("width")) if isinstance(size, dict) else (None, None)
    stated = tuple(side if type(side) is int and side > 0 else None for side in sides)
    return LabelledImage(
        str(file), file, names, (stated[0], stated[1]), shapes, [place], part_of(dataset.name)
    )


def _literal(name: str) -> str:
    """The name for a pattern in which nothing is special."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _drawing(item: dict[str, Any], line_width: float | None) -> tuple[str, Draw]:
    kind = str(item.get("geometryType") or ("bitmap" if item.get("bitmap") else "polygon"))
    if kind in ("line", "polyline"):
        if line_width is None:
            return "line", stroke([], "line", None)
        return "line", lambda size: stroke_mask(_outside(item, 0.5), line_width, size)
    if kind == "point":
        if line_width is None:
            return "point", stroke([], "point", None)
        return "point", lambda size: stroke_mask(_outside(item, 0.5)[:2], line_width, size)
    if kind in WITHOUT_PIXELS:
        return WITHOUT_PIXELS[kind], undrawable(f"a {kind!r} does not say which pixels it covers")
    if kind not in SHAPES:
        return "unknown", undrawable(
            f"the geometry {shortened(kind)} is not known, expected {', '.join(SHAPES)}"
        )
    return "broken", lambda size: SHAPES[kind](item, size)


def _points(item: dict[str, Any], key: str) -> Any:
    points = item.get("points")
    if not isinstance(points, dict):
        raise InputError("no points")
    return points.get(key) or []


def _outside(item: dict[str, Any], offset: float) -> list[float]:
    return [value + offset for value in point_list(_points(item, "exterior"))]


def _polygon(item: dict[str, Any], size: Size) -> np.ndarray:
    mask = polygon_mask(_outside(item, 0.5), size)
    holes = _points(item, "interior")
    for hole in holes if isinstance(holes, list) else [None]:
        mask &= ~polygon_mask([value + 0.5 for value in point_list(hole)], size)
    return mask


def _rectangle(item: dict[str, Any], size: Size) -> np.ndarray:
    corners = _outside(item, 0)
    if len(corners) != 4:
        raise InputError(f"a rectangle of {len(corners) // 2} points, expected 2 opposite corners")
    left, right = sorted(corners[::2])
    top, bottom = sorted(corners[1::2])
    return polygon_mask(rectangle_outline(left, top, right + 1 - left, bottom + 1 - top), size)


def _bitmap(item: dict[str, Any], size: Size) -> np.ndarray:
    """A PNG, packed by zlib and base64, at an origin."""
    bitmap = item.get("bitmap")
    bitmap = bitmap if isinstance(bitmap, dict) else {}
    origin = bitmap.get("origin")
    if not isinstance(bitmap.get("data"), str) or not isinstance(origin, list) or len(origin) != 2:
        raise InputError("a bitmap without data or origin [x, y]")
    left, top = (whole_number(value, "the origin has") for value in origin)
    return window_mask(_unpacked(bitmap["data"], size), left, top, size)


def _unpacked(text: str, size: Size) -> np.ndarray:
    """What is set: where an alpha channel is there, what is not transparent; else what is not 0."""
    most = 4 * size[0] * size[1] + PNG_ROOM
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InputError("a bitmap that is not base64") from None
    if content[:4] != b"\x89PNG":
        unpacker = zlib.decompressobj()
        try:
            content = unpacker.decompress(content, most)
        except zlib.error:
            raise InputError("a bitmap that is not packed by zlib") from None
        if unpacker.unconsumed_tail:
            raise InputError(f"a bitmap of more than {most} bytes, too many for {size[1]}x{size[0]} pixels")
        if not unpacker.eof:
            raise InputError("a bitmap that ends too early")
    try:
        decoded = load_file(Path("bitmap"), False, max(size[0] * size[1], 1), io.BytesIO(content))
    except InputError:
        raise InputError("a bitmap that is no PNG, or one larger than the image") from None
    image = decoded.image
    if image is None:
        raise InputError("a bitmap that is no PNG")
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        return np.asarray(image.convert("RGBA"))[..., 3] > 0
    values = np.asarray(image)
    return np.asarray(values > 0 if values.ndim == 2 else values.any(axis=-1))


SHAPES: dict[str, Callable[[dict[str, Any], Size], np.ndarray]] = {
    "polygon": _polygon,
    "rectangle": _rectangle,
    "bitmap": _bitmap,
}
