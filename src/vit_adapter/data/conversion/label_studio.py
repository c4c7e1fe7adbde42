"""Label Studio's JSON and JSON-MIN: brushes, polygons, rectangles, ellipses and key points, in percent of the image."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from vit_adapter.annotations import ellipse_outline, polygon_mask, rectangle_outline, stroke_mask
from vit_adapter.config import InputError
from vit_adapter.images.listing import IMAGE_SUFFIXES

from .brush import brush_mask
from .labelled import (
    Draw,
    Labelled,
    LabelledImage,
    Shape,
    Size,
    image_names,
    number,
    point_list,
    stroke,
    undrawable,
)
from .text_files import read_json

UPLOAD_PREFIX = re.compile(r"[0-9a-f]{8}-(?=.)")  # what an upload puts before the name of a file
OVER = 1.0  # percent by which a corner may lie outside the image: pens slip over its border


def read_label_studio(files: Sequence[Path], root: Path, line_width: float | None = None) -> Labelled:
    """Reads exports of Label Studio.

    Args:
        files: The JSON files.
        root: The file or folder that was given.
        line_width: Pixels that key points are across; None: they have no area.

    Returns:
        Images with shapes. Of several annotations of an image the one marked as ground truth counts, else the first;
        the others are problems. Cancelled ones and predictions are left out.

    Raises:
        InputError: A file is no such JSON.
    """
    labelled = Labelled(root)
    without = 0
    for file in files:
        tasks = read_json(file)
        if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
            raise InputError(
                f"{file}: is not a list of tasks, so it is no export of Label Studio (JSON or JSON-MIN)"
            )
        for position, task in enumerate(tasks, start=1):
            where = f"{file}: task {task.get('id', position)}"
            image = _image_of(task.get("data") if "data" in task else task)
            if image is None:
                labelled.problems.append(("unreadable", f"{where} names no image, or several"))
                continue
            regions = _regions(task, where, labelled)
            if regions is None:
                without += 1
                continue
            labelled.images.append(_image(where, file, image, regions, line_width))
    if without:
        labelled.remarks.append(f"tasks without an annotation: {without}, not converted")
    return labelled


def _image_of(data: Any) -> str | None:
    """The one image of a task; the key can have any name."""
    if not isinstance(data, Mapping):
        return None
    found = {
        key: value
        for key, value in data.items()
        if isinstance(value, str) and PurePosixPath(_path(value)).suffix.lower() in IMAGE_SUFFIXES
    }
    if isinstance(found.get("image"), str):
        return found["image"]
    return next(iter(found.values())) if len(found) == 1 else None


def _path(address: str) -> str:
    """The path in an address: of a file, of an upload, of local storage (``?d=``), of a bucket."""
    try:
        parts = urlsplit(address)
        inner = parse_qs(parts.query).get("d")
    except ValueError:  # such as an unfinished IPv6 address
        return address
    return inner[0] if inner else unquote(parts.path)


def _regions(task: Mapping[str, Any], where: str, labelled: Labelled) -> list[dict[str, Any]] | None:
    """The regions of a task, each with "value", "original_width", "original_height"; None: nobody annotated it."""
    annotations = task.get("annotations", task.get("completions"))
    if not isinstance(annotations, list):
        return _minimal_regions(task)
    valid = [a for a in annotations if isinstance(a, dict) and not a.get("was_cancelled")]
    if not valid:
        return None
    truths = [a for a in valid if a.get("ground_truth")]
    chosen = truths[0] if len(truths) == 1 else valid[0]
    for other in valid:
        if other is not chosen:
            labelled.problems.append(
                ("double", f"{where}: annotation {other.get('id')} is beside annotation {chosen.get('id')}")
            )
    results = chosen.get("result")
    return _with_labels(r for r in results if isinstance(r, dict)) if isinstance(results, list) else []


def _with_labels(results: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Regions, joined with the labels that a tag of its own gave to the same id."""
    joined: dict[Any, dict[str, Any]] = {}
    for position, result in enumerate(results):
        value = result.get("value")
        if not isinstance(value, dict) or "original_width" not in result:
            continue  # about the whole image, such as choices
        key = result.get("id") if isinstance(result.get("id"), str) else position
        before = joined.get(key)
        joined[key] = result if before is None else {**before, "value": {**before["value"], **value}}
    return list(joined.values())


def _minimal_regions(task: Mapping[str, Any]) -> list[dict[str, Any]]:
    """JSON-MIN: values stand in lists below the names of the tags."""
    lists = [value for value in task.values() if isinstance(value, list)]
    items = [item for some in lists for item in some if isinstance(item, dict) and "original_width" in item]
    return [{**item, "value": item} for item in items]


def _image(
    where: str, file: Path, address: str, regions: Sequence[dict[str, Any]], line_width: float | None
) -> LabelledImage:
    path = _path(address)
    names = image_names(path)
    if names and UPLOAD_PREFIX.match(names[-1].name):
        names.append(Path(UPLOAD_PREFIX.sub("", names[-1].name, count=1)))
    shapes = [_shape(region, f"{where}: region {n}", line_width) for n, region in enumerate(regions, start=1)]
    size = (None, None)
    for region in regions:
        sizes = region.get("original_height"), region.get("original_width")
        if all(type(side) is int and side > 0 for side in sizes):
            size = sizes
            break
    base = file.parent
    places = [base, base / "images", base / "upload", base.parent, base.parent / "images"]
    return LabelledImage(where, file, names, size, shapes, places)


def _shape(region: dict[str, Any], where: str, line_width: float | None) -> Shape:
    value = region["value"]
    labels = [
        str(label)
        for key, some in value.items()
        if str(key).endswith("labels") and isinstance(some, list)
        for label in some
    ]
    # "image_rotation" tells how the image was shown; whatever it is, regions are stored on the image as it lies there.
    kind, draw = _drawing(value, line_width)
    if len(set(labels)) > 1:
        kind, draw = "broken", undrawable(f"has the labels {' and '.join(labels)}, and a pixel has one class")
    box = "width" in value and "height" in value and "radiusX" not in value
    return Shape(where, labels[0] if labels else "", draw, kind, box=box)


def _drawing(value: Mapping[str, Any], line_width: float | None) -> tuple[str, Draw]:
    """The kind that ``--skip`` names, and what draws it, by the fields that the value has."""
    if "rle" in value:
        return "broken", lambda size: _brush(value, size)
    if "points" in value:
        return "broken", lambda size: _polygon(value, size)
    if "radiusX" in value:
        return "broken", lambda size: _ellipse(value, size)
    if "width" in value and "height" in value:
        return "broken", lambda size: _rectangle(value, size)
    if "x" in value and "y" in value:
        if line_width is None:
            return "point", stroke([], "point", None)
        return "point", lambda size: stroke_mask(_percents(value, ("x", "y"), size), line_width, size)
    fields = ", ".join(sorted(map(str, value))) or "none"
    return "unknown", undrawable(
        f"a region that is no brush, polygon, rectangle, ellipse or key point (fields: {fields})"
    )


def _brush(value: Mapping[str, Any], size: Size) -> np.ndarray:
    if value.get("format", "rle") != "rle":
        raise InputError(f"a brush in the format {value['format']!r}, expected 'rle'")
    if not isinstance(value["rle"], list):
        raise InputError("brush run-lengths that are not a list of bytes")
    return brush_mask(value["rle"], size)


def _percents(
    value: Mapping[str, Any], names: Sequence[str], size: Size, bounded: bool = True
) -> list[float]:
    """Fields x, y (or lengths along x, y ...) in percent as pixels."""
    sides = (size[1], size[0]) * (len(names) // 2)
    found = [number(value.get(name), f"{name} is") for name in names]
    for name, percent in zip(names, found):
        if bounded and not -OVER <= percent <= 100 + OVER:
            raise InputError(f"{name} is {percent:g} percent of the image, expected 0 to 100")
    return [percent * side / 100 for percent, side in zip(found, sides)]


def _polygon(value: Mapping[str, Any], size: Size) -> np.ndarray:
    percents = point_list(value["points"])
    for percent in percents:
        if not -OVER <= percent <= 100 + OVER:
            raise InputError(f"a corner at {percent:g} percent of the image, expected 0 to 100")
    if value.get("closed") is False:
        raise InputError("a polygon that was not closed")
    return polygon_mask(point_list(value["points"], (size[1] / 100, size[0] / 100)), size)


def _ellipse(value: Mapping[str, Any], size: Size) -> np.ndarray:
    x, y, across, down = _percents(value, ("x", "y", "radiusX", "radiusY"), size)
    return polygon_mask(
        ellipse_outline(x, y, across, down, number(value.get("rotation") or 0, "rotation")), size
    )


def _rectangle(value: Mapping[str, Any], size: Size) -> np.ndarray:
    """A turned one turns about its corner, which may lie outside the image then."""
    turn = number(value.get("rotation") or 0, "rotation")
    left, top = _percents(value, ("x", "y"), size, bounded=not turn)
    width, height = _percents(value, ("width", "height"), size, bounded=not turn)
    return polygon_mask(rectangle_outline(left, top, width, height, turn, about="corner"), size)
