"""From the images and shapes of any tool to a folder: the walk that all conversions make."""

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from vit_adapter.config import InputError
from vit_adapter.images import read_image

from ..file_tree import FileFinder
from .conversion import FolderWriter, folder_in_place, size_problem, write_class_list
from .labelled import IGNORED, Labelled, LabelledImage, Shape, Size, clean_label
from .object_files import ObjectFiles
from .painting import DrawnObject, paint
from .problems import Problems
from .report import BACKGROUND_NAMES, Conversion


def convert_labelled(
    labelled: Labelled,
    out: Path,
    problems: Problems,
    images: Path | None = None,
    stuff: Collection[str] = (),
) -> Conversion:
    """Writes images, masks, objects and the class list.

    Mask value 0 is the background; the labels follow, in the order of the tool's own list or sorted. Every shape is
    an object, but for those labelled as background or ignored, of ``stuff``, and crowds.

    Args:
        labelled: What the tool wrote.
        out: Folder to make: ``images``, ``masks``, ``instances`` (numbers of objects), ``coco.json`` (whole
            objects) and ``classes.txt``; with parts in folders ``train``, ``val`` and ``test``.
        problems: Takes what cannot be converted.
        images: Folder of the images; None: the places that are usual for the tool.
        stuff: Labels whose shapes are regions, not objects.

    Returns:
        What was written, and remarks about it.

    Raises:
        InputError: For all that may not be left out, and for an ``out`` that exists already or cannot be written.
    """
    if images is not None and not images.is_dir():
        raise InputError(
            f"--images {images}: {'is a file' if images.exists() else 'there is no such folder'}"
        )
    for kind, line in labelled.problems:
        problems.add(kind, line)
    labelled.images = [with_clean_labels(image) for image in labelled.images]
    names = class_names(labelled, problems)
    stuff = known_stuff(stuff, names)
    value_of = {name: value for value, name in enumerate(names)}
    result = Conversion(out, names, labelled.on_top, remarks=list(labelled.remarks))
    finder, used = FileFinder(), {}
    parts = {image.part for image in labelled.images}
    divided = "train" in parts and len(parts - {""}) > 1
    with folder_in_place(out) as folder:
        drawn = DrawnFolder(folder, value_of, stuff, problems, result)
        for image in labelled.images:
            part = (image.part or "train") if divided else ""
            found = _image(image, images, part, finder, drawn.writer, problems, used)
            if found is not None:
                name, file, size = found
                drawn.add(name, file, size, image.shapes, part)
        nothing = (
            f"no image is left of the {len(labelled.images)} in it"
            if labelled.images
            else "no image to convert"
        )
        drawn.finish("; ".join([f"{labelled.root}: {nothing}", *labelled.remarks]))
    result.not_annotated = finder.others_beside(set(used.values()))
    result.finish(problems)
    return result


class DrawnFolder:
    """The folder of a conversion while it is filled, an image after the other.

    Args:
        folder: It.
        value_of: Mask value of every label, in their order; that of ``IGNORED`` is set here.
        stuff: Labels whose shapes are regions, not objects.
        problems: Takes what cannot be drawn.
        result: Counts what is written.
    """

    def __init__(
        self,
        folder: Path,
        value_of: dict[str, int],
        stuff: Collection[str],
        problems: Problems,
        result: Conversion,
    ) -> None:
        self._folder, self._names = folder, list(value_of)
        self.writer, self._objects = FolderWriter(folder, len(value_of)), ObjectFiles(folder, self._names)
        self._value_of, self._stuff = value_of, stuff
        self._problems, self._result = problems, result
        result.void = value_of[IGNORED] = self.writer.void

    def add(self, name: str, file: Path | bytes, size: Size, shapes: Sequence[Shape], part: str = "") -> None:
        """Draws and writes an image's mask and objects, unless nothing is to be written any more.

        Args:
            name: Of the files.
            file: The image, or its content.
            size: Of the image, (height, width).
            shapes: What was drawn on it, from below to above.
            part: "train", "val" or "test"; "": the data is not divided.
        """
        result = self._result
        drawn = draw_shapes(shapes, size, self._value_of, self._stuff, self._problems, result)
        if self._problems.stop:
            return
        mask = self.writer.empty_mask(size, 0)
        owner = paint(mask, drawn, result.overlaps)
        self.writer.add(name, file, mask, part)
        self._objects.add(name, size, drawn, owner, part)
        result.images += 1
        result.parts[part] += 1
        if not drawn:
            result.bare.append(name)

    def finish(self, nothing: str) -> None:
        """Writes what tells of all images.

        Args:
            nothing: What to say where no image is left.

        Raises:
            InputError: None is, or something may not be left out.
        """
        self._problems.refuse()
        if not self._result.images:
            raise InputError(nothing)
        self._result.has_objects = self._objects.write()
        write_class_list(self._folder, self._names)


def with_clean_labels(image: LabelledImage) -> LabelledImage:
    """The image with the labels of its shapes as ``clean_label`` has them."""
    shapes = [replace(shape, label=clean_label(shape.label)) for shape in image.shapes]
    return replace(image, shapes=shapes)


def class_names(labelled: Labelled, problems: Problems) -> list[str]:
    """Background, then the labels; shapes without a label, and labels that are not in the tool's list, are problems."""
    used: dict[str, str] = {}
    for image in labelled.images:
        for shape in image.shapes:
            if shape.label:
                used.setdefault(shape.label, shape.where)
            else:
                problems.add("unlabeled", f"{shape.where} has no label")
    foreground = sorted(n for n in used if n != IGNORED and n.lower() not in BACKGROUND_NAMES)
    if labelled.classes is None:
        return ["background", *foreground]
    names = [clean_label(name) for name in labelled.classes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None or "" in names:
        raise InputError(
            f"{labelled.classes_from}: the class name {twice or ''!r} {'occurs twice' if twice else 'is empty'}"
        )
    rest = [name for name in names if name.lower() in BACKGROUND_NAMES]
    names = [name for name in names if name not in rest and name != IGNORED]
    for name in foreground:
        if name not in names:
            near = next(
                (f"; did you mean {other!r}?" for other in names if other.lower() == name.lower()), ""
            )
            problems.add(
                "unlisted", f"{used[name]}: the label {name!r} is not in {labelled.classes_from}{near}"
            )
    return [rest[0] if rest else "background", *names]


def known_stuff(stuff: Collection[str], names: list[str]) -> set[str]:
    """The labels that ``--stuff`` names; InputError for one that is no class."""
    wanted = {clean_label(name) for name in stuff if name.strip()}
    unknown = sorted(wanted - set(names))
    if unknown:
        raise InputError(
            f"--stuff {unknown[0]}: is no class of these annotations, which are {', '.join(names)}"
        )
    return wanted


def draw_shapes(
    shapes: Sequence[Shape],
    size: Size,
    value_of: dict[str, int],
    stuff: Collection[str],
    problems: Problems,
    result: Conversion,
) -> list[DrawnObject]:
    """The shapes of an image, the lowest first.

    Args:
        shapes: In the order of the file.
        size: (height, width) of the image.
        value_of: Mask value of each label; a label without one is left out, since it was reported before.
        stuff: Labels whose shapes are no objects.
        problems: Takes what cannot be drawn.
        result: Counts what was drawn.
    """
    drawn: list[DrawnObject] = []
    for shape in sorted(shapes, key=lambda shape: (not shape.crowd, shape.depth)):
        background = shape.label.lower() in BACKGROUND_NAMES
        if shape.label not in value_of and not background:
            continue
        try:
            pixels = shape.draw(size)
        except InputError as error:
            problems.add(shape.kind, f"{shape.where} ({shape.label}): {error}")
            continue
        result.objects_of[shape.label] += 1
        if shape.crowd:
            result.crowds[shape.label] += 1
        result.boxes += shape.box
        counts = not background and shape.label != IGNORED and shape.label not in stuff and not shape.region
        group = None if shape.group is None else (shape.label, shape.group)
        value = 0 if background else value_of[shape.label]
        where = f"{shape.where} ({shape.label})"
        drawn.append(DrawnObject(where, value, pixels, counts, group, shape.crowd))
    return drawn


def _image(
    image: LabelledImage,
    given: Path | None,
    part: str,
    finder: FileFinder,
    writer: FolderWriter,
    problems: Problems,
    used: dict[Path, Path],
) -> tuple[str, Path | bytes, Size] | None:
    """Name below the folder of images, the file or its content, and (height, width) as displayed; None: a problem."""
    if image.content is not None:
        return _content(image, image.content, part, writer, problems)
    places = [given] if given is not None else list(dict.fromkeys(image.places))
    try:
        found = _find(image, places, finder)
    except InputError as error:
        problems.add("missing", f"{image.where}: {error}")
        return None
    if found is None:
        wanted = places[0] / (image.names[0] if image.names else "")
        hint = finder.similar(places[0], image.names[-1]) if image.names else ""
        advice = "" if hint or given else "; --images FOLDER says where the images are"
        text = f"{wanted}: there is no such image, named by {image.file} ({image.where}){hint}{advice}"
        problems.add("missing", text)
        return None
    name, file = found
    # Two links are two images, so the name counts.
    place = Path(os.path.abspath(file))
    if place in used:
        problems.add("double", f"{image.where}: annotates {file} a second time")
        return None
    used[place] = file
    try:
        height, width = read_image(file).shape[:2]
    except InputError as error:
        problems.add("unreadable", str(error))
        return None
    text = size_problem(file, (height, width), image.size[0] or height, image.size[1] or width, image.file)
    if text:
        problems.add("size", text)
        return None
    try:
        writer.claim(name, part)
    except InputError as error:
        problems.add("double", f"{image.where}: {error}")
        return None
    return name, file, (height, width)


def _content(
    image: LabelledImage,
    read: Callable[[], tuple[bytes, Size]],
    part: str,
    writer: FolderWriter,
    problems: Problems,
) -> tuple[str, bytes, Size] | None:
    """The same of an image that is in no file of its own."""
    name = image.names[0].as_posix()
    try:
        content, size = read()
        writer.claim(name, part)
    except InputError as error:
        problems.add("missing", f"{image.where}: {error}")
        return None
    text = size_problem(Path(name), size, image.size[0] or size[0], image.size[1] or size[1], image.file)
    if text:
        problems.add("size", text)
        return None
    return name, content, size


def _find(image: LabelledImage, places: list[Path], finder: FileFinder) -> tuple[str, Path] | None:
    for name in image.names:
        for place in places:
            file = finder.find(place, name)
            if file is not None:
                return name.as_posix(), file
    return None
