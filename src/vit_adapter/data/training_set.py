"""A data set as training sees it: transformed images, every random draw a function of the position in the run."""

from functools import cached_property
from typing import NotRequired, TypedDict

import numpy as np
import torch
from torch.utils.data import Dataset

from vit_adapter.annotations import Annotation, Instances, InstanceTensors
from vit_adapter.config import AugmentationConfig, InputError, Normalization
from vit_adapter.images import UnreadableImageError

from .image_sizes import wide_images
from .sample import AnnotatedImages, Sample
from .transforms import TrainingTransform, check_augmentation

REPLACEMENT_ATTEMPTS = 100


class TrainingSample(TypedDict):
    """One item.

    Attributes:
        image: float32 [C, crop, crop], normalised.
        labels: int64 [crop, crop].
        instances: The objects that are seen in the crop; only where the task needs objects.
        name: Name of the image that is in ``image``.
        replaced: Name of the image that should have been there but cannot be decoded, or "".
        reason: Why it cannot be decoded, or "".
        frame: (height, width) of the image, and of the image with its own padding; only where samples differ in size.
        ignore_index: Label of what pads a sample to the size of its batch; only where samples differ in size.
    """

    image: torch.Tensor
    labels: torch.Tensor
    instances: NotRequired[InstanceTensors]
    name: str
    replaced: str
    reason: str
    frame: NotRequired[tuple[tuple[int, int], tuple[int, int]]]
    ignore_index: NotRequired[int]


class TrainingSet(Dataset[TrainingSample]):
    """Transformed images, indexed with (epoch, index).

    All draws come from a generator seeded with (seed, epoch, index): number of workers, order of reading and
    restarts change nothing. An image that cannot be decoded is replaced by one drawn from the same
    generator; the sample says so, which survives the transfer out of a worker process. Errors of masks are never
    caught.
    """

    def __init__(
        self,
        dataset: AnnotatedImages,
        augmentation: AugmentationConfig,
        normalization: Normalization,
        seed: int,
        stop_on_bad_image: bool = False,
        objects: bool = False,
    ):
        """Wrap a data set.

        Args:
            dataset: Images and labels.
            augmentation: Random changes.
            normalization: Mean and standard deviation of the model.
            seed: Seed of the run, 0 or more.
            stop_on_bad_image: Raise at an image that cannot be decoded instead of replacing it.
            objects: Samples hold the objects as well.
        """
        if seed < 0:
            raise InputError(f"seed {seed}: expected 0 or more")
        check_augmentation(augmentation)
        self.dataset = dataset
        self.transform = TrainingTransform(
            augmentation,
            normalization,
            dataset.classes.ignore_index,
            dataset.classes.mirrored,
        )
        self.seed = seed
        self.stop_on_bad_image = stop_on_bad_image
        self.objects = objects

    @cached_property
    def is_wide(self) -> np.ndarray:
        """Bool [N]: images that are wider than high."""
        return wide_images(self.dataset)

    def __len__(self) -> int:
        """Number of images, that is, of samples in an epoch."""
        return len(self.dataset)

    def __getitem__(self, position: tuple[int, int]) -> TrainingSample:
        """Read and transform the image ``index`` of ``epoch``.

        Raises:
            UnreadableImageError: The image cannot be decoded, and replacing is switched off.
            InputError: A mask does not fit, or no image that can be decoded was found.
        """
        epoch, index = position
        draws = np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, epoch, index])))
        sample, reason = self._read(index, draws)
        wanted = Annotation(sample.labels, sample.annotation.instances if self.objects else None)
        image, annotation = self.transform(sample.image, wanted, draws)
        assert annotation.labels is not None
        item: TrainingSample = {
            "image": torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))),
            "labels": torch.from_numpy(annotation.labels.astype(np.int64)),
            "name": sample.name,
            "replaced": self.dataset.names[index] if reason else "",
            "reason": reason,
        }
        if self.objects:
            item["instances"] = instance_tensors(annotation.instances, sample.name)
        return item

    def _read(self, index: int, draws: np.random.Generator) -> tuple[Sample, str]:
        """The sample, or a replacement and the reason for it."""
        reason = ""
        for _ in range(REPLACEMENT_ATTEMPTS):
            try:
                return self.dataset.read(index), reason
            except UnreadableImageError as error:
                if self.stop_on_bad_image:
                    raise
                reason = reason or str(error)
            index = int(draws.integers(0, len(self.dataset)))
        raise InputError(f"no image can be decoded among {REPLACEMENT_ATTEMPTS} that were drawn; {reason}")


def instance_tensors(instances: Instances | None, name: str) -> InstanceTensors:
    """Objects with dense masks, or with boxes alone, as tensors.

    Args:
        instances: The objects of a transformed image.
        name: Name of the image, for the message.

    Raises:
        InputError: It is not known which objects there are.
    """
    if instances is None:
        raise InputError(f"{name}: has labels but no objects, which the task needs")
    masks = instances.masks
    assert masks is None or isinstance(masks, np.ndarray)
    crowd = np.zeros(len(instances), bool) if instances.crowd is None else instances.crowd
    return InstanceTensors(
        torch.from_numpy(instances.classes),
        torch.from_numpy(instances.boxes),
        None if masks is None else torch.from_numpy(masks.view(np.uint8)),
        torch.from_numpy(crowd),
    )
