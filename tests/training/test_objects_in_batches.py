"""Batches with objects: through worker processes and shared memory as without them."""

import numpy as np
import pytest
import torch

from vit_adapter.annotations import Annotation, Instances, InstanceTensors
from vit_adapter.config import AugmentationConfig, ClassTable, DataConfig, Normalization
from vit_adapter.data.sample import Sample
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.training import shared_memory
from vit_adapter.training.loader import make_loader, tensors_of
from vit_adapter.training.sampler import SampleOrder, StepSampler

SIDE = 32
WHOLE = AugmentationConfig(crop=SIDE, scale_range=(1, 1), category_max_ratio=1, photometric=False)


class Objects:
    """Image number n has n objects, of the classes 0 to n - 1; the first image has none."""

    def __init__(self, count: int = 6, with_masks: bool = True) -> None:
        self.names = [f"image {index}" for index in range(count)]
        self.classes, self.config, self.with_masks = ClassTable.numbered(6), DataConfig(), with_masks

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> Sample:
        masks = np.zeros((index, SIDE, SIDE), bool)
        for number in range(index):
            masks[number, number] = True
        objects = Instances.from_masks(np.arange(index), masks)
        if not self.with_masks:
            objects = Instances(objects.classes, objects.boxes)
        labels = np.zeros((SIDE, SIDE), np.uint8)
        return Sample(np.zeros((SIDE, SIDE, 3), np.uint8), Annotation(labels, objects), self.names[index])


def source(**options) -> TrainingSet:
    return TrainingSet(Objects(**options), WHOLE, Normalization(), 0, objects=True)


def sampler(images: int = 6) -> StepSampler:
    return StepSampler(SampleOrder(images, 0), batch_size=3, accumulate=2, first_step=0, last_step=2)


def batches(training_set: TrainingSet, workers: int) -> list:
    return [part for step in make_loader(training_set, sampler(), workers) for part in step]


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("with_masks", [True, False])
def test_batches_hold_the_objects_of_each_image(workers, with_masks):
    for batch in batches(source(with_masks=with_masks), workers):
        assert len(batch["instances"]) == len(batch["names"]) == 3
        for name, objects in zip(batch["names"], batch["instances"], strict=True):
            count = int(name.split()[1])
            assert isinstance(objects, InstanceTensors)
            assert sorted(objects.classes.tolist()) == list(range(count))
            assert objects.boxes.shape == (count, 4)
            assert objects.crowd.tolist() == [False] * count
            if not with_masks:
                assert objects.masks is None
                continue
            assert objects.masks is not None
            assert objects.masks.shape == (count, SIDE, SIDE)
            assert objects.masks.sum(dim=(1, 2)).tolist() == [SIDE] * count
        assert not workers or all(tensor.is_shared() for tensor in tensors_of(batch))


def test_masks_of_a_batch_are_one_piece_of_memory():
    """A tensor that a worker passes on is an open file; their number must not grow with that of the images."""
    (batch, *_) = batches(source(), 0)
    assert len({objects.masks.untyped_storage().data_ptr() for objects in batch["instances"]}) == 1


def test_room_in_shared_memory_counts_objects(monkeypatch):
    """The largest of the samples looked at counts, not the first one, which may show nothing."""
    monkeypatch.setattr(shared_memory, "free_shared_memory", lambda: 10**9)
    keys = sampler().step_keys(0)
    training_set = source()
    most = max(index for _, index in keys)
    image, labels = 4 * 3 * SIDE**2, 8 * SIDE**2
    expected = image + labels + most * (SIDE**2 + 8 + 4 * 4 + 1)
    assert shared_memory._sample_bytes(training_set, keys) == expected
    said: list[str] = []
    needed = (shared_memory.PREFETCHED * 1 + 1) * len(keys) * expected + 2 * shared_memory.LOCKS
    for room, workers in ((needed, 1), (needed - 1, 0)):
        monkeypatch.setattr(
            shared_memory, "free_shared_memory", lambda room=room: int(room / shared_memory.MARGIN) + 1
        )
        assert shared_memory.fitting_workers(training_set, sampler(), 2, 1, said.append) == workers
    assert torch.is_tensor(training_set[0, 1]["image"])
