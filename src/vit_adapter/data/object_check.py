"""What the data check says of objects: how many, how large, and what is odd about them."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from vit_adapter.annotations import Annotation, Instances, RunLengths, box_areas
from vit_adapter.config import ClassTable, InputError

from .report import ObjectRow, Report
from .scan import THREADS

USUAL_LIMIT = 100
"""Objects of an image that COCO's average precision counts, and that a usual head of queries finds at most."""


class ObjectSource(Protocol):
    """The part of a data set that is looked at."""

    classes: ClassTable

    def read_annotation(self, index: int) -> Annotation:
        """Labels and objects of an image, without the image."""
        ...


@dataclass(frozen=True)
class ObjectsSeen:
    """The objects of one image.

    Attributes:
        part: "train" or "val".
        file: What a message calls the image.
        classes: int64 [N], of objects that are no crowd.
        areas: int64 [N], their pixels.
        cut: How many of them touch the border of the image.
        overlapping: Pixels of two objects or more.
        covered: Pixels of any object.
        crowds: int64 [M], class of each crowd.
        crowd_pixels: Pixels of the crowds.
    """

    part: str
    file: str
    classes: np.ndarray
    areas: np.ndarray
    cut: int
    overlapping: int
    covered: int
    crowds: np.ndarray
    crowd_pixels: int


def objects_seen(part: str, file: str, size: tuple[int, int], instances: Instances) -> ObjectsSeen:
    """Counts the objects of an image of (height, width) whose masks are run-lengths, or that are boxes alone."""
    crowd = np.zeros(len(instances), bool) if instances.crowd is None else instances.crowd
    masks = [mask for mask in instances.masks or () if isinstance(mask, RunLengths)]
    areas = np.array([mask.area for mask in masks], np.int64)
    if instances.masks is None:
        areas = box_areas(instances.boxes).round().astype(np.int64)
    boxes = instances.boxes[~crowd]
    height, width = size
    at_border = (boxes[:, :2] <= 0).any(axis=1) | (boxes[:, 2] >= width) | (boxes[:, 3] >= height)
    depth = np.zeros(height * width + 1, np.int32)  # one more at the begin of a run, one less behind its end
    for mask, is_crowd in zip(masks, crowd.tolist()):
        if not is_crowd:
            ends = np.cumsum(mask.counts)
            np.add.at(depth, ends[:-1:2], 1)
            np.add.at(depth, ends[1::2], -1)
    depth = np.cumsum(depth)[:-1]
    return ObjectsSeen(
        part,
        file,
        instances.classes[~crowd],
        areas[~crowd],
        int(at_border.sum()),
        int((depth > 1).sum()),
        int((depth > 0).sum()),
        instances.classes[crowd],
        int(areas[crowd].sum()),
    )


def look_at_objects(
    dataset: ObjectSource, part: str, files: Sequence[tuple[int, Path]]
) -> tuple[list[ObjectsSeen], list[str]]:
    """What is seen in some images of a data set, and errors of files that cannot be used.

    Args:
        dataset: Opened for a task that needs objects.
        part: "train" or "val".
        files: Number and name of each image.
    """

    def look(item: tuple[int, Path]) -> ObjectsSeen | str:
        try:
            annotation = dataset.read_annotation(item[0])
        except InputError as error:
            return str(error)
        assert annotation.labels is not None
        assert annotation.instances is not None
        height, width = annotation.labels.shape
        return objects_seen(part, str(item[1]), (height, width), annotation.instances)

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(look, files))
    return [item for item in found if isinstance(item, ObjectsSeen)], [
        item for item in found if isinstance(item, str)
    ]


def report_objects(report: Report, table: ClassTable, seen: Sequence[ObjectsSeen], by_pixels: bool) -> None:
    """Rows for the classes that are things, and remarks.

    Args:
        report: Gets them.
        table: The classes.
        seen: What was seen of each image.
        by_pixels: Crowds are pixels of things that no object covers, since nobody marks them as crowds.
    """
    for label, name in enumerate(table.names):
        if table.is_thing is not None and not table.is_thing[label]:
            continue
        areas = np.concatenate([np.zeros(0, np.int64), *(item.areas[item.classes == label] for item in seen)])
        counts = {
            part: sum(int((item.classes == label).sum()) for item in seen if item.part == part)
            for part in ("train", "val")
        }
        crowds = sum(int((item.crowds == label).sum()) for item in seen)
        smallest, median, largest = (
            (int(areas.min()), float(np.median(areas)), int(areas.max())) if len(areas) else (0, 0.0, 0)
        )
        report.object_rows.append(
            ObjectRow(name, counts["train"], counts["val"], crowds, smallest, median, largest)
        )
    per_image = np.array([len(item.classes) for item in seen], np.int64)
    if not len(per_image) or not per_image.sum():
        report.add_unless_sampled(f"{report.root}: there is no object in any of the {len(per_image)} images")
        return
    report.objects_per_image = (float(np.median(per_image)), int(per_image.max()))
    report.add("note", list(_notes(seen, per_image)))
    if by_pixels:
        lines = [
            f"{item.file}: {item.crowd_pixels} pixels of things belong to no object; they count as a crowd, which is "
            "neither learnt as an object nor missed"
            for item in seen
            if item.crowd_pixels
        ]
        report.add("warning", lines)
    elif sum(len(item.crowds) for item in seen):
        report.add(
            "note",
            f"crowds: {sum(len(item.crowds) for item in seen)}; they are neither learnt as objects nor missed",
        )


def _notes(seen: Sequence[ObjectsSeen], per_image: np.ndarray) -> Iterable[str]:
    total = int(per_image.sum())
    empty = int((per_image == 0).sum())
    if empty:
        yield f"images without an object: {empty} of {len(seen)}"
    many = int((per_image > USUAL_LIMIT).sum())
    if many:
        yield (
            f"images with more than {USUAL_LIMIT} objects: {many} (at most {per_image.max()}); AP as COCO counts it "
            f"takes the best {USUAL_LIMIT} of an image, and a head of queries finds at most as many as it has queries"
        )
    cut = sum(item.cut for item in seen)
    if cut:
        yield f"objects cut by the border of their image: {cut} of {total} ({cut / total:.1%})"
    covered, overlapping = sum(item.covered for item in seen), sum(item.overlapping for item in seen)
    if overlapping:
        yield f"pixels of two objects or more: {overlapping} ({overlapping / covered:.1%} of those of objects)"
