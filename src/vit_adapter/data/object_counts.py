"""How many objects the images of a data set show, and crops of them, and how large they are."""

from typing import NamedTuple

import numpy as np

from .file_dataset import FileDataset
from .sample import AnnotatedImages
from .scan import evenly

LOOKED_AT = 64
"""Images, evenly spaced, of which only the annotations are read."""


class ObjectCounts(NamedTuple):
    """Of the images with the most objects, and of all objects, crowds apart.

    Attributes:
        images: How many were looked at.
        of_image: Most objects of an image.
        of_crop: Most objects that a crop shows if they are spread evenly.
        side: Median of the roots of the areas of all objects' boxes, in pixels; 0 without objects.
    """

    images: int
    of_image: int
    of_crop: int
    side: float


def count_objects(dataset: AnnotatedImages, crop: int) -> ObjectCounts | None:
    """Counts the objects of up to 64 images.

    Args:
        dataset: Opened for a task that needs objects.
        crop: Its side in pixels of the image.

    Returns:
        None where there are no files to look at (embedded scenes).

    Raises:
        InputError: An annotation cannot be used.
    """
    if not isinstance(dataset, FileDataset) or dataset.objects is None:
        return None
    chosen = list(evenly(range(len(dataset)), LOOKED_AT))
    of_image = of_crop = 0
    sides: list[float] = []
    for index in chosen:
        annotation = dataset.read_annotation(index)
        if annotation.instances is None or annotation.labels is None:
            continue
        instances = annotation.instances
        single = (
            np.ones(len(instances), bool) if instances.crowd is None else ~np.asarray(instances.crowd, bool)
        )
        count = int(single.sum())
        corners = instances.boxes[single]
        sides += np.sqrt(np.prod(corners[:, 2:] - corners[:, :2], axis=1)).tolist()
        height, width = annotation.labels.shape
        share = min(crop, height) * min(crop, width) / (height * width)
        of_image, of_crop = max(of_image, count), max(of_crop, round(count * share))
    return ObjectCounts(len(chosen), of_image, of_crop, float(np.median(sides)) if sides else 0.0)
