"""COCO panoptic: every segment of an image is of a category, the rest is ignored; those of things are objects."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vit_adapter.annotations import run_lengths_of_ids
from vit_adapter.config import InputError, TaskName
from vit_adapter.config.class_table import LARGEST_ID
from vit_adapter.images import Mask, read_mask

from ..class_files import ClassEntry
from ..codes import pack_colours
from ..conversion.coco_file import coco_entries, read_coco
from ..file_tree import FileFinder
from ..found_objects import FoundObject
from .layout import Layout
from .pairs import Pair, SplitPart
from .split import split_by_name

VOID = 0  # segment id of what nobody labelled
PANOPTIC_TASKS: tuple[TaskName, ...] = ("panoptic", "instance", "semantic")
ADVICE = (
    "get train2017.zip, val2017.zip and panoptic_annotations_trainval2017.zip from https://cocodataset.org, unpack "
    "them into one folder, and the two archives in annotations too: annotations/panoptic_val2017.json + "
    "annotations/panoptic_val2017, images in val2017 or images/val2017"
)


@dataclass(frozen=True)
class SegmentMask(Mask):
    """Categories of the pixels, and the segment of each.

    Attributes:
        ids: int64 [H, W], segment ids; 0: none.
    """

    ids: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int64))


@dataclass(frozen=True)
class ListedSegments:
    """The segments of one file, in ascending order of their ids; the first is 0, what no segment covers.

    Attributes:
        ids: int64 [N].
        values: uint16 [N], the category of each.
        crowd: bool [N].
    """

    ids: np.ndarray
    values: np.ndarray
    crowd: np.ndarray


@dataclass(frozen=True)
class PanopticMasks:
    """Reads maps of segment ids as category ids.

    Attributes:
        segments: File to its segments.
        listed_in: What lists the segments, for messages.
        needs_colour: Ids are packed in RGB; otherwise a file of one channel holds them as they are.
    """

    segments: dict[Path, ListedSegments]
    listed_in: str = "the JSON of the data set"
    needs_colour: bool = True

    def __call__(self, file: Path, max_pixels: int) -> SegmentMask:
        """Category of every pixel.

        Returns:
            uint16 [H, W]: category ids, and that of "no segment" elsewhere.

        Raises:
            InputError: When the file cannot be read, holds a segment that is not listed, or lacks one that is.
        """
        mask = read_mask(file, max_pixels=max_pixels)
        colours = mask.colours() if self.needs_colour or mask.values.ndim == 3 else None
        if colours is None and self.needs_colour:
            raise InputError(f"{file}: holds one channel, expected the RGB of a panoptic mask")
        # Segment id = R + 256 G + 65536 B: the colour packed in reverse order.
        codes = mask.values.astype(np.int64) if colours is None else pack_colours(colours[..., ::-1])
        listed = self.segments[file]
        place = np.searchsorted(listed.ids, codes).clip(max=len(listed.ids) - 1)
        unknown = listed.ids[place] != codes
        if unknown.any():
            code = int(codes[unknown][0])
            raise InputError(
                f"{file}: the segment {code} in {int((codes == code).sum())} pixels is not in {self.listed_in}"
            )
        areas = np.bincount(place.reshape(-1), minlength=len(listed.ids))
        if not areas[1:].all():
            missing = int(listed.ids[1:][areas[1:] == 0][0])
            raise InputError(f"{file}: the segment {missing}, which {self.listed_in} lists, is in no pixel")
        return SegmentMask(listed.values[place], ids=codes)

    def objects(self, file: Path, mask: Mask, max_pixels: int) -> list[FoundObject]:
        """The segments that a map of ``__call__`` was made of; those of stuff are left out later."""
        assert isinstance(mask, SegmentMask)
        listed = self.segments[file]
        masks = run_lengths_of_ids(mask.ids)
        rows = zip(listed.ids.tolist(), listed.values.tolist(), listed.crowd.tolist())
        return [
            FoundObject(f"segment {number}", masks[number], value, crowd)
            for number, value, crowd in rows
            if number != VOID
        ]


def is_coco_panoptic(root: Path) -> bool:
    """A ``panoptic_*.json`` with a folder of the same name beside it."""
    return bool(_annotation_files(root))


def find_coco_panoptic(root: Path, validation_share: float) -> Layout:
    """``annotations/panoptic_train2017.json`` with its folder of PNG files, and the same for ``val2017``.

    The annotations may also be in the root or in ``sample_data`` (the sample of COCO's panoptic tools). A single
    file that is neither for training nor for validation is split by the images' names. Classes are the categories
    in ascending order of their ids; crowd regions are of their category.

    Raises:
        InputError: When nothing is arranged like that, or a JSON is broken.
    """
    # Other tools write such files for ADE20K: ade20k_panoptic_train.json.
    files = _annotation_files(root) or _annotation_files(root, "*_panoptic_*.json")
    if not files:
        raise InputError(f"{root}: is not arranged like COCO panoptic; {ADVICE}")
    segments: dict[Path, ListedSegments] = {}
    parts: dict[str, SplitPart] = {}
    entries: list[ClassEntry] = []
    nothing = VOID
    for file in files:
        content = read_coco(file)
        found = coco_entries(content["categories"], file)
        if entries and found != entries:
            raise InputError(f"{file}: has other categories than {files[0]}")
        entries = found
        known = {entry.id for entry in entries if entry.id is not None}
        nothing = free_value(known)
        part = _read_part(content, file, root, known, segments, nothing)
        split = next((split for split in ("train", "val") if split in file.stem), "")
        if split in parts:
            raise InputError(f"{root}: holds several panoptic JSON files for one part, such as {file}")
        parts[split] = part
    if "" in parts:
        if len(parts) > 1:
            raise InputError(f"{root}: of {', '.join(map(str, files))} one is for no part; {ADVICE}")
        whole = parts.pop("")
        sides = split_by_name(whole.pairs, validation_share, str(root))
        parts = {split: SplitPart(pairs, whole.problems) for split, pairs in sides.items()}
    for split in ("train", "val"):
        missing = f"{root}: has no annotations/panoptic_{split}2017.json with its folder"
        parts.setdefault(split, SplitPart(problems=[f"{missing}; {ADVICE}"]))
    reader = PanopticMasks(segments)
    told = all(entry.is_thing is not None for entry in entries)
    return Layout(
        "coco_panoptic",
        root,
        parts,
        entries,
        f"the {len(entries)} categories of {files[0]}",
        void_id=nothing,
        published=True,
        reader=reader,
        tasks=PANOPTIC_TASKS if told else ("semantic",),
        objects=reader.objects if told else None,
        annotation_files=tuple(files),
    )


def _annotation_files(root: Path, pattern: str = "panoptic_*.json") -> list[Path]:
    for place in (root / "annotations", root, root / "sample_data"):
        files = [file for file in sorted(place.glob(pattern)) if file.with_suffix("").is_dir()]
        if files:
            return files
    return []


def free_value(taken: Collection[int]) -> int:
    """A mask value for what no segment covers: 0 where no class has it."""
    return next(value for value in (VOID, *range(LARGEST_ID, 0, -1)) if value not in taken)


def listed_segments_of(rows: Sequence[tuple[int, int, bool]], nothing: int) -> ListedSegments:
    """Segments from (id, category, whether it is a crowd) of each.

    Raises:
        TypeError, ValueError, OverflowError: Ids or categories are no numbers, or too large.
    """
    table = {VOID: (nothing, False)} | {number: (category, crowd) for number, category, crowd in rows}
    ids = np.array(sorted(table), np.int64)
    values = np.array([table[number][0] for number in ids.tolist()], np.uint16)
    return ListedSegments(ids, values, np.array([table[number][1] for number in ids.tolist()], bool))


def _read_part(
    content: dict[str, Any],
    file: Path,
    root: Path,
    known: set[int],
    segments: dict[Path, ListedSegments],
    nothing: int,
) -> SplitPart:
    """Pairs of one JSON; ``segments`` gets those of its masks."""
    names = {entry.get("id"): entry.get("file_name") for entry in content["images"]}
    folder, part, finder = _image_folder(file, root, names.values()), SplitPart(), FileFinder()
    for annotation in content["annotations"]:
        where = f"{file}: the annotation of image {annotation.get('image_id')}"
        name, mask_name = names.get(annotation.get("image_id")), annotation.get("file_name")
        listed = annotation.get("segments_info")
        if not isinstance(name, str) or not isinstance(mask_name, str) or not isinstance(listed, list):
            raise InputError(f"{where} has no image, file_name or segments_info")
        try:
            listed_segments = listed_segments_of(
                [
                    (segment["id"], segment["category_id"], segment.get("iscrowd") in (1, True))
                    for segment in listed
                ],
                nothing,
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            raise InputError(f"{where} has a segment without id or category_id") from None
        strangers = set(listed_segments.values[1:].tolist()) - known
        if strangers:
            raise InputError(f"{where} has the category {min(strangers)}, which is not in its list")
        image, mask = finder.find(folder, Path(name)), finder.find(file.with_suffix(""), Path(mask_name))
        for path, found in ((folder / name, image), (file.with_suffix("") / mask_name, mask)):
            if found is None:
                part.problems.append(f"{path}: there is no such file, named by {file}; {ADVICE}")
        if image is not None and mask is not None:
            segments[mask] = listed_segments
            part.pairs.append(Pair(Path(name).with_suffix("").as_posix(), image, mask))
    part.pairs.sort(key=lambda pair: pair.name)
    return part


def _image_folder(file: Path, root: Path, names: Any) -> Path:
    """The first of the usual folders that holds the first image."""
    part = file.stem.rpartition("panoptic_")[2]
    training = {"train": "images/training", "val": "images/validation"}.get(part, "images")
    first = next((name for name in names if isinstance(name, str)), "")
    folders = [
        place / name
        for name in (part, f"images/{part}", training, "images", "input_images")
        for place in (root, file.parent)
    ]
    return next((folder for folder in folders if (folder / first).is_file()), root / part)
