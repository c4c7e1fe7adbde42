"""The shapes that labelme and X-AnyLabeling write, as pixels."""

import base64
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vit_adapter.annotations import polygon_mask
from vit_adapter.config import InputError
from vit_adapter.images import read_mask

from .problems import WITHOUT_AREA

CIRCLE_CORNERS = 128
FOUR_CORNERS = ("rotation", "oriented_rectangle", "quadrilateral")
DRAWN = ("polygon", "rectangle", *FOUR_CORNERS, "circle", "mask")


def shape_type(shape: dict[str, Any]) -> str:
    """Its type; a polygon where none is named, as in old files."""
    return str(shape.get("shape_type") or "polygon")


def shape_mask(shape: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
    """A shape as bool [H, W], by the rule for COCO polygons.

    A rectangle has two opposite corners (labelme) or all four (X-AnyLabeling); "rotation", "oriented_rectangle" and
    "quadrilateral" have four; a circle its centre and a point on it; a mask a PNG in base64 and its corners.

    Args:
        shape: With ``points`` [[x, y], ...] in pixels and ``shape_type``.
        size: (height, width) in pixels.

    Raises:
        InputError: For a type without an area or an unknown one, and points that do not fit the type.
    """
    kind = shape_type(shape)
    if kind in WITHOUT_AREA:
        raise InputError(f"a {kind!r} has no area, so it covers no pixel")
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
    angles = np.arange(CIRCLE_CORNERS) * (2 * math.pi / CIRCLE_CORNERS)
    radius = math.hypot(x1 - x0, y1 - y0)
    corners = np.stack([x0 + radius * np.cos(angles), y0 + radius * np.sin(angles)], axis=1)
    return polygon_mask(corners.ravel().tolist(), size)


def _points(shape: dict[str, Any]) -> np.ndarray:
    """[N, 2]."""
    try:
        points = np.asarray(shape.get("points"), dtype=np.float64)
    except (TypeError, ValueError):
        points = None
    if points is None or points.ndim != 2 or points.shape[1] != 2:
        raise InputError("points that are not pairs of numbers")
    return points


def _pasted(shape: dict[str, Any], points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask that labelme stored itself: a PNG in base64, put at the first point."""
    try:
        with as_file(base64.b64decode(shape["mask"]), ".png") as file:
            part = read_mask(file).values > 0
    except (KeyError, TypeError, ValueError):  # an InputError is a ValueError
        raise InputError("a mask that is not a PNG in base64") from None
    left, top = (int(value) for value in points[0])
    height, width = part.shape[:2]
    if part.ndim != 2 or left < 0 or top < 0 or top + height > size[0] or left + width > size[1]:
        raise InputError(f"a mask of {width}x{height} pixels at ({left}, {top}) that leaves the image")
    whole = np.zeros(size, dtype=bool)
    whole[top : top + height, left : left + width] = part
    return whole


@contextmanager
def as_file(content: bytes, suffix: str) -> Iterator[Path]:
    """Content as a file, since all images go through the one reader, with its limits."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"content{suffix}"
        file.write_bytes(content)
        yield file
