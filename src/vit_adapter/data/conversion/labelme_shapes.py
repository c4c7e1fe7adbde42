"""The shapes that labelme and X-AnyLabeling write, as pixels."""

import base64
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vit_adapter.annotations import ellipse_outline, polygon_mask, stroke_mask
from vit_adapter.config import InputError
from vit_adapter.images import read_mask

from .labelled import stroke, window_mask
from .problems import WITHOUT_AREA

FOUR_CORNERS = ("rotation", "oriented_rectangle", "quadrilateral")
DRAWN = ("polygon", "rectangle", *FOUR_CORNERS, "circle", "mask")


def shape_type(shape: dict[str, Any]) -> str:
    """Its type; a polygon where none is named, as in old files."""
    return " ".join(str(shape.get("shape_type") or "").split()) or "polygon"


def shape_mask(shape: dict[str, Any], size: tuple[int, int], line_width: float | None = None) -> np.ndarray:
    """A shape as bool [H, W], by the rule for COCO polygons.

    A rectangle has two opposite corners (labelme) or all four (X-AnyLabeling); "rotation", "oriented_rectangle" and
    "quadrilateral" have four; a circle its centre and a point on it; a mask a PNG in base64 and its corners.

    Args:
        shape: With ``points`` [[x, y], ...] in pixels and ``shape_type``.
        size: (height, width) in pixels.
        line_width: Pixels that lines are wide, and points across; None: they have no area.

    Raises:
        InputError: For a type without an area or an unknown one, and points that do not fit the type.
    """
    kind = shape_type(shape)
    if kind in WITHOUT_AREA:
        return _stroke(shape, kind, size, line_width)
    if kind == "cuboid":
        raise InputError("a cuboid is a box in space, which does not say which pixels belong to the object")
    if kind not in DRAWN:
        raise InputError(f"the shape type {kind!r} is not known, expected {', '.join(DRAWN)}")
    points = _points(shape)
    if kind == "polygon":
        return polygon_mask(points.ravel().tolist(), size)
    if kind == "rectangle" and len(points) == 2:
        (x0, y0), (x1, y1) = points.tolist()
        return polygon_mask([x0, y0, x0, y1, x1, y1, x1, y0], size)
    if kind in ("rectangle", *FOUR_CORNERS):
        if len(points) != 4:
            wanted = "2 opposite corners or all 4" if kind == "rectangle" else "its 4 corners"
            raise InputError(f"a {kind} of {len(points)} points, expected {wanted}")
        return polygon_mask(points.ravel().tolist(), size)
    if len(points) != 2 or not np.isfinite(points).all():
        raise InputError(f"a {kind} of {len(points)} points, expected 2 finite ones")
    if kind == "mask":
        return _pasted(shape, points, size)
    (x0, y0), (x1, y1) = points.tolist()
    radius = math.hypot(x1 - x0, y1 - y0)
    return polygon_mask(ellipse_outline(x0, y0, radius, radius), size)


def _stroke(shape: dict[str, Any], kind: str, size: tuple[int, int], line_width: float | None) -> np.ndarray:
    points = _points(shape) if line_width is not None else np.zeros((0, 2))
    if kind not in ("point", "points"):
        return stroke(points.ravel().tolist(), kind, line_width)(size)
    if line_width is None:
        return stroke([], kind, None)(size)
    return np.logical_or.reduce([stroke_mask(point, line_width, size) for point in points])


def _points(shape: dict[str, Any]) -> np.ndarray:
    """[N, 2]."""
    try:
        points = np.asarray(shape.get("points"), dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        points = None
    if points is None or points.ndim != 2 or points.shape[1] != 2:
        raise InputError("points that are not pairs of numbers")
    return points


def _pasted(shape: dict[str, Any], points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask that labelme stored itself: a PNG in base64, put at the first point."""
    try:
        with as_file(base64.b64decode(shape["mask"]), ".png") as file:
            part = read_mask(file, max_pixels=max(size[0] * size[1], 1)).values > 0
    except (KeyError, TypeError, ValueError):  # an InputError is a ValueError
        raise InputError("a mask that is not a PNG in base64") from None
    left, top = (int(value) for value in points[0])
    if part.ndim != 2:
        raise InputError("a mask with colours, expected one value at each pixel")
    return window_mask(part, left, top, size)


@contextmanager
def as_file(content: bytes, suffix: str) -> Iterator[Path]:
    """Content as a file, since all images go through the one reader, with its limits."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"content{suffix}"
        file.write_bytes(content)
        yield file
