"""YOLO's text files beside the images, read as they are: boxes, or polygons, one object a line."""

import re
from pathlib import Path

from vit_adapter.config import DataConfig, InputError, TaskName

from ..class_files import ClassEntry, read_text
from ..conversion.coco_shape import CocoShape
from ..conversion.problems import Problems
from ..conversion.yolo import CLASS_LISTS, checked_shares, class_names, corners, pairs
from ..image_headers import size_from_header
from ..image_reading import ImageReading
from .coco_instances import BOXES, TASKS, with_background
from .coco_masks import CocoImage, CocoMasks, CocoObject
from .layout import Layout
from .pairs import Pair, SplitPart, own_apart
from .split import split_by_name

DESCRIPTIONS = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml", *CLASS_LISTS)
ADVICE = (
    "get it as the tool in which objects were drawn exports it (https://docs.ultralytics.com/datasets/detect): a list "
    "of classes, images/train and images/val, and a text of the same name in labels/train and labels/val"
)
LABELS = ("labels", "labels/*", "*/labels")
"""Where texts lie below the root, beside folders of images."""


def is_yolo(root: Path) -> bool:
    """A list of classes in the root, and texts in a folder ``labels``."""
    if not any((root / name).is_file() for name in DESCRIPTIONS):
        return False
    return any(next(place.glob("*.txt"), None) for some in LABELS for place in root.glob(some))


def find_yolo(root: Path, config: DataConfig, images: ImageReading, task: TaskName) -> Layout:
    """Texts that stand in ``labels`` where their images stand in ``images``, or beside them.

    Parts are named by folders (train, val or valid, test); without any the images are split by name. An image without a
    text is left out; one with an empty text shows nothing. Mask values are the numbers of the classes. Where an object
    is a box, the truth is enough for "detection" alone, and boxes are the exact ones of the files.

    Raises:
        InputError: There is no list of classes, no text, or a text cannot be read.
    """
    lists = [root / name for name in DESCRIPTIONS if (root / name).is_file()]
    if not lists:
        raise InputError(
            f"{root}: is not arranged like a data set of YOLO, it has none of {', '.join(DESCRIPTIONS)}; {ADVICE}"
        )
    names = class_names(lists[0])
    problems = Problems(("broken", "unlisted") if config.skip_broken else ())
    drawn: dict[Path, CocoImage] = {}
    found: dict[str, list[Pair]] = {}
    without: list[Path] = []
    for image, text, part in pairs(root):
        if not text.is_file():
            without.append(image)
            continue
        size = size_from_header(image) or images.load(image).shape[:2]
        objects = _objects(text, (size[0], size[1]), len(names), problems)
        drawn[image] = CocoImage((size[0], size[1]), objects, text)
        name = image.relative_to(root).with_suffix("").as_posix()
        found.setdefault(part, []).append(Pair(name, image, image))
    problems.refuse("--data.skip_broken true leaves such objects out")
    own, without = own_apart(without)
    if not drawn:
        raise InputError(f"{root}: none of its {len(without)} images has a text of YOLO")
    parts = {part: SplitPart(sorted(some, key=lambda pair: pair.name)) for part, some in found.items()}
    if "" in parts and len(parts) == 1:
        sides = split_by_name(parts.pop("").pairs, config.validation_share, str(root))
        parts = {split: SplitPart(some) for split, some in sides.items()}
    for split in ("train", "val"):
        parts.setdefault(split, SplitPart(problems=[f"{root}: has no image with a text in a folder {split}"]))
    parts["train"].own_results = own
    boxes = any(item.shape is None for image in drawn.values() for item in image.objects)
    entries = [ClassEntry(name, number) for number, name in enumerate(names)]
    entries, nothing = with_background(entries, config, task, lists[0])
    known = frozenset(entry.id for entry in entries if entry.id is not None)
    reader = CocoMasks(drawn, nothing, known, boxes)
    remarks = [f"images without a text, which are left out: {len(without)}"] if without else []
    remarks += (
        [f"lines that cannot be read are left out: {problems.left_out[0]}"] if problems.left_out else []
    )
    return Layout(
        "yolo",
        root,
        {split: parts[split] for split in ("train", "val")},
        entries,
        f"the classes of {lists[0]}",
        void_id=None if task == "semantic" else nothing,
        published=True,
        remark="; ".join(remarks),
        reader=reader,
        test=parts.get("test"),
        tasks=BOXES if boxes else TASKS,
        objects=reader.objects,
        annotation_files=(lists[0], *sorted({image.file for image in drawn.values()})),
    )


def _objects(text: Path, size: tuple[int, int], classes: int, problems: Problems) -> tuple[CocoObject, ...]:
    """The objects of a text, for an image of (height, width) pixels."""
    found = []
    for number, line in enumerate(read_text(text).splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        where = f"{text}: line {number}"
        category = int(words[0]) if re.fullmatch(r"\d{1,6}", words[0]) else -1
        if not 0 <= category < classes:
            problems.add("unlisted", f"{where}: the class {words[0]!r}, expected 0 to {classes - 1}")
            continue
        try:
            shares = checked_shares(words[1:])
            if len(shares) == 4:
                shape, box = None, _box(shares, size)
            else:
                shape, box = CocoShape.read([corners(shares, size)], size), None
        except InputError as error:
            problems.add("broken", f"{where}: {error}")
            continue
        found.append(CocoObject(number, category, shape, False, None, box))
    return tuple(found)


def _box(shares: list[float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) in pixels of centre, width and height in shares of the image."""
    height, width = size
    x, y, across, down = shares
    return (
        (x - across / 2) * width,
        (y - down / 2) * height,
        (x + across / 2) * width,
        (y + down / 2) * height,
    )
