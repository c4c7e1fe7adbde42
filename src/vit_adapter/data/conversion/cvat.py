"""CVAT's own XML, for images and for videos (1.1): boxes, polygons, ellipses, masks, lines and points."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from vit_adapter.annotations import ellipse_outline, polygon_mask, rectangle_outline, stroke_mask
from vit_adapter.config import InputError

from .cvat_video import frames_of_tracks, with_video
from .labelled import (
    Draw,
    Labelled,
    LabelledImage,
    Shape,
    Size,
    image_names,
    number,
    part_of,
    stroke,
    undrawable,
    whole_number,
    window_mask,
)
from .text_files import read_xml

VERSIONS = ("1.0", "1.1")
NO_SHAPES = ("tag",)  # it is about the whole image


def read_cvat(
    files: Sequence[Path], root: Path, line_width: float | None = None, images: Path | None = None
) -> Labelled:
    """Reads CVAT's XML files.

    Args:
        files: The XML files; of several, label lists are joined.
        root: The file or folder that was given.
        line_width: Pixels that lines are wide, and points across; None: they have no area.
        images: Folder of the images, or the video whose frames they are; None: in the usual places.

    Returns:
        Images, or frames that show something, with shapes. Those of a higher ``z_order`` lie above; those of one label
        and ``group_id`` are one object.

    Raises:
        InputError: A file is no such XML, or is of another version.
    """
    labelled = Labelled(root, on_top="the shape of the higher z_order, else the later one")
    classes: dict[str, None] = {}
    for file in files:
        tree = read_xml(file)
        _check_kind(tree, file)
        names = _label_names(tree)
        classes |= dict.fromkeys(names)
        for position, image in enumerate(tree.iter("image"), start=1):
            labelled.images.append(_image(image, position, file, line_width))
        if tree.find("track") is not None:
            labelled.images += _frames(tree, file, line_width, images, labelled.remarks)
    labelled.classes, labelled.classes_from = list(classes) or None, files[0]
    return labelled


def _check_kind(tree: Element, file: Path) -> None:
    if tree.tag != "annotations":
        raise InputError(f"{file}: begins with <{tree.tag}>, expected CVAT's <annotations>")
    version = (tree.findtext("version") or "").strip()
    if version and version not in VERSIONS:
        raise InputError(f"{file}: is version {version!r} of CVAT's XML, expected {' or '.join(VERSIONS)}")
    if tree.find("image") is None and tree.find("track") is None:
        raise InputError(f"{file}: lists no image")


def _frames(
    tree: Element, file: Path, line_width: float | None, images: Path | None, remarks: list[str]
) -> list[LabelledImage]:
    found, bare = frames_of_tracks(tree, file, partial(_shape, line_width=line_width))
    if not found:
        raise InputError(f"{file}: no frame of its video shows an object")
    if bare:
        remarks.append(f"{file}: frames without a shape: {bare}, not converted")
    return with_video(found, tree, file, images)


def _label_names(tree: Element) -> list[str]:
    """The labels of the task, project or job; those of a skeleton's points are none."""
    labels = [label for labels in tree.iterfind("meta//labels") for label in labels.iterfind("label")]
    return [label.findtext("name") or "" for label in labels if label.find("parent") is None]


def _image(image: Element, position: int, file: Path, line_width: float | None) -> LabelledImage:
    name = image.get("name") or ""
    where = f"{file}: image {name or position}"
    subset = image.get("subset") or ""
    base = file.parent
    places = [
        base / "images",
        base,
        base / "images" / subset,
        base / subset,
        base.parent / "images",
        base.parent,
    ]
    drawn = [element for element in image if element.tag not in NO_SHAPES]
    shapes = [_shape(element, f"{where}: shape {n}", line_width) for n, element in enumerate(drawn, start=1)]
    size = _length(image, "height"), _length(image, "width")
    return LabelledImage(where, file, image_names(name), size, shapes, places, part_of(subset))


def _length(image: Element, name: str) -> int | None:
    text = image.get(name) or ""
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _shape(element: Element, where: str, line_width: float | None) -> Shape:
    kind, draw = _drawing(element, line_width)
    group = element.get("group_id") or "0"
    try:
        depth = number(element.get("z_order") or 0, "z_order")
    except InputError as error:
        kind, draw, depth = "broken", undrawable(str(error)), 0.0
    return Shape(
        where,
        element.get("label") or "",
        draw,
        kind,
        None if group == "0" else group,
        depth,
        box=element.tag == "box",
    )


def _drawing(element: Element, line_width: float | None) -> tuple[str, Draw]:
    """The kind that ``--skip`` names, and what draws it."""
    values, tag = element.attrib, element.tag
    if tag in ("polyline", "points"):
        kind = "line" if tag == "polyline" else "point"
        return kind, _strokes(values, kind, line_width)
    if tag == "cuboid":
        return "cuboid", undrawable("a cuboid is a box in space, which does not say which pixels it covers")
    if tag == "skeleton":
        return "skeleton", undrawable("a skeleton has no area")
    if tag not in SHAPES:
        return "unknown", undrawable(f"the shape type {tag!r} is not known, expected {', '.join(SHAPES)}")
    return "broken", lambda size: SHAPES[tag](values, size)


def _number(values: Mapping[str, str], name: str) -> float:
    return number(values.get(name), name)


def _points(values: Mapping[str, str]) -> list[float]:
    """Flat, of "x,y;x,y;..."."""
    pairs = [pair.split(",") for pair in (values.get("points") or "").split(";")]
    if not all(len(pair) == 2 for pair in pairs):
        raise InputError("points that are not pairs of numbers x,y;x,y;...")
    return [number(value, "the coordinate") for pair in pairs for value in pair]


def _strokes(values: Mapping[str, str], kind: str, line_width: float | None) -> Draw:
    if line_width is None:
        return stroke([], kind, None)

    def draw(size: Size) -> np.ndarray:
        points = _points(values)
        if kind == "line":
            return stroke_mask(points, line_width, size)
        discs = [stroke_mask(points[i : i + 2], line_width, size) for i in range(0, len(points), 2)]
        return np.logical_or.reduce(discs)

    return draw


def _box(values: Mapping[str, str], size: Size) -> np.ndarray:
    left, top, right, bottom = (_number(values, name) for name in ("xtl", "ytl", "xbr", "ybr"))
    turn = number(values.get("rotation") or 0, "rotation")
    return polygon_mask(rectangle_outline(left, top, right - left, bottom - top, turn), size)


def _ellipse(values: Mapping[str, str], size: Size) -> np.ndarray:
    x, y, across, down = (_number(values, name) for name in ("cx", "cy", "rx", "ry"))
    turn = number(values.get("rotation") or 0, "rotation")
    return polygon_mask(ellipse_outline(x, y, across, down, turn), size)


def _mask(values: Mapping[str, str], size: Size) -> np.ndarray:
    """Runs of outside, inside, outside ... along the rows of a window."""
    left, top, width, height = (
        whole_number(values.get(name), name) for name in ("left", "top", "width", "height")
    )
    if width <= 0 or height <= 0 or width > size[1] or height > size[0]:
        raise InputError(f"a mask of {width}x{height} pixels, but the image has {size[1]}x{size[0]}")
    counts = [whole_number(text, "a run of") for text in (values.get("rle") or "").split(",")]
    if min(counts) < 0 or sum(counts) != width * height:
        raise InputError(
            f"run lengths for {sum(counts)} pixels, but width {width} x height {height} = {width * height}"
        )
    inside = np.arange(len(counts)) % 2 == 1
    return window_mask(np.repeat(inside, counts).reshape(height, width), left, top, size)


SHAPES: dict[str, Callable[[Mapping[str, str], Size], np.ndarray]] = {
    "box": _box,
    "polygon": lambda values, size: polygon_mask(_points(values), size),
    "ellipse": _ellipse,
    "mask": _mask,
}
