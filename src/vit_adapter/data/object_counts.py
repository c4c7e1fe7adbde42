"""How many objects the images of a data set show, and crops of them: so many a model has to find."""

from typing import NamedTuple

from .file_dataset import FileDataset
from .sample import AnnotatedImages
from .scan import evenly

LOOKED_AT = 64
"""Images, evenly spaced, of which only the annotations are read."""


class ObjectCounts(NamedTuple):
    """The images with the most objects, crowds apart.

    Attributes:
        images: How many were looked at.
        of_image: Most objects of an image.
        of_crop: Most objects that a crop shows if they are spread evenly.
    """

    images: int
    of_image: int
    of_crop: int


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
    for index in chosen:
        annotation = dataset.read_annotation(index)
        if annotation.instances is None or annotation.labels is None:
            continue
        crowd = annotation.instances.crowd
        count = len(annotation.instances) - (0 if crowd is None else int(crowd.sum()))
        height, width = annotation.labels.shape
        share = min(crop, height) * min(crop, width) / (height * width)
        of_image, of_crop = max(of_image, count), max(of_crop, round(count * share))
    return ObjectCounts(len(chosen), of_image, of_crop)
