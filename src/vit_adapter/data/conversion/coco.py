"""COCO JSON (polygons and run lengths) to a plain folder of pictures and masks."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from vit_adapter.config import InputError
from vit_adapter.config.class_table import trimmed_names
from vit_adapter.images import read_image

from ..class_files import read_text
from .conversion import (
    BACKGROUND_NAMES,
    Conversion,
    FolderWriter,
    folder_in_place,
    refuse_broken,
    safe_path,
    write_class_list,
)
from .rasterize import polygons_mask, runs_mask


def convert_coco(
    json_file: str | Path,
    images: str | Path,
    out: str | Path,
    *,
    background: bool = True,
    skip_broken: bool = False,
) -> Conversion:
    """Draws the objects of a COCO instance JSON into semantic masks.

    Mask values are 0 for the background and 1, 2, 3 ... for the categories in ascending order of their ids (a
    category that is called "background" is the background). Where objects overlap the smaller one is seen;
    crowd regions lie below all others. COCO polygons cut no holes, run lengths do.

    Args:
        json_file: The JSON.
        images: Folder that its ``file_name`` entries are relative to.
        out: Folder to make: ``images``, ``masks`` (PNG of 8 bits, or 16 for more than 255 classes) and
            ``classes.txt``.
        background: Pixels without an object are the class "background"; False: they are ignored (255), and
            categories start at 0.
        skip_broken: Leave out objects that cannot be drawn, and list them, instead of refusing the file.

    Raises:
        InputError: For a JSON of another kind, a missing picture or one of another size than the JSON says,
            and segmentations that cannot be drawn, each named by file and annotation id.
    """
    json_file, images, out = Path(json_file), Path(images), Path(out)
    content = read_coco(json_file)
    if any("segments_info" in annotation for annotation in content["annotations"]):
        raise InputError(
            f"{json_file}: is a panoptic COCO JSON, polygons or run lengths are needed; such a data set is read as it "
            "is: --data.layout coco_panoptic"
        )
    names, value_of = _classes(content["categories"], json_file, background)
    objects = _objects_by_image(content, json_file, value_of)
    result = Conversion(out, names)
    broken: list[str] = []
    with folder_in_place(out) as folder:
        writer = FolderWriter(folder, len(names))
        for entry in content["images"]:
            file, size = _picture(entry, images, json_file)
            shapes: list[tuple[bool, int, int, np.ndarray]] = []
            for annotation in objects.get(entry["id"], []):
                try:
                    shape = segmentation_mask(annotation.get("segmentation"), size)
                except InputError as error:
                    broken.append(f"{json_file}: annotation {annotation.get('id')}: {error}")
                    continue
                crowd = bool(annotation.get("iscrowd", 0))
                shapes.append((not crowd, -int(shape.sum()), value_of[annotation["category_id"]], shape))
            if broken and not skip_broken:
                continue  # nothing will be kept, but the other annotations are looked at too
            mask = writer.empty_mask(size, 0 if background else writer.void)
            for _, _, value, shape in sorted(shapes, key=lambda item: item[:2]):
                mask[shape] = value
            writer.add(entry["file_name"], file, mask)
            result.pictures += 1
            result.objects += len(shapes)
        if not skip_broken:
            refuse_broken(broken)
        write_class_list(folder, names)
    result.left_out = broken
    return result


def segmentation_mask(segmentation: Any, size: tuple[int, int]) -> np.ndarray:
    """A COCO segmentation (polygons, run lengths, compressed run lengths) as bool [H, W].

    Raises:
        InputError: When it is none of these, or is made for another size.
    """
    if isinstance(segmentation, dict):
        declared = segmentation.get("size")
        if declared != [size[0], size[1]]:
            raise InputError(
                f"run lengths for the size {declared} (height, width), but the picture has {list(size)}"
            )
        counts = segmentation.get("counts")
        if not isinstance(counts, (list, str)):
            raise InputError("run lengths without counts")
        return runs_mask(counts, size)
    if not isinstance(segmentation, list):
        raise InputError(
            f"no segmentation (found {type(segmentation).__name__}), expected polygons or run lengths"
        )
    if not segmentation:
        raise InputError("an empty segmentation")
    if not all(isinstance(polygon, list) for polygon in segmentation):
        raise InputError("a flat list of numbers, expected a list of polygons [[x0, y0, x1, y1 ...]]")
    return polygons_mask(segmentation, size)


def read_coco(file: Path) -> dict[str, Any]:
    """A COCO JSON, instances or panoptic, whose three lists are there and hold objects.

    Raises:
        InputError: When it cannot be read or is something else.
    """
    try:
        content = json.loads(read_text(file))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{file}: is not JSON ({error})") from None
    if isinstance(content, dict) and "shapes" in content:
        raise InputError(f"{file}: is a labelme file; give the folder with all of them")
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise InputError(f"{file}: has no list {key!r}, so it is not a COCO JSON")
        if not all(isinstance(item, dict) for item in content[key]):
            raise InputError(f"{file}: the list {key!r} holds something that is not an object")
    if not content["images"]:
        raise InputError(f"{file}: lists no picture")
    return content


def _classes(
    categories: Sequence[dict[str, Any]], file: Path, background: bool
) -> tuple[list[str], dict[int, int]]:
    """Class names in the order of mask values, and category id to mask value."""
    for position, category in enumerate(categories, start=1):
        if not isinstance(category.get("id"), int):
            raise InputError(
                f"{file}: category {position} has the id {category.get('id')!r}, expected a number"
            )
    ordered = sorted(categories, key=lambda category: category["id"])
    for first, second in pairwise(ordered):
        if first["id"] == second["id"]:
            raise InputError(f"{file}: the category id {first['id']} occurs twice")
    names = list(trimmed_names([category.get("name") for category in ordered], str(file)))  # pyright: ignore
    rest = [index for index, name in enumerate(names) if name.lower() in BACKGROUND_NAMES]
    if len(rest) > 1:
        raise InputError(
            f"{file}: the categories {names[rest[0]]!r} and {names[rest[1]]!r} both are the background"
        )
    if background:
        ordered = [ordered[i] for i in rest] + [c for i, c in enumerate(ordered) if i not in rest]
        names = [names[i] for i in rest] + [name for i, name in enumerate(names) if i not in rest]
    first_value = 1 if background and not rest else 0
    values = {category["id"]: position for position, category in enumerate(ordered, start=first_value)}
    return (["background"] if first_value else []) + names, values


def _objects_by_image(
    content: dict[str, Any], file: Path, value_of: dict[int, int]
) -> dict[Any, list[dict[str, Any]]]:
    ids = [entry.get("id") for entry in content["images"]]
    for position, entry in enumerate(content["images"], start=1):
        if entry.get("id") is None or not isinstance(entry.get("file_name"), str):
            raise InputError(f"{file}: picture {position} has no id or no file_name")
    if len(set(ids)) < len(ids):
        twice = next(id_ for id_ in ids if ids.count(id_) > 1)
        raise InputError(f"{file}: the picture id {twice} occurs twice")
    objects: dict[Any, list[dict[str, Any]]] = {id_: [] for id_ in ids}
    for annotation in content["annotations"]:
        image, category = annotation.get("image_id"), annotation.get("category_id")
        if image not in objects:
            raise InputError(
                f"{file}: annotation {annotation.get('id')}: there is no picture with the id {image}"
            )
        if category not in value_of:
            raise InputError(
                f"{file}: annotation {annotation.get('id')}: there is no category with the id {category}"
            )
        objects[image].append(annotation)
    return objects


def _picture(entry: dict[str, Any], images: Path, json_file: Path) -> tuple[Path, tuple[int, int]]:
    """The picture's file and its (height, width) in displayed orientation, as the JSON must say too."""
    try:
        file = images / safe_path(entry["file_name"])
    except InputError as error:
        raise InputError(f"{json_file}: picture {entry['id']}: {error}") from None
    if not file.is_file():
        raise InputError(f"{file}: there is no such picture, named by {json_file} (picture {entry['id']})")
    height, width = read_image(file).shape[:2]
    declared = entry.get("height", height), entry.get("width", width)
    if declared != (height, width):
        raise InputError(
            f"{file}: shows {width}x{height} pixels (width x height), but {json_file} says "
            f"{declared[1]}x{declared[0]}"
        )
    return file, (height, width)
