"""CVAT's "Segmentation mask 1.1": coloured class maps, maps of objects, and the colours of the labels."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from vit_adapter.annotations import RunLengths, run_lengths_of_ids
from vit_adapter.config import InputError
from vit_adapter.images import read_mask, walk_images
from vit_adapter.images.listing import IMAGE_SUFFIXES

from ..class_files import read_class_file
from ..codes import pack_colours, unpack_colour
from .labelled import Labelled, LabelledImage, Shape

CLASS_FOLDER, OBJECT_FOLDER = "SegmentationClass", "SegmentationObject"


def read_cvat_masks(files: Sequence[Path], root: Path) -> Labelled:
    """Reads masks in the colours of a label map.

    Args:
        files: ``labelmap.txt``.
        root: The folder, with ``SegmentationClass`` and perhaps ``SegmentationObject``.

    Returns:
        Images with a shape for every object; without maps of objects one for every class, which is a region. Masks that
        cannot be read, or have other colours, are problems.

    Raises:
        InputError: The label map cannot be read or has no colours, or there is no mask.
    """
    base = files[0].parent
    entries = read_class_file(files[0])
    names = {}
    for entry in entries:
        if entry.colour is None:
            raise InputError(f"{files[0]}: the label {entry.name!r} has no colour")
        code = int(pack_colours(np.array(entry.colour)))
        if code in names:
            raise InputError(f"{files[0]}: {names[code]!r} and {entry.name!r} have the same colour")
        names[code] = entry.name
    labelled = Labelled(root, classes=[entry.name for entry in entries], classes_from=files[0])
    masks = walk_images(base / CLASS_FOLDER) if (base / CLASS_FOLDER).is_dir() else []
    if not masks:
        raise InputError(f"{base / CLASS_FOLDER}: holds no mask")
    for mask in masks:
        try:
            labelled.images.append(_image(mask, base, names))
        except InputError as error:
            labelled.problems.append(("unreadable", str(error)))
    return labelled


def _image(file: Path, base: Path, names: Mapping[int, str]) -> LabelledImage:
    colours = _codes(file)
    found = {int(code): names.get(int(code)) for code in np.unique(colours)}
    strange = [unpack_colour(code) for code, name in found.items() if name is None]
    if strange:
        more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
        raise InputError(f"{file}: holds the colour {strange[0]}{more}, which is not in labelmap.txt")
    inner = file.relative_to(base / CLASS_FOLDER)
    objects = base / OBJECT_FOLDER / inner
    shapes = _objects(file, objects, colours, names) if objects.is_file() else []
    for code, mask in run_lengths_of_ids(colours).items():
        # Below the objects: what no object covers is of its class all the same.
        shapes.insert(
            0, Shape(f"{file}: the pixels of {names[code]}", names[code], _drawn(mask), region=True)
        )
    shapes = [shape for shape in shapes if shape.label.lower() != "background"]
    stems = [inner.with_suffix(suffix) for some in sorted(IMAGE_SUFFIXES) for suffix in (some, some.upper())]
    places = [base / "JPEGImages", base / "images", base, base.parent / "images"]
    height, width = colours.shape
    return LabelledImage(str(file), file, stems, (height, width), shapes, places)


def _drawn(mask: RunLengths):
    return lambda size: mask.mask()


def _codes(file: Path) -> np.ndarray:
    """Packed colours [H, W]."""
    mask = read_mask(file)
    colours = mask.colours()
    if colours is None:
        colours = np.repeat(mask.values[..., None], 3, axis=2)
    return pack_colours(colours)


def _objects(file: Path, objects: Path, colours: np.ndarray, names: Mapping[int, str]) -> list[Shape]:
    numbers = _codes(objects)
    if numbers.shape != colours.shape:
        raise InputError(f"{objects}: has another size than {file}")
    shapes = []
    for number, mask in run_lengths_of_ids(numbers).items():
        if not number:
            continue
        inside = mask.mask()
        for code in np.unique(colours[inside]):
            part = RunLengths.from_mask(inside & (colours == code))
            where = f"{objects}: the object of colour {unpack_colour(number)}"
            shapes.append(Shape(where, names[int(code)], _drawn(part)))
    return shapes
