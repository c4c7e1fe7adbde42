"""The training transforms of a published detection recipe, from the form of a data set to that of a run."""

from typing import NamedTuple

import numpy as np

from vit_adapter.annotations import Annotation, Instances, RunLengths, box_areas
from vit_adapter.config import ClassTable, InputError, Normalization, PipelineName
from vit_adapter.images import pad

from .coco_annotations import SMALLEST_SIDE, counts
from .detection_image import DetectionImage, Size
from .instaboost import InstaBoost, require_opencv
from .published import training_steps
from .steps import DetectionDraws, Pad, ReduceLabels, Step


class Placed(NamedTuple):
    """A training image, and where it lies in what a model sees.

    Attributes:
        image: float32 [H, W, C], normalised, 0 in the padding.
        annotation: Labels [H, W], the ignore id in the padding, and objects with masks bool [N, H, W] or boxes alone.
        size: (height, width) without the padding.
    """

    image: np.ndarray
    annotation: Annotation
    size: Size


class PublishedTransform:
    """The transforms of a recipe by name, with InstaBoost where it has that.

    Args:
        name: See ``training_steps``.
        normalization: Mean and deviation of the model.
        classes: Of the data.

    Raises:
        InputError: Classes that a mirror image exchanges, or OpenCV is missing.
    """

    def __init__(self, name: PipelineName, normalization: Normalization, classes: ClassTable) -> None:
        if classes.mirrored:
            raise InputError(
                f"--data.augmentation.pipeline {name}: the published transforms know no classes that a mirror image "
                "exchanges; leave out --data.mirrored_classes, or the pipeline"
            )
        self.ignore_index = classes.ignore_index
        # HTC++'s head takes every eighth label by itself.
        steps = [step for step in training_steps(name, normalization) if not isinstance(step, ReduceLabels)]
        self.steps: list[Step] = steps
        self.moves_objects = name == "htc"
        if self.moves_objects:
            require_opencv()
            self.steps.insert(0, InstaBoost())

    def __call__(self, image: np.ndarray, annotation: Annotation, draws: DetectionDraws) -> Placed | None:
        """Transforms an image.

        Args:
            image: [H, W, C].
            annotation: Objects, and labels [H, W] where they are known.
            draws: Where the random numbers come from.

        Returns:
            None: another image is to be taken, since this one shows no object or is narrower than 32 pixels.

        Raises:
            InputError: It has other channels than InstaBoost can recolour, or no objects or masks.
        """
        if annotation.instances is None:
            raise InputError("the published transforms of detection need objects")
        if not len(annotation.instances) or min(image.shape[:2]) < SMALLEST_SIDE:
            return None
        moving: DetectionImage | None = _with_dense_masks(image, annotation)
        movable = moving.objects.masks is not None and image.dtype == np.uint8 and image.shape[2] == 3
        if self.moves_objects and not movable:
            raise InputError("InstaBoost moves the masks of objects in 8-bit RGB images")
        size = moving.size
        for step in self.steps:
            if isinstance(step, Pad):
                size = moving.size
            moving = step(moving, draws)
            if moving is None:
                return None
        labels = moving.labels
        if labels is not None:
            labels = pad(labels[: size[0], : size[1]], moving.size, self.ignore_index)
        return Placed(moving.image, Annotation(labels, moving.objects), size)


def _learned(objects: Instances, size: Size) -> np.ndarray:
    """Bool [N]: what training looks at, by the rule of ``counts`` (behaviour 129)."""
    boxes, areas = objects.boxes, box_areas(objects.boxes) if objects.areas is None else objects.areas
    sides = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    pairs = zip(sides.tolist(), areas.tolist(), strict=True)
    return np.array([counts(box, area, size) for box, area in pairs], bool)


def _with_dense_masks(image: np.ndarray, annotation: Annotation) -> DetectionImage:
    """The image with objects whose masks are bool [N, H, W]; crowds are regions that are ignored."""
    objects = annotation.instances
    assert objects is not None
    size = image.shape[:2]
    crowd = np.zeros(len(objects), bool) if objects.crowd is None else objects.crowd
    kept, masks = np.flatnonzero(~crowd & _learned(objects, (image.shape[0], image.shape[1]))), None
    if objects.masks is not None:
        parts = [objects.masks[index] for index in kept.tolist()]
        dense = [part.mask() if isinstance(part, RunLengths) else part for part in parts]
        masks = np.stack(dense) if dense else np.zeros((0, *size), bool)
    single = Instances(objects.classes[kept], objects.boxes[kept], masks)
    return DetectionImage(image, single, objects.boxes[crowd], annotation.labels)
