"""The training set: draws by position, bad images, worker processes."""

import pickle
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Sampler

from vit_adapter.annotations import Annotation, Instances, RunLengths
from vit_adapter.config import AugmentationConfig, ClassTable, DataConfig, InputError, Normalization
from vit_adapter.data.sample import Sample
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.images import UnreadableImageError

SETTINGS = AugmentationConfig(crop=16, base_size=(40, 24))


@dataclass
class Images:
    """Eight copies of one image; some cannot be decoded, or have a mask that does not fit."""

    bad: tuple[int, ...] = ()
    wrong_mask: tuple[int, ...] = ()
    count: int = 8
    channels: int = 3
    classes: ClassTable = field(default_factory=lambda: ClassTable.numbered(5))
    config: DataConfig = field(default_factory=DataConfig)

    @property
    def names(self):
        return [f"image {i}" for i in range(self.count)]

    def __len__(self):
        return self.count

    def read(self, index):
        if index in self.bad:
            raise UnreadableImageError(f"image {index}: truncated")
        if index in self.wrong_mask:
            raise InputError(f"mask {index}: another size")
        rng = np.random.default_rng(0)
        image = rng.integers(0, 256, (30, 44, self.channels)).astype(np.uint8)
        labels = rng.integers(0, 5, (30, 44)).astype(np.uint8)
        return Sample(image, Annotation(labels), self.names[index])


class Positions(Sampler):
    """(epoch, index) for two epochs."""

    def __iter__(self):
        return iter([(epoch, index) for epoch in range(2) for index in range(8)])

    def __len__(self):
        return 16


def training_set(images=None, **options):
    return TrainingSet(images or Images(), SETTINGS, Normalization(), options.pop("seed", 3), **options)


def test_sample_has_the_agreed_form():
    sample = training_set()[(0, 2)]
    assert sample["image"].dtype == torch.float32
    assert sample["image"].shape == (3, 16, 16)
    assert sample["image"].is_contiguous()
    assert sample["labels"].dtype == torch.int64
    assert sample["labels"].shape == (16, 16)
    assert (sample["name"], sample["replaced"], sample["reason"]) == ("image 2", "", "")
    assert len(training_set()) == 8


def test_draws_differ_by_seed_epoch_and_index_and_repeat_by_position():
    first, again = training_set(), training_set()
    seen = set()
    for seed in (3, 4):
        for position in Positions():
            sample = training_set(seed=seed)[position]
            seen.add(sample["image"].numpy().tobytes())
    assert len(seen) == 32
    for position in ((1, 7), (0, 0), (1, 7)):
        assert torch.equal(first[position]["image"], again[position]["image"])


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than cores are meant
@pytest.mark.parametrize("workers", [1, 2, pytest.param(4, marks=pytest.mark.slow)])
def test_spawned_workers_give_the_same_batches(workers):
    """Situations S44 and S70: the draws depend on the position, not on the process; everything can be sent there."""
    images = Images(bad=(5,))

    def batches(count):
        context = "spawn" if count else None
        loader = DataLoader(
            training_set(images), 4, sampler=Positions(), num_workers=count, multiprocessing_context=context
        )
        return list(loader)

    here, there = batches(0), batches(workers)
    assert len(here) == len(there) == 4
    for ours, theirs in zip(here, there):
        assert torch.equal(ours["image"], theirs["image"])
        assert torch.equal(ours["labels"], theirs["labels"])
        assert ours["replaced"] == theirs["replaced"]
    # The count of replaced images survives the way out of the workers: one in each epoch.
    assert [name for batch in there for name in batch["replaced"] if name] == ["image 5"] * 2


def test_pickle_round_trip():
    original = training_set()
    copy = pickle.loads(pickle.dumps(original))
    assert torch.equal(copy[(1, 3)]["image"], original[(1, 3)]["image"])


def test_bad_image_is_replaced_by_a_draw_of_its_position():
    damaged = training_set(Images(bad=(2,)))
    replacements = [damaged[(epoch, 2)] for epoch in range(12)]
    for sample in replacements:
        assert sample["replaced"] == "image 2"
        assert sample["reason"] == "image 2: truncated"
        assert sample["name"] != "image 2"
    assert len({sample["name"] for sample in replacements}) > 2
    assert damaged[(4, 2)]["name"] == training_set(Images(bad=(2,)))[(4, 2)]["name"]
    # The others are as if nothing had happened.
    assert torch.equal(damaged[(0, 3)]["image"], training_set()[(0, 3)]["image"])


def test_replacement_that_is_bad_too_is_drawn_again():
    sample = training_set(Images(bad=(0, 1, 2, 3, 4, 5, 6)))[(0, 0)]
    assert sample["name"] == "image 7"
    assert sample["replaced"] == "image 0"


def test_nothing_readable_is_one_error_not_a_loop():
    with pytest.raises(InputError, match=r"no image can be decoded.*image 0: truncated"):
        training_set(Images(bad=tuple(range(8))))[(0, 0)]


def test_stop_on_bad_image():
    with pytest.raises(UnreadableImageError, match="image 2: truncated"):
        training_set(Images(bad=(2,)), stop_on_bad_image=True)[(0, 2)]


def test_mask_that_does_not_fit_always_stops():
    with pytest.raises(InputError, match="mask 2: another size"):
        training_set(Images(wrong_mask=(2,)))[(0, 2)]


def test_negative_seed_is_refused():
    with pytest.raises(InputError, match="seed -1"):
        training_set(seed=-1)


def test_bands():
    images = Images(channels=5)
    bands = TrainingSet(images, SETTINGS, Normalization((0.0,) * 5, (1.0,) * 5), 0)
    assert bands[(0, 0)]["image"].shape == (5, 16, 16)


def test_files_of_a_folder_with_a_half_image(tmp_path):
    """From files to samples with the reader itself: the half photo is replaced, the others are as they are."""
    from PIL import Image

    from vit_adapter.images import read_image

    for i in range(3):
        Image.fromarray(np.full((20, 20, 3), 50 * i, np.uint8)).save(tmp_path / f"{i}.png")
    half = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(half[: len(half) // 2])

    class Files(Images):
        def read(self, index):
            image = read_image(tmp_path / f"{index}.png")
            return SimpleNamespace(image=image, labels=np.zeros((20, 20), np.uint8), name=str(index))

    sample = training_set(Files(count=3))[(0, 1)]
    assert sample["replaced"] == "image 1"
    assert "1.png" in sample["reason"]
    assert "truncated" in sample["reason"]


@dataclass
class Objects(Images):
    """As many objects as the number of the image says: columns; the last one is a crowd."""

    def read(self, index):
        sample = super().read(0)
        masks = np.zeros((index, 30, 44), bool)
        for number in range(index):
            masks[number, :, number] = True
        crowd = np.arange(index) == index - 1
        instances = Instances.from_masks(
            np.full(index, 2), [RunLengths.from_mask(m) for m in masks], crowd=crowd
        )
        return Sample(sample.image, Annotation(sample.labels, instances), self.names[index])


def test_objects_come_where_they_are_asked_for():
    whole = AugmentationConfig(crop=44, scale_range=(1, 1), flip=0, photometric=False)
    without = TrainingSet(Objects(), whole, Normalization(), 0)
    assert "instances" not in without[0, 3]
    source = TrainingSet(Objects(), whole, Normalization(), 0, objects=True)
    for count in range(8):
        sample = source[0, count]
        instances = sample["instances"]
        assert instances.classes.tolist() == [2] * count
        assert instances.masks.shape == (count, 44, 44)
        assert instances.masks.dtype == torch.uint8
        assert instances.masks.sum().item() == 30 * count
        assert instances.boxes.tolist() == [[number, 0, number + 1, 30] for number in range(count)]
        assert instances.crowd.tolist() == [number == count - 1 for number in range(count)]
        assert torch.equal(sample["image"], without[0, count]["image"])
    with pytest.raises(InputError, match="image 1: has labels but no objects"):
        TrainingSet(Images(), whole, Normalization(), 0, objects=True)[0, 1]
