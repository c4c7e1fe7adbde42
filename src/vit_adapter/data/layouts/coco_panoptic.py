"""COCO panoptic, read as semantic labels: every segment of an image is of a category, the rest is ignored."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vit_adapter.config import InputError
from vit_adapter.config.class_table import check_ids, trimmed_names
from vit_adapter.images import Mask, read_mask

from ..class_files import ClassEntry
from ..codes import pack_colours
from ..conversion.coco_file import read_coco
from ..file_tree import FileFinder
from .layout import Layout
from .pairs import Pair, Part
from .split import split_by_name

VOID = 0  # segment id and category of what nobody labelled
ADVICE = (
    "get train2017.zip, val2017.zip and panoptic_annotations_trainval2017.zip from https://cocodataset.org, unpack "
    "them into one folder, and the two archives in annotations too: annotations/panoptic_val2017.json + "
    "annotations/panoptic_val2017, images in val2017 or images/val2017"
)


@dataclass(frozen=True)
class PanopticMasks:
    """Reads panoptic PNG files as category ids.

    Attributes:
        segments: PNG file to the ids of its segments, ascending, and the category of each.
    """

    segments: dict[Path, tuple[np.ndarray, np.ndarray]]

    def __call__(self, file: Path, max_pixels: int) -> Mask:
        """Category of every pixel.

        Returns:
            uint16 [H, W]: category ids, 0 where no segment is.

        Raises:
            InputError: When the file cannot be read or holds a segment that the JSON does not list.
        """
        colours = read_mask(file, max_pixels=max_pixels).colours()
        if colours is None:
            raise InputError(f"{file}: holds one channel, expected the RGB of a panoptic mask")
        # Segment id = R + 256 G + 65536 B: the colour packed in reverse order.
        codes = pack_colours(colours[..., ::-1])
        ids, categories = self.segments[file]
        place = np.searchsorted(ids, codes).clip(max=len(ids) - 1)
        unknown = ids[place] != codes
        if unknown.any():
            code = int(codes[unknown][0])
            raise InputError(
                f"{file}: the segment {code} in {int((codes == code).sum())} pixels is not in the JSON of the data set"
            )
        return Mask(categories[place])


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
    files = _annotation_files(root)
    if not files:
        raise InputError(f"{root}: is not arranged like COCO panoptic; {ADVICE}")
    segments: dict[Path, tuple[np.ndarray, np.ndarray]] = {}
    parts: dict[str, Part] = {}
    entries: list[ClassEntry] = []
    for file in files:
        content = read_coco(file)
        found = _classes(content["categories"], file)
        if entries and found != entries:
            raise InputError(f"{file}: has other categories than {files[0]}")
        entries = found
        part = _read_part(
            content, file, root, {entry.id for entry in entries if entry.id is not None}, segments
        )
        split = next((split for split in ("train", "val") if split in file.stem), "")
        if split in parts:
            raise InputError(f"{root}: holds several panoptic JSON files for one part, such as {file}")
        parts[split] = part
    if "" in parts:
        if len(parts) > 1:
            raise InputError(f"{root}: of {', '.join(map(str, files))} one is for no part; {ADVICE}")
        whole = parts.pop("")
        sides = split_by_name(whole.pairs, validation_share, str(root))
        parts = {split: Part(pairs, whole.problems) for split, pairs in sides.items()}
    for split in ("train", "val"):
        missing = f"{root}: has no annotations/panoptic_{split}2017.json with its folder"
        parts.setdefault(split, Part(problems=[f"{missing}; {ADVICE}"]))
    return Layout(
        "coco_panoptic",
        root,
        parts,
        entries,
        f"the {len(entries)} categories of {files[0]}",
        void_id=VOID,
        published=True,
        reader=PanopticMasks(segments),
    )


def _annotation_files(root: Path) -> list[Path]:
    for place in (root / "annotations", root, root / "sample_data"):
        files = [file for file in sorted(place.glob("panoptic_*.json")) if file.with_suffix("").is_dir()]
        if files:
            return files
    return []


def _classes(categories: Sequence[dict[str, Any]], file: Path) -> list[ClassEntry]:
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


def _read_part(
    content: dict[str, Any],
    file: Path,
    root: Path,
    known: set[int],
    segments: dict[Path, tuple[np.ndarray, np.ndarray]],
) -> Part:
    """Pairs of one JSON; ``segments`` gets those of its masks."""
    names = {entry.get("id"): entry.get("file_name") for entry in content["images"]}
    folder, part, finder = _image_folder(file, root, names.values()), Part(), FileFinder()
    for annotation in content["annotations"]:
        where = f"{file}: the annotation of image {annotation.get('image_id')}"
        name, mask_name = names.get(annotation.get("image_id")), annotation.get("file_name")
        listed = annotation.get("segments_info")
        if not isinstance(name, str) or not isinstance(mask_name, str) or not isinstance(listed, list):
            raise InputError(f"{where} has no image, file_name or segments_info")
        try:
            table = {VOID: VOID} | {segment["id"]: segment["category_id"] for segment in listed}
            ids = np.array(sorted(table), np.int64)
            categories = np.array([table[number] for number in ids.tolist()], np.uint16)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise InputError(f"{where} has a segment without id or category_id") from None
        strangers = set(categories.tolist()) - known - {VOID}
        if strangers:
            raise InputError(f"{where} has the category {min(strangers)}, which is not in its list")
        image, mask = finder.find(folder, Path(name)), finder.find(file.with_suffix(""), Path(mask_name))
        for path, found in ((folder / name, image), (file.with_suffix("") / mask_name, mask)):
            if found is None:
                part.problems.append(f"{path}: there is no such file, named by {file}; {ADVICE}")
        if image is not None and mask is not None:
            segments[mask] = ids, categories
            part.pairs.append(Pair(Path(name).with_suffix("").as_posix(), image, mask))
    part.pairs.sort(key=lambda pair: pair.name)
    return part


def _image_folder(file: Path, root: Path, names: Any) -> Path:
    """The first of the usual folders that holds the first image."""
    part = file.stem.removeprefix("panoptic_")
    first = next((name for name in names if isinstance(name, str)), "")
    folders = [
        place / name
        for name in (part, f"images/{part}", "images", "input_images")
        for place in (root, file.parent)
    ]
    return next((folder for folder in folders if (folder / first).is_file()), root / part)
