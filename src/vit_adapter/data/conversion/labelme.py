"""A folder of labelme JSON files (X-AnyLabeling writes them too) to a plain folder of images and masks."""

import base64
import json
import os
from collections.abc import Collection
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any

from vit_adapter.config import InputError
from vit_adapter.config.paths import takes_paths
from vit_adapter.images import read_image

from ..class_files import read_class_file, read_text
from ..file_tree import FileFinder, files_below
from ..other_forms import advice
from .conversion import FolderWriter, folder_in_place, size_problem
from .drawing import DrawnFolder, known_stuff
from .labelled import IGNORED, Shape, clean_label
from .labelme_shapes import DRAWN, as_file, shape_mask, shape_type
from .problems import KINDS, Problems
from .report import BACKGROUND_NAMES, Conversion


@takes_paths("folder", "out")
def convert_labelme(
    folder: str | Path,
    out: str | Path,
    *,
    skip: Collection[str] | str = (),
    line_width: float | None = None,
    stuff: Collection[str] = (),
) -> Conversion:
    """Draws the shapes of labelme JSON files into semantic masks.

    Mask value 0 is the background; the other labels follow in alphabetic order, or in that of a ``labels.txt``
    in the folder. Later shapes of a file lie over earlier ones, as labelme shows them; ``__ignore__`` becomes
    255. Polygons, rectangles (turned ones too), circles and masks are drawn, by the rule for COCO polygons; points
    and lines cover no pixel and are refused, unless they get a width. Shapes of one label and ``group_id`` are one
    object.

    Args:
        folder: The JSON files, with sub-folders, links followed; hidden ones are left out. Images are found through
            ``imagePath``, or taken from the JSON itself.
        out: Folder to make, see ``convert_labelled``.
        skip: What is left out and listed instead of refused, see ``problems.KINDS``: shapes by their type, such as
            "point" and "line"; "broken" and "unlabeled" shapes; labels that are "unlisted" in ``labels.txt``; files
            whose image is "missing", "unreadable", of another "size", or annotated by an earlier file ("double").
        line_width: Pixels that lines are wide, and points across; None: they have no area.
        stuff: Labels whose shapes are regions, not objects.

    Returns:
        What was written, and remarks about it.

    Raises:
        InputError: For a folder without labelme files; for all that ``skip`` does not name, each by file and number;
            and for an ``out`` that exists already or cannot be written.
    """
    folder, out = Path(folder), Path(out)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder")
    files = files_below(folder, ".json")
    if not files:
        raise InputError(f"{folder}: holds no labelme JSON file")
    raw = {file: _read(file) for file in files}
    readable = {file: content for file, content in raw.items() if not isinstance(content, str)}
    if not readable:
        raise InputError(advice(folder) or next(text for text in raw.values() if isinstance(text, str)))
    types = {shape_type(shape) for content in readable.values() for shape in content["shapes"]}
    problems = Problems(skip, sorted(types - {*KINDS, *DRAWN}))
    _tell_unreadable(raw, problems)
    names = _classes(folder, readable, problems)
    stuff = known_stuff(stuff, names)
    value_of = {name: value for value, name in enumerate(names)}
    result = Conversion(out, names, "the later shape")
    finder = FileFinder()
    annotated: dict[
        Path, tuple[Path, Path]
    ] = {}  # absolute path of an image to its annotation and its path as given
    with folder_in_place(out) as target:
        drawn = DrawnFolder(target, value_of, stuff, problems, result)
        for file, content in readable.items():
            found = _image(file, folder, content, finder, drawn.writer, problems, annotated)
            if found is not None:
                name, image, size = found
                drawn.add(name, image, size, _shapes(file, content, line_width))
        drawn.finish(f"{folder}: no image is left of its {len(files)} labelme files")
    result.not_annotated = finder.others_beside({path for _, path in annotated.values()})
    result.finish(problems)
    return result


def _shapes(file: Path, content: dict[str, Any], line_width: float | None) -> list[Shape]:
    """The shapes of a file, in its order."""
    shapes = []
    for number, shape in enumerate(content["shapes"], start=1):
        kind, group = shape_type(shape), shape.get("group_id")
        shapes.append(
            Shape(
                f"{file}: shape {number}",
                _label(shape),
                partial(shape_mask, shape, line_width=line_width),
                "broken" if kind in DRAWN else kind,
                group if isinstance(group, (int, str)) else None,
            )
        )
    return shapes


def _label(shape: dict[str, Any]) -> str:
    """See ``clean_label``; "" when it has none."""
    label = shape.get("label")
    return clean_label(label) if isinstance(label, str) else ""


def _read(file: Path) -> dict[str, Any] | str:
    """The content of a labelme file, or what is wrong with it."""
    try:
        content = json.loads(read_text(file))
    except InputError as error:
        return str(error)
    except (json.JSONDecodeError, RecursionError) as error:
        return f"{file}: is not JSON ({error})"
    if isinstance(content, dict) and isinstance(content.get("annotations"), list):
        return (
            f"{file}: is a COCO JSON, not a labelme file; give that file itself, and --images with its images"
        )
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        return f"{file}: has no list 'shapes', so it is not a labelme file"
    # Read again where it is needed: the images of a whole data set do not fit into memory.
    content["imageData"] = bool(content.get("imageData"))
    content["shapes"] = [shape if isinstance(shape, dict) else {} for shape in content["shapes"]]
    return content


def _tell_unreadable(raw: dict[Path, dict[str, Any] | str], problems: Problems) -> None:
    """Takes files that cannot be read, and shapes without a label, as problems."""
    for file, content in raw.items():
        if isinstance(content, str):
            problems.add("unreadable", content)
            continue
        for number, shape in enumerate(content["shapes"], start=1):
            if not _label(shape):
                problems.add("unlabeled", f"{file}: shape {number} has no label")


def _classes(folder: Path, contents: dict[Path, dict[str, Any]], problems: Problems) -> list[str]:
    """Background, then the labels."""
    used: dict[str, Path] = {}
    for file, content in contents.items():
        for shape in content["shapes"]:
            used.setdefault(_label(shape), file)
    foreground = sorted(n for n in used if n and n != IGNORED and n.lower() not in BACKGROUND_NAMES)
    listed = folder / "labels.txt"
    if not listed.is_file():
        return ["background", *foreground]
    names = [entry.name for entry in read_class_file(listed)]
    rest = [name for name in names if name.lower() in BACKGROUND_NAMES]
    names = [name for name in names if name not in rest]
    for name in foreground:
        if name not in names:
            problems.add("unlisted", f"{used[name]}: the label {name!r} is not in {listed}")
    return [rest[0] if rest else "background", *names]


def _image(
    file: Path,
    folder: Path,
    content: dict[str, Any],
    finder: FileFinder,
    writer: FolderWriter,
    problems: Problems,
    annotated: dict[Path, tuple[Path, Path]],
) -> tuple[str, Path | bytes, tuple[int, int]] | None:
    """Name below the folder of images, the image (a file, or bytes from the JSON), (height, width); None: a problem."""
    image_path = str(content.get("imagePath") or f"{file.stem}.png")
    suffix = PureWindowsPath(image_path).suffix
    name = (file.relative_to(folder).parent / f"{file.stem}{suffix.lower()}").as_posix()
    path = _image_file(file, image_path, finder)
    if path is None and not content["imageData"]:
        hint = finder.similar(folder, Path(PureWindowsPath(image_path).name))
        wanted = file.parent / Path(*PureWindowsPath(image_path).parts)
        problems.add("missing", f"{wanted}: there is no such image, named by {file} (imagePath){hint}")
        return None
    # Two links are two images, so the name counts; it is read as it stands, since ".." after a link is another folder.
    place = None if path is None else Path(os.path.abspath(path))
    if place is not None and path is not None:
        first, _ = annotated.setdefault(place, (file, path))
        if first is not file:
            problems.add("double", f"{file}: annotates {path}, as {first} does")
            return None
    try:
        image, (height, width) = _read_image(file, path, suffix)
    except InputError as error:
        problems.add("unreadable", str(error))
        return None
    declared = content.get("imageHeight") or height, content.get("imageWidth") or width
    text = size_problem(path or file, (height, width), *declared, file)
    if text:
        problems.add("size", text)
        return None
    try:
        writer.claim(name)
    except InputError as error:
        problems.add("double", f"{file}: {error}")
        return None
    return name, image, (height, width)


def _image_file(file: Path, image_path: str, finder: FileFinder) -> Path | None:
    """The image that a file names: where it says, or, since folders are moved about, beside it."""
    if Path(image_path).is_absolute() and Path(image_path).is_file():
        return Path(image_path)
    named = PureWindowsPath(image_path)
    path = None if named.is_absolute() or named.root else finder.find(file.parent, Path(*named.parts))
    return path or finder.find(file.parent, Path(named.name))


def _read_image(file: Path, path: Path | None, suffix: str) -> tuple[Path | bytes, tuple[int, int]]:
    """The image, from its file or out of the JSON, and its (height, width)."""
    if path is not None:
        height, width = read_image(path).shape[:2]
        return path, (height, width)
    try:
        image = base64.b64decode(json.loads(read_text(file))["imageData"])
        with as_file(image, suffix) as decoded:
            height, width = read_image(decoded).shape[:2]
    except (TypeError, ValueError):  # an InputError is a ValueError
        raise InputError(f"{file}: its imageData is not an image in base64") from None
    return image, (height, width)
