"""COCO JSON (polygons and run lengths) to a plain folder of images and masks."""

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vit_adapter.config import InputError
from vit_adapter.config.paths import takes_paths
from vit_adapter.images import read_image

from ..file_tree import FileFinder, folders_near
from .coco_file import coco_classes, objects_by_image, read_coco, refuse_other_kinds, without_placeholder
from .coco_shape import CocoShape
from .conversion import FolderWriter, folder_in_place, safe_path, size_problem, write_class_list
from .drawing import known_stuff
from .object_files import ObjectFiles
from .painting import DrawnObject, paint
from .problems import Problems
from .report import BACKGROUND_NAMES, Conversion

LOOKED_FOR = 5  # images that a folder is recognised by


@takes_paths("json_file", "images", "out")
def convert_coco(
    json_file: str | Path,
    images: str | Path,
    out: str | Path,
    *,
    background: bool = True,
    skip: Collection[str] | str = (),
    stuff: Collection[str] = (),
) -> Conversion:
    """Draws the objects of a COCO instance JSON into semantic masks.

    Mask values are 0 for the background and 1, 2, 3 ... for the categories in ascending order of their ids (a
    category that is called "background" is the background). Where objects overlap the smaller one is seen;
    crowd regions lie below all others. COCO polygons cut no holes, run lengths do.

    Args:
        json_file: The JSON.
        images: Folder that its ``file_name`` entries are relative to.
        out: Folder to make, see ``convert_labelled``; masks are PNG of 8 bits, or 16 for more than 255 classes.
        background: Pixels without an object are the class "background"; False: they are ignored (255), and
            categories start at 0.
        skip: What is left out and listed instead of refused, see ``problems.KINDS``: "broken" objects; "unlisted",
            objects of an image or category that the JSON does not list; images that are "missing", "unreadable", of
            another "size" than the JSON says, or listed a second time ("double").
        stuff: Categories whose shapes are regions, not objects.

    Returns:
        What was written, and remarks about it.

    Raises:
        InputError: For a JSON of another kind; for all that ``skip`` does not name, each by file and id; and for an
            ``out`` that exists already or cannot be written.
    """
    json_file, images, out = Path(json_file), Path(images), Path(out)
    problems = Problems(skip)
    content = read_coco(json_file)
    refuse_other_kinds(content, json_file)
    content, remark = without_placeholder(content, json_file)
    names, value_of = coco_classes(content["categories"], json_file, background)
    objects = objects_by_image(content, json_file, value_of, problems)
    _check_images_folder(content, images, json_file)
    result = Conversion(out, names, "the smaller object", remarks=[remark] if remark else [])
    regions = {*known_stuff(stuff, names), *(name for name in names if name.lower() in BACKGROUND_NAMES)}
    finder = FileFinder()
    used: set[Path] = set()
    with folder_in_place(out) as folder:
        writer, truth = FolderWriter(folder, len(names)), ObjectFiles(folder, names)
        result.void = writer.void
        for entry in content["images"]:
            found = _image(entry, images, json_file, finder, writer, problems, used)
            if found is None:
                continue
            file, size = found
            drawn = _drawn(objects[entry["id"]], size, names, regions, value_of, json_file, problems, result)
            if problems.stop:
                continue
            mask = writer.empty_mask(size, 0 if background else writer.void)
            owner = paint(mask, drawn, result.overlaps)
            writer.add(entry["file_name"], file, mask)
            truth.add(safe_path(entry["file_name"]).as_posix(), size, drawn, owner, "")
            result.images += 1
            if not drawn:
                result.bare.append(entry["file_name"])
        problems.refuse()
        _refuse_nothing(result, images, json_file)
        result.has_objects = truth.write()
        write_class_list(folder, names)
    result.not_annotated = finder.others_beside(used)
    result.finish(problems)
    return result


def _check_images_folder(content: dict[str, Any], images: Path, json_file: Path) -> None:
    """Refuses a folder that holds none of the images, with the one nearby that does.

    Raises:
        InputError: It is not the folder of the images.
    """
    if not images.is_dir():
        raise InputError(
            f"--images {images}: {'is a file' if images.exists() else 'there is no such folder'}"
        )
    names = [entry["file_name"] for entry in content["images"]]
    some, finder = names[:LOOKED_FOR], FileFinder()

    def held(folder: Path, name: str) -> bool:
        try:
            return finder.find(folder, safe_path(name)) is not None
        except InputError:  # it leads out of the folder, or two files have it: said of each image
            return True

    # Few are named one by one; of a file of the same name elsewhere below, the line about each image says where.
    few = len(names) < LOOKED_FOR
    above = next(
        (p for p in (images.parent, images.parent.parent) if all(held(p, name) for name in some)), None
    )
    if above is not None and not held(images, names[0]):
        raise InputError(
            f"{images}: the names in {json_file} begin further up, such as {names[0]}: --images {above}"
        )
    if few or any(held(images, name) for name in names) or any(finder.similar(images, Path(n)) for n in some):
        return
    near = folders_near(json_file.parent)
    place = next((folder for folder in near if all(held(folder, name) for name in some)), None)
    hint = "name the folder that they are in" if place is None else f"{place} holds them"
    raise InputError(
        f"{images}: holds none of the {len(names)} images that {json_file} lists, such as {names[0]}; {hint}: "
        f"--images {place or 'FOLDER'}"
    )


def _drawn(
    annotations: Sequence[dict[str, Any]],
    size: tuple[int, int],
    names: Sequence[str],
    regions: Collection[str],
    value_of: dict[int, int],
    file: Path,
    problems: Problems,
    result: Conversion,
) -> list[DrawnObject]:
    """The objects of an image, crowd regions first, larger ones before smaller ones."""
    found: list[tuple[bool, int, DrawnObject]] = []
    for annotation in annotations:
        value = value_of[annotation["category_id"]]
        where = f"{file}: annotation {annotation.get('id')}"
        try:
            shape = segmentation_mask(annotation.get("segmentation"), size)
        except InputError as error:
            problems.add("broken", f"{where}: {error}")
            continue
        crowd = annotation.get("iscrowd") in (1, "1", True)
        result.objects_of[names[value]] += 1
        result.crowds += Counter({names[value]: int(crowd)})
        name = f"{where} ({names[value]})"
        item = DrawnObject(name, value, shape, names[value] not in regions, crowd=crowd)
        found.append((not crowd, -int(shape.sum()), item))
    return [item for _, _, item in sorted(found, key=lambda entry: entry[:2])]


def segmentation_mask(segmentation: Any, size: tuple[int, int]) -> np.ndarray:
    """A COCO segmentation as bool [H, W]; arguments and errors as for ``CocoShape.read``."""
    return CocoShape.read(segmentation, size).run_lengths().mask()


def _image(
    entry: dict[str, Any],
    images: Path,
    json_file: Path,
    finder: FileFinder,
    writer: FolderWriter,
    problems: Problems,
    used: set[Path],
) -> tuple[Path, tuple[int, int]] | None:
    """The image's file and its (height, width) in displayed orientation; None after a problem."""
    where = f"{json_file}: image {entry['id']}"
    try:
        name = safe_path(entry["file_name"])
        file = finder.find(images, name)
    except InputError as error:
        problems.add("missing", f"{where}: {error}")
        return None
    if file is None:
        hint = finder.similar(images, name)
        problems.add(
            "missing",
            f"{images / name}: there is no such image, named by {json_file} (image {entry['id']}){hint}",
        )
        return None
    used.add(file)
    try:
        height, width = read_image(file).shape[:2]
    except InputError as error:
        problems.add("unreadable", str(error))
        return None
    text = size_problem(
        file, (height, width), entry.get("height") or height, entry.get("width") or width, json_file
    )
    if text:
        problems.add("size", text)
        return None
    try:
        writer.claim(entry["file_name"])
    except InputError as error:
        problems.add("double", f"{where}: {error}")
        return None
    return file, (height, width)


def _refuse_nothing(result: Conversion, images: Path, json_file: Path) -> None:
    if not result.images:
        raise InputError(
            f"{json_file}: no image is left of those that it lists; {images} holds them (--images)?"
        )
