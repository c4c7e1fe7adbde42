"""COCO's panoptic annotations by the published rules: objects, ignored regions, labels, and what the model learns.

Behaviour 168.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vit_adapter.annotations import Annotation, Boxes, Instances

from .coco_annotations import SMALLEST_SIDE

VOID = 255
Entry = Mapping[str, Any]


def panoptic_annotation(
    ids: np.ndarray, segments: Sequence[Entry], labels: Mapping[int, int], things: int
) -> tuple[Annotation, Boxes]:
    """What is true of one image.

    Args:
        ids: Integers [H, W]: the segment of each pixel, red + 256 green + 65536 blue of the PNG.
        segments: ``segments_info`` of the image.
        labels: Category id to label.
        things: Labels below this are of things.

    Returns:
        Labels uint8 [H, W], 255 where no segment is; the things as objects, masks bool [N, H, W], boxes of the file;
        and the boxes float32 [M, 4] of crowds. A crowd has its label in the map, but is no object. Segments
        without area, or less than a pixel wide or high, are left out everywhere.
    """
    painted = np.full(ids.shape, VOID, np.uint8)
    boxes, classes, masks, ignored = [], [], [], []
    for one in segments:
        left, top, width, height = one["bbox"]
        if one["area"] <= 0 or width < 1 or height < 1:
            continue
        label, mask = labels[one["category_id"]], ids == one["id"]
        painted[mask] = label
        box = [left, top, left + width, top + height]
        if label < things and one.get("iscrowd"):
            ignored.append(box)
        elif label < things:
            boxes.append(box)
            classes.append(label)
            masks.append(mask)
    objects = Instances(
        np.array(classes, np.int64),
        np.array(boxes, np.float32).reshape(-1, 4),
        np.stack(masks) if masks else np.zeros((0, *ids.shape), bool),
    )
    return Annotation(painted, objects), np.array(ignored, np.float32).reshape(-1, 4)


def panoptic_targets(objects: Instances, labels: np.ndarray, things: int) -> tuple[np.ndarray, np.ndarray]:
    """What queries are matched with: one mask for each thing, then one for each class of stuff.

    Args:
        objects: Things, with masks bool [N, H, W]; things are never taken from the labels.
        labels: [H, W] of the same size.
        things: Labels below this are of things.

    Returns:
        Classes int64 [M] and masks bool [M, H, W].
    """
    present = np.unique(labels)
    stuff = present[(present >= things) & (present != VOID)]
    masks = np.concatenate([np.asarray(objects.masks), labels == stuff[:, None, None]])
    return np.concatenate([objects.classes, stuff.astype(np.int64)]), masks


def trained_on(
    size: tuple[int, int], segments: Sequence[Entry], labels: Mapping[int, int], things: int
) -> bool:
    """Whether training sees an image of a (height, width): it has a segment of a thing, perhaps a crowd."""
    shown = any(labels.get(one["category_id"], things) < things for one in segments)
    return shown and min(size) >= SMALLEST_SIDE
