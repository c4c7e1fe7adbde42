"""A data set as a published detection recipe sees it: images of many sizes, and another one where one is dropped."""

import numpy as np
import torch

from vit_adapter.annotations import Annotation
from vit_adapter.config import AugmentationConfig, InputError, Normalization

from ..sample import AnnotatedImages
from ..training_set import REPLACEMENT_ATTEMPTS, TrainingSample, TrainingSet, instance_tensors
from .published_transform import PublishedTransform


class PublishedTrainingSet(TrainingSet):
    """As ``TrainingSet``, with the transforms that ``augmentation.pipeline`` names.

    An image that shows no object, is too small, or whose objects are all lost on the way, is replaced by one drawn
    from those of its kind, wide or high, as published. Samples are as large as their image came out.
    """

    def __init__(
        self,
        dataset: AnnotatedImages,
        augmentation: AugmentationConfig,
        normalization: Normalization,
        seed: int,
        stop_on_bad_image: bool = False,
        objects: bool = True,
    ):
        """Wrap a data set; arguments as of ``TrainingSet``.

        Raises:
            InputError: The task learns no objects, or see ``PublishedTransform``.
        """
        super().__init__(dataset, augmentation, normalization, seed, stop_on_bad_image, objects)
        name = augmentation.pipeline
        assert name != "crops"
        if not objects:
            raise InputError(
                f"--data.augmentation.pipeline {name}: these transforms are for heads that learn objects; leave it out"
            )
        self.published = PublishedTransform(name, normalization, dataset.classes)

    def __getitem__(self, position: tuple[int, int]) -> TrainingSample:
        """Read and transform the image ``index`` of ``epoch``, or one in its place; errors as of ``TrainingSet``."""
        epoch, index = position
        draws = np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, epoch, index])))
        asked, reason, others = index, "", None
        for _ in range(REPLACEMENT_ATTEMPTS):
            sample, trouble = self._read(index, draws)
            reason = reason or trouble
            wanted = Annotation(sample.annotation.labels, sample.annotation.instances)
            placed = self.published(sample.image, wanted, draws)
            if placed is not None:
                break
            others = np.flatnonzero(self.is_wide == self.is_wide[asked]) if others is None else others
            index = int(others[draws.integers(0, len(others))])
        else:
            raise InputError(
                f"{self.dataset.names[asked]}: shows no object after the transforms, and neither do the "
                f"{REPLACEMENT_ATTEMPTS - 1} images that were drawn in its place"
            )
        labels = placed.annotation.labels
        assert labels is not None
        return {
            "image": torch.from_numpy(np.ascontiguousarray(placed.image.transpose(2, 0, 1))),
            "labels": torch.from_numpy(labels.astype(np.int64)),
            "instances": instance_tensors(placed.annotation.instances, sample.name),
            "name": sample.name,
            "replaced": self.dataset.names[asked] if reason else "",
            "reason": reason,
            "frame": (placed.size, (placed.image.shape[0], placed.image.shape[1])),
            "ignore_index": self.dataset.classes.ignore_index,
        }
