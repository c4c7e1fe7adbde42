"""Objects of a plain folder: a file of object numbers for each mask, or in its place."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vit_adapter.config import DataConfig, InputError, TaskName
from vit_adapter.images import Mask, read_mask

from ..class_files import ClassEntry, read_text
from ..class_search import find_class_file
from ..codes import pack_colours
from ..found_objects import IdMap
from .coco_instances import TASKS, with_background
from .coco_panoptic import PANOPTIC_TASKS, PanopticMasks, free_value, listed_segments_of
from .layout import Layout
from .pairs import images_below, key_of

OBJECT_FOLDERS = ("instances", "instance", "inst", "objects", "instance_masks", "SegmentationObject")
TABLES = tuple(
    f"{name}.{suffix}" for name in ("objects", "segments", "instances") for suffix in ("csv", "json")
)


@dataclass(frozen=True)
class FolderObjects:
    """Reads the numbers of the objects that go with a mask.

    Attributes:
        files: Mask to its file of object numbers.
        folder: Folder of the first of them, for messages.
    """

    files: Mapping[Path, Path]
    folder: Path

    def __call__(self, mask_file: Path, mask: Mask, max_pixels: int) -> IdMap:
        """Numbers as stored, of 8, 16 or more bits; colours count as one number each, black as 0.

        Raises:
            InputError: There is no file, or it cannot be read.
        """
        file = self.files.get(mask_file)
        if file is None:
            raise InputError(
                f"{mask_file}: has no file of objects, expected one of the same name in {self.folder}"
            )
        ids = read_mask(file, max_pixels=max_pixels).values
        return IdMap(pack_colours(ids) if ids.ndim == 3 else ids, file)


def with_object_files(layout: Layout, mask_folders: Sequence[str]) -> Layout:
    """The layout, with objects where a folder such as ``instances`` stands beside its folder of masks."""
    masks = [pair.mask for part in (*layout.parts.values(), layout.test) if part for pair in part.pairs]
    listings: dict[Path, dict[str, Path]] = {}
    files: dict[Path, Path] = {}
    for mask in masks:
        place = _mask_folder(mask, layout.root, mask_folders)
        if place is None:
            continue
        folder, word = place
        if folder not in listings:
            listings[folder] = _listing(folder, word)
        found = listings[folder].get(key_of(mask, folder))
        if found is not None:
            files[mask] = found
    if not files:
        return layout
    reader = FolderObjects(files, next(iter(files.values())).parent)
    return replace(layout, objects=reader, tasks=PANOPTIC_TASKS)


def _mask_folder(mask: Path, root: Path, names: Sequence[str]) -> tuple[Path, str] | None:
    """The folder of masks that a mask lies in, and the word in its name that says so."""
    for folder in mask.parents:
        if folder == root:
            return None
        for word in names:
            if folder.name == word or folder.name.endswith(f"_{word}"):
                return folder, word
    return None


def _listing(folder: Path, word: str) -> dict[str, Path]:
    """Files of object numbers beside a folder of masks, by the names of the masks."""
    for name in OBJECT_FOLDERS:
        place = folder.with_name(folder.name.removesuffix(word) + name)
        if place.is_dir():
            return {key_of(path, place): path for path in images_below(place)}
    return {}


def find_table(root: Path) -> Path | None:
    """The table that says of which class each object is."""
    return next((root / name for name in TABLES if (root / name).is_file()), None)


@dataclass(frozen=True)
class _Row:
    image: str
    number: int
    kind: str
    crowd: bool


def with_table(layout: Layout, table: Path, config: DataConfig, task: TaskName) -> Layout:
    """A layout whose masks hold object numbers, with the classes of a table.

    Raises:
        InputError: The table cannot be read, lacks something, or names an image or class that is not there.
    """
    rows = _read_table(table)
    entries = _entries(rows, table, layout.root)
    with_stuff = any(entry.is_thing is False for entry in entries)
    if with_stuff:
        nothing = free_value({entry.id for entry in entries if entry.id is not None})
    else:
        entries, nothing = with_background(entries, config, task, table)
    value_of = {entry.name: entry.id for entry in entries}
    strangers = sorted({row.kind for row in rows} - value_of.keys())
    if strangers:
        raise InputError(f"{table}: the class {strangers[0]!r} is not in the class list")
    by_image: dict[str, list[tuple[int, int, bool]]] = {}
    for row in rows:
        by_image.setdefault(row.image, []).append((row.number, value_of[row.kind] or 0, row.crowd))
    parts = (*layout.parts.values(), layout.test)
    pairs = {pair.name: pair for part in parts if part for pair in part.pairs}
    short = {Path(name).name: name for name in pairs}
    segments = {pair.mask: listed_segments_of([], nothing) for pair in pairs.values()}
    for image, listed in by_image.items():
        name = next((known for known in (image, str(Path(image).with_suffix(""))) if known in pairs), None)
        name = name or short.get(Path(image).name) or short.get(Path(image).stem)
        if name is None:
            raise InputError(f"{table}: names the image {image!r}, which is not in the data set")
        segments[pairs[name].mask] = listed_segments_of(listed, nothing)
    reader = PanopticMasks(segments, str(table), needs_colour=False)
    return replace(
        layout,
        entries=entries,
        entries_from=str(table),
        void_id=None if task == "semantic" and not with_stuff else nothing,
        published=True,
        reader=reader,
        tasks=PANOPTIC_TASKS if with_stuff else TASKS,
        objects=reader.objects,
        annotation_files=(table,),
    )


def _entries(rows: Sequence[_Row], table: Path, root: Path) -> list[ClassEntry]:
    listed = find_class_file(root)
    if listed is not None:
        return [
            replace(entry, is_thing=entry.is_thing is not False)
            for entry in listed[0]
            if entry.id is not None
        ]
    names = sorted({row.kind for row in rows})
    if not names:
        raise InputError(f"{table}: lists no object")
    return [ClassEntry(name, number, is_thing=True) for number, name in enumerate(names, start=1)]


def _read_table(table: Path) -> list[_Row]:
    text = read_text(table)
    if table.suffix == ".csv":
        raw: Iterable[Any] = csv.DictReader(text.splitlines(), skipinitialspace=True)
    else:
        try:
            raw = _rows_of_json(json.loads(text))
        except (json.JSONDecodeError, RecursionError) as error:
            raise InputError(f"{table}: is not JSON ({error})") from None
    rows, seen = [], set()
    for position, row in enumerate(raw, start=1):
        row = {str(key).strip().lower(): value for key, value in row.items()} if isinstance(row, dict) else {}
        image, number, kind = (str(row.get(key) or "").strip() for key in ("image", "id", "class"))
        if not image or not number.isdecimal() or not int(number) or not kind:
            raise InputError(
                f"{table}: row {position}: expected image, id (1 or more) and class, found {row}"
            )
        if (image, number) in seen:
            raise InputError(f"{table}: row {position}: the object {number} of {image!r} is there twice")
        seen.add((image, number))
        rows.append(
            _Row(image, int(number), kind, str(row.get("crowd", "")).strip().lower() in ("1", "true", "yes"))
        )
    return rows


def _rows_of_json(content: Any) -> Iterable[Any]:
    """Rows ``{image, id, class}``, or of ``{image: {id: class}}``, where a class may be ``{class, crowd}``."""
    if isinstance(content, list):
        return content
    rows = []
    for image, objects in content.items() if isinstance(content, dict) else ():
        for number, kind in objects.items() if isinstance(objects, dict) else ():
            rows.append(
                {"image": image, "id": number, **(kind if isinstance(kind, dict) else {"class": kind})}
            )
    return rows
