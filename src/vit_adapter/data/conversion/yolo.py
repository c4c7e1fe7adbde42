"""YOLO's text files: polygons, boxes and turned boxes in shares of the image, one object a line."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import yaml

from vit_adapter.annotations import polygon_mask, rectangle_outline
from vit_adapter.config import InputError
from vit_adapter.config.counting import counted
from vit_adapter.images import walk_images

from ..class_files import read_text
from ..layouts.layout import SPLIT_NAMES, TEST_NAMES
from .labelled import Labelled, LabelledImage, Shape, Size, number, part_of, shortened

CLASS_LISTS = ("classes.txt", "obj.names")
OVER = 0.01  # share by which a corner may lie outside: exporters round


def read_yolo(files: Sequence[Path], root: Path) -> Labelled:
    """Reads a data set of YOLO.

    Args:
        files: Its description, such as ``data.yaml`` or ``classes.txt``, of which the first one counts; none: classes
            have numbers for names.
        root: Its folder: ``images/train`` + ``labels/train``, ``train/images`` + ``train/labels``, ``images`` +
            ``labels``, or texts beside the images.

    Raises:
        InputError: The description cannot be read, is one of poses, or there is no label file.
    """
    labelled = Labelled(root)
    names = class_names(files[0]) if files else None
    without: list[Path] = []
    for image, text, part in pairs(root):
        if not text.is_file():
            without.append(image)
            continue
        try:
            labelled.images.append(_image(image, text, part, names, root))
        except InputError as error:
            labelled.problems.append(("unreadable", str(error)))
    if not labelled.images and not labelled.problems and not without:
        raise InputError(f"{root}: holds no image; give the folder that has both images and labels in it")
    if not labelled.images and not labelled.problems:
        raise InputError(f"{root}: none of its {len(without)} images has a label file in YOLO's form")
    if names is None:
        labelled.remarks.append(
            f"{root}: has no data.yaml and no classes.txt, so classes are called by their numbers"
        )
    labelled.classes = names
    labelled.classes_from = files[0] if files else None
    return labelled


def class_names(file: Path) -> list[str]:
    """The classes that a description lists, in the order of their numbers; raises InputError where it has none."""
    text = read_text(file)
    if file.suffix.lower() not in (".yaml", ".yml"):
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        # The base loader knows texts only: a class called no or 1e3 is what was typed.
        content = yaml.load(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{file}: is not YAML ({' '.join(str(error).split())})") from None
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(content, dict) and "kpt_shape" in content:
        raise InputError(f"{file}: describes poses (kpt_shape), whose key points are no masks")
    if isinstance(names, dict) and all(str(key).isdecimal() for key in names):
        numbers = {int(key): value for key, value in names.items()}
        if len(numbers) > 65535 or max(numbers, default=0) > 65535:
            raise InputError(f"{file}: has a class of the number {max(numbers)}, expected at most 65535")
        names = [numbers.get(index, f"class {index}") for index in range(max(numbers, default=-1) + 1)]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise InputError(f"{file}: has no list of class names ('names')")
    stated = content.get("nc", len(names))
    if str(stated).isdecimal() and int(stated) != len(names):
        raise InputError(f"{file}: says nc {stated}, but names has {counted(len(names), 'name')}")
    return [name.strip() for name in names]


def pairs(root: Path) -> list[tuple[Path, Path, str]]:
    """Image, its text and its part, for every image of the data set."""
    found = []
    for image in walk_images(root):
        parts = image.relative_to(root).parts
        part = next((part for word in parts[:-1] if (part := part_of(word))), "")
        found.append((image, _text_of(image, root), part))
    return found


def _text_of(image: Path, root: Path) -> Path:
    """``labels`` in the place of the last folder ``images``; else the text beside the image."""
    parts = list(image.relative_to(root).with_suffix(".txt").parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index].lower() == "images":
            return root.joinpath(*parts[:index], "labels", *parts[index + 1 :])
    beside = root.joinpath(*parts)
    return beside if beside.is_file() else root.joinpath(*parts[:-1], "labels", parts[-1])


def _image(image: Path, text: Path, part: str, names: list[str] | None, root: Path) -> LabelledImage:
    shapes = []
    for line_number, line in enumerate(read_text(text).splitlines(), start=1):
        if line.strip():
            shapes.append(_shape(line.split(), f"{text}: line {line_number}", names))
    inner = image.relative_to(root).parts
    words = {"images", *TEST_NAMES, *(name for some in SPLIT_NAMES.values() for name in some)}
    below = next((n for n, word in enumerate(inner) if word.lower() not in words), len(inner) - 1)
    name = Path(*inner[below:])
    place = root.joinpath(*inner[:below])
    return LabelledImage(str(image), text, [name], (None, None), shapes, [place], part)


def _shape(words: list[str], where: str, names: list[str] | None) -> Shape:
    # Programs that write tables of numbers write 0.0 or 0.00e+00 for 0.
    whole = re.fullmatch(r"(\d{1,6})(\.0*)?(e\+00)?", words[0])
    index = int(whole[1]) if whole else None
    label = f"class {index}"
    if index is None:
        where, label = (
            f"{where}: begins with {shortened(words[0])}, expected the number of a class, so it",
            "",
        )
    elif names is not None and index < len(names):
        label = names[index]
    values = words[1:]
    return Shape(where, label, partial(_mask, values), box=len(values) == 4)


def checked_shares(words: Sequence[str]) -> list[float]:
    """Four numbers of a box (centre, width, height), or x and y of three corners or more, in shares of the image.

    Raises:
        InputError: They are neither.
    """
    values = [number(word, "the coordinate") for word in words]
    wrong = next((value for value in values if not -OVER <= value <= 1 + OVER), None)
    if wrong is not None:
        raise InputError(f"the coordinate {wrong:g}, expected a share of the image from 0 to 1")
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        raise InputError(
            f"{len(values)} numbers behind the class, expected 4 of a box, or pairs of x and y of 3 corners or more"
        )
    return values


def corners(shares: Sequence[float], size: Size) -> list[float]:
    """X and y of corners in pixels."""
    height, width = size
    return [value * side for value, side in zip(shares, (width, height) * (len(shares) // 2))]


def _mask(words: Sequence[str], size: Size) -> np.ndarray:
    values = checked_shares(words)
    height, width = size
    if len(values) == 4:
        x, y, across, down = values
        return polygon_mask(
            rectangle_outline(
                (x - across / 2) * width, (y - down / 2) * height, across * width, down * height
            ),
            size,
        )
    return polygon_mask(corners(values, size), size)
