"""Objects and segments as files: in COCO's forms, and as label images."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vit_adapter.annotations import Instances, RunLengths, Segments, Window
from vit_adapter.config.files import write_together
from vit_adapter.config.own_files import marked_png


def run_lengths_of(objects: Instances) -> list[RunLengths]:
    """The masks of objects as run-lengths; of boxes alone none."""
    if objects.masks is None:
        return []
    return [mask if isinstance(mask, RunLengths) else RunLengths.from_mask(mask) for mask in objects.masks]


def masks_in_boxes(objects: Instances) -> list[np.ndarray]:
    """Of each object what of its mask lies inside its box, bool [h, w]; boxes are those of the masks."""
    parts = []
    for mask, box in zip(run_lengths_of(objects), objects.boxes.astype(int).tolist(), strict=True):
        left, top, right, bottom = box
        parts.append(mask.part(Window(top, left, bottom - top, right - left)))
    return parts


def object_ids(objects: Instances, size: tuple[int, int]) -> np.ndarray:
    """The number of the object at every pixel, from 1; 0: none. Where objects overlap, that of the first one.

    Returns:
        uint8 [H, W], or uint16 for more than 255 objects.
    """
    ids = np.zeros(size, np.uint8 if len(objects) <= 255 else np.uint16)
    for number, mask in reversed(list(enumerate(run_lengths_of(objects), start=1))):
        ids[mask.mask()] = number
    return ids


def coco_instances(
    objects: Instances, size: tuple[int, int], file_name: str, names: Sequence[str], ids: Sequence[int]
) -> dict[str, Any]:
    """A whole file in COCO's form for one image: boxes as left, top, width, height; masks as compressed run-lengths."""
    annotations = []
    masks = run_lengths_of(objects)
    for index, label in enumerate(objects.classes.tolist()):
        left, top, right, bottom = objects.boxes[index].tolist()
        entry: dict[str, Any] = {
            "id": index + 1,
            "image_id": 1,
            "category_id": ids[label],
            "bbox": [left, top, right - left, bottom - top],
            "iscrowd": 0,
        }
        if objects.scores is not None:
            entry["score"] = round(float(objects.scores[index]), 6)
        if masks:
            entry["area"] = masks[index].area
            entry["segmentation"] = {"size": list(size), "counts": masks[index].compressed()}
        else:
            entry["area"] = (right - left) * (bottom - top)
        annotations.append(entry)
    return {
        "images": [_image(size, file_name)],
        "annotations": annotations,
        "categories": [{"id": ids[label], "name": name} for label, name in enumerate(names)],
    }


def panoptic_ids(segments: Segments) -> Image.Image:
    """Numbers of segments as COCO's PNG: red + 256 green + 65536 blue; 0: none."""
    ids = segments.ids
    return Image.fromarray(np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=2).astype(np.uint8))


def coco_panoptic(
    segments: Segments,
    size: tuple[int, int],
    file_names: tuple[str, str],
    names: Sequence[str],
    ids: Sequence[int],
    is_thing: Sequence[bool],
) -> dict[str, Any]:
    """A whole file in COCO's panoptic form for one image.

    Args:
        segments: What was found.
        size: (height, width).
        file_names: Of the image and of the PNG that has the numbers of the segments.
        names: Of the classes.
        ids: Of the classes, in the user's own files.
        is_thing: Of each class.
    """
    found = []
    areas = segments.areas.tolist()
    for index, label in enumerate(segments.classes.tolist()):
        left, top, right, bottom = RunLengths.from_mask(segments.ids == index + 1).box
        entry: dict[str, Any] = {
            "id": index + 1,
            "category_id": ids[label],
            "isthing": int(is_thing[label]),
            "iscrowd": 0,
            "area": areas[index],
            "bbox": [left, top, right - left, bottom - top],
        }
        if segments.scores is not None:
            entry["score"] = round(float(segments.scores[index]), 6)
        found.append(entry)
    return {
        "images": [_image(size, file_names[0])],
        "annotations": [{"image_id": 1, "file_name": file_names[1], "segments_info": found}],
        "categories": [
            {"id": ids[label], "name": name, "isthing": int(is_thing[label])}
            for label, name in enumerate(names)
        ],
    }


def json_writer(values: dict[str, Any]) -> Callable[[Path], object]:
    """Writes values as JSON, for ``write_together``."""
    text = json.dumps(values, ensure_ascii=False) + "\n"
    return lambda path: path.write_text(text, encoding="utf-8")


def write_objects(
    files: dict[str, Path],
    writers: dict[str, Callable[[Path], object]],
    drawn: Callable[[bool], Image.Image],
    *,
    alpha: float,
    legend: bool,
    facts: dict[str, object],
) -> list[Path]:
    """Writes the files of a result, with an overlay where ``files`` names one: all or none.

    Args:
        files: By what they are, the one with the mark first.
        writers: Of all but the overlay.
        drawn: The overlay, with a legend or without.
        alpha: Opacity of its fillings, for its mark.
        legend: With a legend.
        facts: What the marks say besides.

    Returns:
        The files, the one with the mark first.

    Raises:
        InputError: A file cannot be written.
    """
    if "overlay" in files:
        writers = {
            **writers,
            "overlay": marked_png(drawn(legend), {**facts, "alpha": alpha, "legend": legend}),
        }
    # The one with the mark last: where it is, the others are.
    write_together({files[kind]: writers[kind] for kind in reversed(files)})
    return list(files.values())


def _image(size: tuple[int, int], file_name: str) -> dict[str, Any]:
    return {"id": 1, "file_name": file_name, "height": size[0], "width": size[1]}
