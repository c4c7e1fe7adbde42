"""VGG Image Annotator (VIA): projects and annotations of version 1 and 2 as JSON or CSV, projects of version 3."""

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vit_adapter.annotations import ellipse_outline, polygon_mask, rectangle_outline, stroke_mask
from vit_adapter.config import InputError

from ..class_files import read_text
from .labelled import (
    Draw,
    Labelled,
    LabelledImage,
    Shape,
    Size,
    image_names,
    number,
    shortened,
    stroke,
    undrawable,
)
from .text_files import read_json
from .via3 import via3_files

CLASS_KEYS = ("class", "label", "category", "class_name", "type", "name", "object")
"""Region attributes that are taken for the class, in this order."""

MARKS = ("_via_img_metadata", "regions", "region_shape_attributes")


def read_via(
    files: Sequence[Path], root: Path, line_width: float | None = None, label_key: str | None = None
) -> Labelled:
    """Reads files of VIA.

    Args:
        files: JSON or CSV files.
        root: The file or folder that was given.
        line_width: Pixels that lines are wide, and points across; None: they have no area.
        label_key: Region attribute that holds the class; None: the one that is called like a class, or the only one.

    Raises:
        InputError: A file is none of VIA, or of several attributes none is called like a class.
    """
    labelled = Labelled(root)
    entries: list[tuple[Path, dict[str, Any]]] = []
    for file in files:
        entries += [(file, entry) for entry in _entries(file)]
    regions = [region for _, entry in entries for region in entry["regions"]]
    known = sorted({name for region in regions for name in region["attributes"]})
    if label_key is not None and label_key not in known:
        raise InputError(
            f"--label-key {label_key}: no region has it, but {', '.join(known) or 'none at all'}"
        )
    key = label_key or _label_key([region["attributes"] for region in regions], root)
    for position, (file, entry) in enumerate(entries, start=1):
        name = entry["filename"] if isinstance(entry["filename"], str) else ""
        where = f"{file}: image {name or position}"
        shapes = [
            _shape(region, f"{where}: region {n}", key, line_width)
            for n, region in enumerate(entry["regions"], start=1)
        ]
        places = [file.parent, file.parent / "images", file.parent.parent, file.parent.parent / "images"]
        labelled.images.append(LabelledImage(where, file, image_names(name), (None, None), shapes, places))
    return labelled


def _entries(file: Path) -> list[dict[str, Any]]:
    """One for each image: "filename" and "regions", each with "shape" and "attributes"."""
    if file.suffix.lower() == ".csv":
        return _csv_entries(file)
    content = read_json(file)
    if isinstance(content, dict) and {"file", "view", "metadata"} <= content.keys():
        return via3_files(content, file)
    if isinstance(content, dict) and isinstance(content.get("_via_img_metadata"), dict):
        content = content["_via_img_metadata"]
    values = list(content.values()) if isinstance(content, dict) else []
    if not values or not all(isinstance(value, dict) and "regions" in value for value in values):
        raise InputError(f"{file}: is no project or list of annotations of VIA")
    return [{"filename": value.get("filename"), "regions": _regions(value["regions"])} for value in values]


def _regions(regions: Any) -> list[dict[str, Any]]:
    """A list, or in version 1 a mapping of numbers."""
    found: Iterable[Any] = regions.values() if isinstance(regions, dict) else ()
    if isinstance(regions, list):
        found = regions
    kept = [region if isinstance(region, dict) else {} for region in found]
    return [
        {
            "shape": _mapping(region.get("shape_attributes")),
            "attributes": _mapping(region.get("region_attributes")),
        }
        for region in kept
    ]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _csv_entries(file: Path) -> list[dict[str, Any]]:
    rows = csv.DictReader(line for line in read_text(file).splitlines() if not line.startswith("#"))
    wanted = {"filename", "region_shape_attributes", "region_attributes"}
    fields = {name.strip("# "): name for name in rows.fieldnames or ()}
    if not wanted <= fields.keys():
        raise InputError(f"{file}: expected the columns {', '.join(sorted(wanted))} of VIA's CSV")
    entries: dict[str, dict[str, Any]] = {}
    for row in rows:
        entry = entries.setdefault(
            row[fields["filename"]] or "", {"filename": row[fields["filename"]], "regions": []}
        )
        try:
            shape, attributes = (
                json.loads(row[fields[name]] or "{}")
                for name in ("region_shape_attributes", "region_attributes")
            )
        except (ValueError, RecursionError):
            raise InputError(f"{file}: line {rows.line_num}: a region that is not JSON") from None
        if shape:  # an image without a region has a row, too
            entry["regions"].append({"shape": _mapping(shape), "attributes": _mapping(attributes)})
    return list(entries.values())


def _label_key(attributes: Sequence[Mapping[str, Any]], root: Path) -> str:
    names = list(dict.fromkeys(name for some in attributes for name in some))
    known = {name.strip().lower(): name for name in reversed(names)}
    found = next((known[key] for key in CLASS_KEYS if key in known), None)
    if found is None and len(names) > 1:
        raise InputError(
            f"{root}: regions have the attributes {', '.join(map(repr, names[:8]))}, and nothing says which one is the "
            "class; --label-key NAME does"
        )
    return found or (names[0] if names else "")


def _label(value: Any) -> str:
    """A text, or of check boxes the only one that is ticked."""
    if isinstance(value, dict):
        ticked = [name for name, on in value.items() if on]
        return ticked[0] if len(ticked) == 1 else ""
    return str(value) if isinstance(value, (str, int)) else ""


def _shape(region: dict[str, Any], where: str, key: str, line_width: float | None) -> Shape:
    kind, draw = _drawing(region["shape"], line_width)
    return Shape(
        where, _label(region["attributes"].get(key)), draw, kind, box=region["shape"].get("name") == "rect"
    )


def _drawing(shape: dict[str, Any], line_width: float | None) -> tuple[str, Draw]:
    name = shape.get("name")
    if name in ("polyline", "line"):
        return "line", stroke([], "line", None) if line_width is None else lambda size: stroke_mask(
            _points(shape), line_width, size
        )
    if name == "point":
        return "point", stroke([], "point", None) if line_width is None else lambda size: stroke_mask(
            _numbers(shape, "cx", "cy"), line_width, size
        )
    draw = SHAPES.get(name) if isinstance(name, str) else None
    if draw is None:
        return "unknown", undrawable(
            f"the shape type {shortened(name)} is not known, expected {', '.join(SHAPES)}"
        )
    return "broken", lambda size: draw(shape, size)


def _numbers(shape: dict[str, Any], *names: str) -> list[float]:
    return [number(shape.get(name), name) for name in names]


def _points(shape: dict[str, Any]) -> list[float]:
    across, down = shape.get("all_points_x"), shape.get("all_points_y")
    if not isinstance(across, list) or not isinstance(down, list) or len(across) != len(down):
        raise InputError("all_points_x and all_points_y that are not two lists of the same length")
    return [number(value, "the coordinate") for point in zip(across, down) for value in point]


def _rectangle(shape: dict[str, Any], size: Size) -> np.ndarray:
    left, top, width, height = _numbers(shape, "x", "y", "width", "height")
    return polygon_mask(rectangle_outline(left, top, width, height), size)


def _circle(shape: dict[str, Any], size: Size) -> np.ndarray:
    x, y, radius = _numbers(shape, "cx", "cy", "r")
    return polygon_mask(ellipse_outline(x, y, radius, radius), size)


def _ellipse(shape: dict[str, Any], size: Size) -> np.ndarray:
    x, y, across, down = _numbers(shape, "cx", "cy", "rx", "ry")
    turn = math.degrees(math.fmod(number(shape.get("theta") or 0, "theta"), 2 * math.pi))
    return polygon_mask(ellipse_outline(x, y, across, down, turn), size)


SHAPES = {
    "polygon": lambda shape, size: polygon_mask(_points(shape), size),
    "rect": _rectangle,
    "circle": _circle,
    "ellipse": _ellipse,
}
