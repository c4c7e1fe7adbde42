"""COCO instances: objects as polygons or run-lengths in a JSON beside the images, read as they are."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vit_adapter.config import DataConfig, InputError, TaskName

from ..class_files import ClassEntry
from ..conversion.coco_file import (
    coco_entries,
    objects_by_image,
    placeholder,
    read_coco,
    refuse_panoptic,
    without_placeholder,
)
from ..conversion.coco_shape import CocoShape
from ..conversion.problems import Problems
from ..conversion.report import BACKGROUND_NAMES
from ..file_tree import FileFinder
from ..image_reading import ImageReading
from .coco_masks import CocoImage, CocoMasks, CocoObject
from .coco_places import annotation_files, image_folder, part_of
from .layout import Layout
from .pairs import Pair, SplitPart
from .split import split_by_name

TASKS: tuple[TaskName, ...] = ("instance", "semantic")
BOXES: tuple[TaskName, ...] = ("detection",)
ADVICE = (
    "get annotations_trainval2017.zip from https://cocodataset.org, or export COCO JSON from the tool in which objects "
    "were drawn: one JSON for training and one for validation, such as annotations/instances_train2017.json with the "
    "folder train2017, or train/annotations.json with train/images; or a single JSON, which is split"
)


def is_coco_instances(root: Path) -> bool:
    """JSON files of COCO instances for training and validation, or one alone."""
    files = annotation_files(root)
    parts = {part_of(root, file) for file in files}
    return {"train", "val"} <= parts or len(files) == 1


def find_coco_instances(root: Path, config: DataConfig, images: ImageReading, task: TaskName) -> Layout:
    """One JSON for each part, in the root, in ``annotations`` or in the part's folder.

    Images are looked for beside the JSON, in ``images``, and in a folder named after the part. Mask values are the
    category ids. Pixels without an object are ignored, for the task "semantic" they are the class "background" (the
    category of that name, if there is one). Boxes are those of the file (behaviour 129). Where all objects are boxes
    without a segmentation, the truth is enough for "detection" alone; for that task some may be.

    Raises:
        InputError: When nothing is arranged like that, or a JSON is broken.
    """
    files = annotation_files(root)
    by_part: dict[str, list[Path]] = {}
    for file in files:
        by_part.setdefault(part_of(root, file), []).append(file)
    if len(files) == 1:
        by_part = {"": files}
    several = next((some for some in by_part.values() if len(some) > 1), None)
    if not files or several or ("" in by_part and len(by_part) > 1):
        told = f"found {', '.join(str(file.relative_to(root)) for file in (several or files)[:4]) or 'none'}"
        raise InputError(f"{root}: is not arranged like COCO instances; {ADVICE}; {told}")
    drawn: dict[Path, CocoImage] = {}
    parts: dict[str, SplitPart] = {}
    entries, remarks, first = None, [], files[0]
    contents = {part: read_coco(file) for part, (file,) in by_part.items()}
    shaped = [
        bool(one.get("segmentation")) for content in contents.values() for one in content["annotations"]
    ]
    boxes_alone = bool(shaped) and not (all(shaped) if task == "detection" else any(shaped))
    grouped = all(placeholder(content) for content in contents.values())
    for part, (file,) in by_part.items():
        content, remark = without_placeholder(contents[part], file) if grouped else (contents[part], "")
        refuse_panoptic(content, file)
        remarks += [remark] if remark and not remarks else []
        found = coco_entries(content["categories"], file)
        if entries is not None and found != entries:
            raise InputError(f"{file}: has other categories than {first}")
        entries = found
        categories = [entry.id for entry in entries]
        parts[part] = _read_part(content, file, root, config, images, categories, drawn, remarks, boxes_alone)
    assert entries is not None
    if "" in parts:
        whole = parts.pop("")
        sides = split_by_name(whole.pairs, config.validation_share, str(root))
        parts = {split: SplitPart(pairs, whole.problems) for split, pairs in sides.items()}
    for split in ("train", "val"):
        parts.setdefault(split, SplitPart(problems=[f"{root}: has no JSON for the {split} part; {ADVICE}"]))
    entries, nothing = with_background(entries, config, task, first)
    known = frozenset(entry.id for entry in entries if entry.id is not None)
    reader = CocoMasks(drawn, nothing, known, boxes_alone)
    return Layout(
        "coco_instances",
        root,
        {split: parts[split] for split in ("train", "val")},
        entries,
        f"the categories of {first}",
        void_id=None if task == "semantic" else nothing,
        published=True,
        remark="; ".join(remarks),
        reader=reader,
        test=parts.get("test"),
        tasks=BOXES if boxes_alone else TASKS,
        objects=reader.objects,
        annotation_files=tuple(files),
    )


def with_background(
    entries: list[ClassEntry], config: DataConfig, task: TaskName, file: Path
) -> tuple[list[ClassEntry], int]:
    """The classes of a task, and the mask value of pixels without an object."""
    taken = {entry.id for entry in entries}
    if config.ignore in taken:
        raise InputError(
            f"{file}: has a category with the id {config.ignore}, which stands for ignored pixels; set --data.ignore "
            "to another number"
        )
    rest = [entry for entry in entries if entry.name.lower() in BACKGROUND_NAMES]
    if len(rest) > 1:
        raise InputError(
            f"{file}: the categories {rest[0].name!r} and {rest[1].name!r} both are the background"
        )
    things = [
        replace(entry, is_thing=True) if entry.is_thing is None else entry
        for entry in entries
        if entry not in rest
    ]
    if task != "semantic":
        return things, config.ignore
    free = next(value for value in range(65536) if value not in taken and value != config.ignore)
    background = replace(rest[0], is_thing=False) if rest else ClassEntry("background", free, is_thing=False)
    assert background.id is not None
    return [background, *things], background.id


def _read_part(
    content: dict[str, Any],
    file: Path,
    root: Path,
    config: DataConfig,
    images: ImageReading,
    categories: Sequence[int | None],
    drawn: dict[Path, CocoImage],
    remarks: list[str],
    boxes_alone: bool,
) -> SplitPart:
    """Pairs of one JSON; ``drawn`` gets the objects of their images, ``remarks`` what was left out."""
    problems = Problems(("broken", "unlisted") if config.skip_broken else ())
    objects = objects_by_image(content, file, {id_: id_ for id_ in categories if id_ is not None}, problems)
    folder, part, finder = image_folder(file, root, content), SplitPart(), FileFinder()
    seen: dict[Path, Any] = {}
    for entry in content["images"]:
        name = Path(entry["file_name"])
        image = finder.find(folder, name)
        if image is None:
            hint = finder.similar(folder, name)
            part.problems.append(
                f"{folder / name}: there is no such image, named by {file} (image {entry['id']}){hint}"
            )
            continue
        if image in seen:
            part.problems.append(
                f"{file}: the images {seen[image]} and {entry['id']} are the same file {image}"
            )
            continue
        seen[image] = entry["id"]
        size = _size(entry, image, images)
        if size is None:
            part.problems.append(
                f"{file}: image {entry['id']} has no height and width, and {image} cannot be read"
            )
            continue
        found = _objects(objects[entry["id"]], size, file, problems, boxes_alone)
        drawn[image] = CocoImage(size, found, file)
        part.pairs.append(Pair(name.with_suffix("").as_posix(), image, image))
    problems.refuse("--data.skip_broken true leaves such objects out")
    if problems.left_out:
        more = f" and {len(problems.left_out) - 1} more" if len(problems.left_out) > 1 else ""
        remarks.append(f"objects that cannot be drawn are left out: {problems.left_out[0]}{more}")
    remarks += _repeated(content, file)
    part.pairs.sort(key=lambda pair: pair.name)
    return part


def _objects(
    annotations: Sequence[dict[str, Any]],
    size: tuple[int, int],
    file: Path,
    problems: Problems,
    boxes_alone: bool,
) -> tuple[CocoObject, ...]:
    found = []
    for annotation in annotations:
        try:
            box = _box(annotation.get("bbox"))
            unshaped = boxes_alone and box is not None
            shape = None if unshaped else CocoShape.read(annotation.get("segmentation"), size)
        except InputError as error:
            problems.add("broken", f"{file}: annotation {annotation.get('id')}: {error}")
            continue
        area = annotation.get("area")
        stated = isinstance(area, (int, float)) and not isinstance(area, bool) and 0 < area < float("inf")
        found.append(
            CocoObject(
                annotation.get("id"),
                annotation["category_id"],
                shape,
                annotation.get("iscrowd") in (1, "1", True),
                float(area) if stated else None,  # pyright: ignore
                box,
            )
        )
    return tuple(found)


def _box(stated: Any) -> tuple[float, float, float, float] | None:
    """(left, top, right, bottom) of COCO's left, top, width and height; None where these are not stated."""
    if not isinstance(stated, list) or not stated:
        return None
    numbers = all(isinstance(one, (int, float)) and math.isfinite(one) for one in stated)
    if len(stated) != 4 or not numbers or min(stated[2:]) < 0:
        raise InputError(f"the box {stated}, expected left, top, width and height, the last two at least 0")
    left, top, width, height = map(float, stated)
    return left, top, left + width, top + height


def _size(entry: dict[str, Any], image: Path, images: ImageReading) -> tuple[int, int] | None:
    height, width = entry.get("height"), entry.get("width")
    if type(height) is int and type(width) is int and height > 0 and width > 0:
        return height, width
    try:
        shape = images.load(image).shape
    except InputError:
        return None
    return shape[0], shape[1]


def _repeated(content: dict[str, Any], file: Path) -> list[str]:
    """Annotation ids tell objects apart in other tools; here they are only for messages."""
    first: set[Any] = set()
    for annotation in content["annotations"]:
        number = annotation.get("id")
        if isinstance(number, (int, str)) and number in first:
            return [
                f"{file}: the annotation id {number} occurs twice; all objects are kept, ids are for messages only"
            ]
        if isinstance(number, (int, str)):
            first.add(number)
    return []
