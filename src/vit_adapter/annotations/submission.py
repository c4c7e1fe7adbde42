"""Results in the form that COCO's evaluation servers take."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .instances import Instances
from .run_lengths import RunLengths


def object_entries(image_id: Any, objects: Instances, category_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Found objects of one image, class by class.

    Args:
        image_id: Of the image in COCO's file.
        objects: With scores; within a class they keep their order.
        category_ids: Category of each label.

    Returns:
        One entry for each object: box as left, top, width, height, score, and its mask, where there is one, as
        compressed run-lengths. Numbers are the float32 ones, not rounded.
    """
    entries = []
    for index in np.argsort(objects.classes, kind="stable").tolist():
        left, top, right, bottom = objects.boxes[index].tolist()
        entry: dict[str, Any] = {
            "image_id": image_id,
            "bbox": [left, top, right - left, bottom - top],
            "score": None if objects.scores is None else float(objects.scores[index]),
            "category_id": category_ids[int(objects.classes[index])],
        }
        if objects.masks is not None:
            mask = objects.masks[index]
            runs = mask if isinstance(mask, RunLengths) else RunLengths.from_mask(mask)
            entry["segmentation"] = {"size": list(runs.size), "counts": runs.compressed()}
        entries.append(entry)
    return entries


def panoptic_entry(
    image_id: Any, numbers: np.ndarray, file_name: str, category_ids: Sequence[int], things: int
) -> tuple[np.ndarray, dict[str, Any]]:
    """The segments of one image as published models number them.

    Args:
        image_id: Of the image in COCO's file.
        numbers: Integers [H, W]: label + 1000 * number of the thing (0 for stuff); the number of classes: nothing.
        file_name: Of the PNG.
        category_ids: Category of each label.
        things: Labels below this are of things.

    Returns:
        The PNG, uint8 [H, W, 3] RGB, red + 256 green + 65536 blue being the number, 0 nothing; and its entry.
    """
    nothing = len(category_ids)
    segments = []
    for number, area in zip(*np.unique(numbers, return_counts=True), strict=True):
        label = int(number) % 1000
        if number == nothing:
            continue
        segments.append(
            {
                "id": int(number),
                "category_id": category_ids[label],
                "isthing": int(label < things),
                "area": int(area),
            }
        )
    ids = np.where(numbers == nothing, 0, numbers)
    image = np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=2).astype(np.uint8)
    return image, {"image_id": image_id, "segments_info": segments, "file_name": file_name}
