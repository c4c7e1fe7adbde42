"""The content of a COCO JSON: its three lists, what they refer to, and the classes that follow from it."""

import json
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from vit_adapter.config import InputError
from vit_adapter.config.class_table import check_ids, trimmed_names

from ..class_files import ClassEntry, read_text
from .problems import Problems
from .report import BACKGROUND_NAMES


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
        raise InputError(f"{file}: lists no image")
    return content


def refuse_panoptic(content: dict[str, Any], file: Path) -> None:
    """Raises InputError for a panoptic JSON."""
    if any("segments_info" in annotation for annotation in content["annotations"]):
        raise InputError(
            f"{file}: is a panoptic COCO JSON, polygons or run lengths are needed; such a data set is read as it "
            "is: --data.layout coco_panoptic"
        )


def refuse_other_kinds(content: dict[str, Any], file: Path) -> None:
    """Raises InputError for a panoptic JSON, and for one that holds boxes alone."""
    refuse_panoptic(content, file)
    annotations = content["annotations"]
    if annotations and all(item.get("bbox") and not item.get("segmentation") for item in annotations):
        raise InputError(
            f"{file}: its {len(annotations)} objects are boxes without a segmentation, and boxes do not say which "
            "pixels belong to an object; detectors read them as they are (--task detection)"
        )


def coco_classes(
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


def coco_entries(categories: Sequence[dict[str, Any]], file: Path) -> list[ClassEntry]:
    """The categories in ascending order of their ids, which are the mask values.

    Raises:
        InputError: An id or name is missing, or occurs twice.
    """
    for position, category in enumerate(categories, start=1):
        if type(category.get("id")) is not int:
            raise InputError(
                f"{file}: category {position} has the id {category.get('id')!r}, expected a number"
            )
    ordered = sorted(categories, key=lambda category: category["id"])
    names = trimmed_names([category.get("name") for category in ordered], str(file))  # pyright: ignore
    check_ids([category["id"] for category in ordered], str(file))
    colours = [category.get("color") for category in ordered]
    if not all(isinstance(colour, list) and len(colour) == 3 for colour in colours):
        colours = [None] * len(ordered)
    return [
        ClassEntry(
            name,
            category["id"],
            None if colour is None else tuple(colour),  # pyright: ignore
            bool(category["isthing"]) if category.get("isthing") in (0, 1) else None,
        )
        for name, category, colour in zip(names, ordered, colours)
    ]


def objects_by_image(
    content: dict[str, Any], file: Path, value_of: dict[int, int], problems: Problems
) -> dict[Any, list[dict[str, Any]]]:
    """Annotations by image id; those of an image or category that is not listed are problems.

    Raises:
        InputError: An image has no id or file name, or the id of another.
    """
    ids = [entry.get("id") for entry in content["images"]]
    for position, entry in enumerate(content["images"], start=1):
        if not isinstance(entry.get("id"), (int, str)) or not isinstance(entry.get("file_name"), str):
            raise InputError(f"{file}: image {position} has no id or no file_name")
    if len(set(ids)) < len(ids):
        twice = Counter(ids).most_common(1)[0][0]
        raise InputError(f"{file}: the image id {twice} occurs twice")
    objects: dict[Any, list[dict[str, Any]]] = {id_: [] for id_ in ids}
    for annotation in content["annotations"]:
        image, category = annotation.get("image_id"), annotation.get("category_id")
        where = f"{file}: annotation {annotation.get('id')}: there is no"
        if not isinstance(image, (int, str)) or image not in objects:
            problems.add("unlisted", f"{where} image with the id {image}")
        elif not isinstance(category, int) or category not in value_of:
            problems.add("unlisted", f"{where} category with the id {category}")
        else:
            objects[image].append(annotation)
    return objects


def placeholder(content: dict[str, Any]) -> str | None:
    """The name of a category that only holds the others together; None: there is none.

    Roboflow writes the group of its classes as category 0, of which no object is.
    """
    if not content["categories"]:
        return None
    first, *others = sorted(content["categories"], key=lambda category: category.get("id") != 0)
    grouped = others and all(category.get("supercategory") == first.get("name") for category in others)
    if first.get("id") != 0 or first.get("supercategory") != "none" or not grouped:
        return None
    used = any(annotation.get("category_id") == 0 for annotation in content["annotations"])
    return None if used else str(first.get("name"))


def without_placeholder(content: dict[str, Any], file: Path) -> tuple[dict[str, Any], str]:
    """The content without such a category, and a remark about it ("": there was none)."""
    name = placeholder(content)
    if name is None:
        return content, ""
    kept = [category for category in content["categories"] if category.get("id") != 0]
    return {
        **content,
        "categories": kept,
    }, f"{file}: the category {name!r} names the group of the others, and is no class"
