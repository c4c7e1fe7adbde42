"""Training images by the published transforms of detection."""

import numpy as np
import pytest
import torch

from vit_adapter.annotations import Annotation, Instances
from vit_adapter.config import AugmentationConfig, ClassTable, DataConfig, InputError, Normalization
from vit_adapter.data.detection.published_set import PublishedTrainingSet
from vit_adapter.data.sample import Sample
from vit_adapter.data.scenes.scene_dataset import SceneDataset
from vit_adapter.training.group_sampler import EndlessShapeOrder, ShapeOrder, endless_batches, epoch_order
from vit_adapter.training.loader import _Collate
from vit_adapter.training.sampler import StepSampler

SIZES = {"1x": 800, "3x": 800, "htc": 1400, "objects365": 1600, "lsj": 1024, "panoptic": 800}


def scenes(count=4):
    return SceneDataset(DataConfig(layout="scenes", scenes=(count, 1), scene_size=64), "train", "instance")


def published(dataset, pipeline):
    return PublishedTrainingSet(dataset, AugmentationConfig(pipeline=pipeline), Normalization(), seed=3)


class Drawn:
    """Images of given sizes, each with a square object or none."""

    def __init__(self, *sizes, empty=()):
        self.sizes, self.empty = sizes, empty
        self.classes, self.names = ClassTable.numbered(2), [f"image {n}" for n in range(len(sizes))]
        self.config = DataConfig()

    def __len__(self):
        return len(self.sizes)

    def read(self, index):
        size = self.sizes[index]
        masks = np.zeros((0 if index in self.empty else 1, *size), bool)
        masks[:, 10:30, 10:30] = True
        objects = Instances.from_masks(np.zeros(len(masks), int), masks)
        return Sample(
            np.full((*size, 3), index, np.uint8),
            Annotation(np.zeros(size, np.uint8), objects),
            self.names[index],
        )


@pytest.mark.parametrize("pipeline", SIZES)
def test_images_objects_and_frames_of_every_pipeline(pipeline):
    item = published(scenes(), pipeline)[0, 1]
    (height, width), padded = item["frame"]
    assert item["image"].shape == (3, *padded)
    assert item["labels"].shape == padded
    assert max(height, width) <= SIZES[pipeline]
    assert padded == (1024, 1024) if pipeline == "lsj" else all(side % 32 == 0 for side in padded)
    masks, boxes = item["instances"].masks, item["instances"].boxes
    assert masks is not None
    assert masks.shape == (len(boxes), *padded)
    assert len(boxes) > 0
    assert not item["image"][:, height:].any()
    assert not masks[:, height:].any()
    assert (item["labels"][height:] == item["ignore_index"]).all()
    again = published(scenes(), pipeline)[0, 1]
    assert torch.equal(item["image"], again["image"])
    assert torch.equal(boxes, again["instances"].boxes)


def test_an_image_without_objects_is_replaced_by_one_of_its_shape():
    dataset = Drawn((40, 60), (60, 40), (40, 70), (40, 80), empty=(0, 3))
    assert published(dataset, "1x")[0, 0]["name"] == "image 2"
    assert published(dataset, "1x")[0, 1]["name"] == "image 1"


def test_it_stops_where_no_image_shows_an_object():
    with pytest.raises(InputError, match="image 0: shows no object"):
        published(Drawn((40, 60), (40, 60), empty=(0, 1)), "1x")[0, 0]


def test_a_task_without_objects_is_refused():
    with pytest.raises(InputError, match="pipeline 3x"):
        PublishedTrainingSet(scenes(), AugmentationConfig(pipeline="3x"), Normalization(), 0, objects=False)


def test_images_of_two_sizes_become_one_batch():
    train_set = published(Drawn((40, 60), (40, 120)), "1x")
    samples = [train_set[0, 0], train_set[0, 1]]
    (batch,) = _Collate(2)(samples)
    sizes = [sample["frame"][1] for sample in samples]
    largest = (max(h for h, _ in sizes), max(w for _, w in sizes))
    assert batch["image"].shape == (2, 3, *largest)
    assert batch["frames"] == [sample["frame"] for sample in samples]
    assert all(one.masks.shape[1:] == largest for one in batch["instances"])
    height, width = sizes[0]
    assert (batch["labels"][0, height:] == 255).all()
    assert (batch["labels"][0, :, width:] == 255).all()


def test_batches_of_one_shape_follow_from_their_number_alone():
    is_wide = np.array([True, False, True, True, False])
    first = StepSampler(ShapeOrder(is_wide, 5), 2, 1, 0, 8, rank=1, processes=2)
    keys = list(first)
    wanted = epoch_order(is_wide.astype(int), 2, 2, 5)[1].tolist()
    assert [index for step in keys[:2] for _, index in step] == wanted
    assert all(len({is_wide[index] for _, index in step}) == 1 for step in keys)
    assert first.starting_at(5).step_keys(5) == keys[5]
    assert StepSampler(ShapeOrder(is_wide, 5), 2, 1, 0, 8, 1, 2).step_keys(3) == keys[3]


def test_an_endless_order_is_the_same_from_any_step_on():
    is_wide = np.array([True, False, True, True, False])
    order = EndlessShapeOrder(is_wide, 5)
    batches = [[index for _, index in order.batch(number, 2, 0, 1)] for number in range(6)]
    walk = endless_batches(is_wide.astype(int), 2, 5)
    assert batches == [next(walk) for _ in range(6)]
    assert [index for _, index in order.batch(2, 2, 0, 1)] == batches[2]
    assert [index for _, index in EndlessShapeOrder(is_wide, 5).batch(4, 2, 0, 1)] == batches[4]
