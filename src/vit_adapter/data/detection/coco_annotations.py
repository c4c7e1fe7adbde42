"""COCO's annotations by the published rules: which objects, boxes and images count."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np

from vit_adapter.annotations import Boxes, Instances

from ..conversion.coco_shape import CocoShape

SMALLEST_SIDE = 32
"""Images with a shorter side, in pixels, are not trained on."""

Entry = Mapping[str, Any]


def category_labels(categories: Sequence[Entry], names: AbstractSet[str]) -> dict[int, int]:
    """Category id to label: the place among the categories with known names, in the order of the file."""
    known = [category["id"] for category in categories if category["name"] in names]
    return {number: label for label, number in enumerate(known)}


def objects_of(
    annotations: Sequence[Entry], size: tuple[int, int], labels: Mapping[int, int]
) -> tuple[Instances, Boxes]:
    """The objects of one image, and the ignored regions (behaviour 129).

    Args:
        annotations: Of the image, in the order of the file.
        size: (height, width) of the image.
        labels: Category id to label.

    Returns:
        Objects with the boxes of the file, which may reach out of the image, and masks as run-lengths; and the boxes
        float32 [M, 4] of crowds. Left out are those that are flagged "ignore", do not touch the image, have no
        area, are less than a pixel wide or high, or of an unknown category.

    Raises:
        InputError: A shape cannot be drawn.
    """
    boxes, classes, masks, ignored = [], [], [], []
    for one in annotations:
        left, top, width, height = one["bbox"]
        if (
            one.get("ignore")
            or not counts(one["bbox"], one["area"], size)
            or one["category_id"] not in labels
        ):
            continue
        box = [left, top, left + width, top + height]
        if one.get("iscrowd"):
            ignored.append(box)
            continue
        boxes.append(box)
        classes.append(labels[one["category_id"]])
        masks.append(CocoShape.read(one["segmentation"], size).run_lengths())
    known = Instances(np.array(classes, np.int64), np.array(boxes, np.float32).reshape(-1, 4), masks)
    return known, np.array(ignored, np.float32).reshape(-1, 4)


def counts(box: Sequence[float], area: float, size: tuple[int, int]) -> bool:
    """Whether an object of a box (left, top, width, height) and an area is looked at in an image of a size."""
    left, top, width, height = box
    across = max(0, min(left + width, size[1]) - max(left, 0))
    down = max(0, min(top + height, size[0]) - max(top, 0))
    return across * down != 0 and area > 0 and width >= 1 and height >= 1


def images_trained_on(
    images: Sequence[Entry],
    annotations: Sequence[Entry],
    labels: Mapping[int, int],
    keep_empty: bool = False,
) -> list[Entry]:
    """The images of a file that training sees, in its order (behaviour 130).

    Args:
        images: All of them.
        annotations: All of them.
        labels: Category id to label.
        keep_empty: Images without an annotation of a known category stay, too. A crowd, or an annotation that does
            not count, is one.
    """
    shown = {one["image_id"] for one in annotations if one["category_id"] in labels}
    return [
        image
        for image in images
        if (keep_empty or image["id"] in shown) and min(image["height"], image["width"]) >= SMALLEST_SIDE
    ]
