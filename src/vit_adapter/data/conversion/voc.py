"""Pascal VOC's XML, one file an image, as labelImg, Roboflow and others write it: boxes, some outlines."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from vit_adapter.annotations import polygon_mask, rectangle_outline
from vit_adapter.config import InputError

from ..file_tree import files_below
from .labelled import Draw, Labelled, LabelledImage, Shape, Size, image_names, number, part_of, undrawable
from .text_files import read_xml

CORNERS = ("xmin", "ymin", "xmax", "ymax")
FIRST = 1
"""Number of the first column and row: VOC counts pixels from 1, both ends belong to a box."""
IMAGE_FOLDERS = ("JPEGImages", "images")
LISTS = "ImageSets/Main"


def read_voc(root: Path) -> Labelled:
    """Reads Pascal VOC's annotations.

    Args:
        root: The folder with them, in ``Annotations`` or beside the images, or one file.

    Returns:
        Images with boxes, and outlines where there are some (Roboflow). Objects marked as difficult count neither way
        in a measurement, as in VOC's own. Parts are folders (``train``, ``valid``), or ``ImageSets/Main/train.txt`` and
        so on.

    Raises:
        InputError: A folder cannot be listed.
    """
    labelled = Labelled(root)
    files = [root] if root.is_file() else files_below(root, ".xml")
    folder = root.parent if root.is_file() else root
    parts = _listed_parts(folder)
    difficult = 0
    for file in files:
        try:
            tree = read_xml(file)
        except InputError as error:
            labelled.problems.append(("unreadable", str(error)))
            continue
        if tree.tag != "annotation":
            continue
        image = _image(tree, file, parts)
        difficult += sum(shape.crowd for shape in image.shapes)
        labelled.images.append(image)
    if difficult:
        labelled.remarks.append(
            f"objects marked as difficult: {difficult}, which count neither way in a measurement"
        )
    return labelled


def _listed_parts(folder: Path) -> dict[str, str]:
    """Part of each image by its name without ending; empty where no lists divide them."""
    parts = {}
    for file in sorted((folder / LISTS).glob("*.txt")):
        if part := part_of(file.stem):
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            parts |= {line.split()[0]: part for line in lines if line.split()}
    return parts


def _image(tree: Element, file: Path, parts: Mapping[str, str]) -> LabelledImage:
    named = (tree.findtext("filename") or "").strip()
    # Some tools leave the ending out, or name another image: the one that is called as the XML comes last.
    endings = [".jpg", ".png", ".jpeg", ".JPG", ".bmp", ".tif"]
    names = [name for name in image_names(named) if name.suffix]
    names += [Path(file.stem + ending) for ending in endings if Path(file.stem + ending) not in names]
    base = file.parent
    places = [base, *(place / name for place in (base, base.parent) for name in IMAGE_FOLDERS), base.parent]
    shapes = [
        _shape(element, f"{file}: object {n}") for n, element in enumerate(tree.iterfind("object"), start=1)
    ]
    size = _length(tree, "height"), _length(tree, "width")
    part = parts.get(file.stem) or part_of(base.name) or part_of(base.parent.name)
    return LabelledImage(str(file), file, names, size, shapes, places, part)


def _length(tree: Element, name: str) -> int | None:
    """Some tools write 0 where they do not know it."""
    text = (tree.findtext(f"size/{name}") or "").strip()
    return (int(text) or None) if text.isdecimal() and len(text) < 10 else None


def _shape(element: Element, where: str) -> Shape:
    label = (element.findtext("name") or "").strip()
    crowd = (element.findtext("difficult") or "").strip() == "1"
    outline, box = element.find("polygon"), element.find("bndbox")
    if outline is not None:
        return Shape(where, label, _polygon(outline), crowd=crowd)
    if box is not None:
        values = {name: box.findtext(name) for name in CORNERS}
        return Shape(where, label, partial(_box, values), crowd=crowd, box=True)
    kinds = ", ".join(part.tag for part in element) or "nothing"
    reason = f"has no bndbox and no polygon (but {kinds})"
    return Shape(where, label, undrawable(reason), "unknown", crowd=crowd)


def _box(values: Mapping[str, str | None], size: Size) -> np.ndarray:
    left, top, right, bottom = (number(values[name], name) for name in CORNERS)
    if right < left or bottom < top:
        raise InputError(f"a box that ends before it begins ({left:g}, {top:g}, {right:g}, {bottom:g})")
    left, top = left - FIRST, top - FIRST
    return polygon_mask(rectangle_outline(left, top, right - left, bottom - top, 0.0), size)


def _polygon(outline: Element) -> Draw:
    """Roboflow's x1, y1, x2, y2 ..., in the order of their numbers."""
    flat: Sequence[tuple[str, str | None]] = [
        (f"{axis}{n}", outline.findtext(f"{axis}{n}"))
        for n in range(1, len(outline) // 2 + 1)
        for axis in "xy"
    ]
    return lambda size: polygon_mask([number(value, name) for name, value in flat], size)
