"""Objects move with the labels: resizes, crops, mirror images, padding."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vit_adapter.annotations import Annotation, Instances, RunLengths, Window, boxes_of_masks
from vit_adapter.config import AugmentationConfig, Normalization
from vit_adapter.data.geometry import Geometry
from vit_adapter.data.transforms import TrainingTransform
from vit_adapter.images import pad, resize_labels

SIZES = st.tuples(st.integers(1, 14), st.integers(1, 14))


@st.composite
def geometries(draw):
    original, resized = draw(SIZES), draw(SIZES)
    top, left = draw(st.integers(0, resized[0] - 1)), draw(st.integers(0, resized[1] - 1))
    height, width = draw(st.integers(1, resized[0] - top)), draw(st.integers(1, resized[1] - left))
    padded = (height + draw(st.integers(0, 3)), width + draw(st.integers(0, 3)))
    flips = draw(st.tuples(st.booleans(), st.booleans()))
    return Geometry(original, resized, Window(top, left, height, width), *flips, padded)


def moved_one_by_one(geometry: Geometry, mask: np.ndarray) -> np.ndarray:
    """A mask as a label map goes: each step over the whole of it."""
    moved = resize_labels(mask, geometry.resized)[geometry.window.slices]
    moved = moved[:, ::-1] if geometry.mirrored else moved
    moved = moved[::-1] if geometry.upside_down else moved
    return pad(moved, geometry.padded, 0)


@settings(max_examples=200, deadline=None)
@given(geometries(), st.integers(0, 2**32 - 1), st.booleans())
def test_objects_go_where_their_pixels_go(geometry, seed, as_run_lengths):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, 5))
    masks = rng.random((count, *geometry.original)) < rng.choice([0.02, 0.3, 1.0])
    classes, crowd = rng.integers(0, 4, count), rng.random(count) < 0.5
    form = [RunLengths.from_mask(mask) for mask in masks] if as_run_lengths else masks
    found = geometry.instances(Instances.from_masks(classes, form, crowd=crowd), ((0, 3),))
    expected = np.array([moved_one_by_one(geometry, mask) for mask in masks]).reshape(-1, *geometry.padded)
    seen = expected.any(axis=(1, 2))
    np.testing.assert_array_equal(found.masks, expected[seen])
    np.testing.assert_array_equal(found.boxes, boxes_of_masks(expected[seen]))
    exchanged = np.array([3, 1, 2, 0]) if geometry.mirrored != geometry.upside_down else np.arange(4)
    np.testing.assert_array_equal(found.classes, exchanged[classes[seen]])
    np.testing.assert_array_equal(found.crowd, crowd[seen])


def test_boxes_without_masks():
    """Scaled, moved, mirrored and cut; one that lies outside is left out."""
    boxes = np.array([[2, 4, 6, 8], [0, 0, 2, 2], [7, 0, 10, 10]], np.float32)
    truth = Instances(np.array([0, 1, 2]), boxes)
    twice = Geometry((10, 10), (20, 20), Window(4, 6, 16, 8), False, False, (20, 20)).instances(truth)
    assert twice.classes.tolist() == [0]
    assert twice.masks is None
    np.testing.assert_array_equal(twice.boxes, [[0, 4, 6, 12]])
    mirrored = Geometry((10, 10), (10, 10), Window(0, 0, 10, 8), True, False, (10, 10)).instances(truth)
    np.testing.assert_array_equal(mirrored.boxes, [[2, 4, 6, 8], [6, 0, 8, 2], [0, 0, 1, 10]])
    np.testing.assert_array_equal(truth.boxes, boxes)


def test_only_the_part_around_an_object_is_made(monkeypatch):
    """A thousand objects of a large image: no mask of the whole image is made."""
    rng = np.random.default_rng(0)
    runs, size = [], (3000, 3000)
    for _ in range(1000):
        start = int(rng.integers(0, 3000 * 2990)) // 3000 * 3000 + int(rng.integers(0, 2900))
        runs.append(RunLengths(size, (start, 30, 3000 - 30, 30, 9_000_000 - start - 3030)))
    made = []
    part = RunLengths.part
    monkeypatch.setattr(RunLengths, "mask", lambda self: pytest.fail("a mask of the whole image was made"))
    monkeypatch.setattr(RunLengths, "part", lambda self, window: made.append(window) or part(self, window))
    geometry = Geometry(size, (1500, 1500), Window(0, 0, 256, 256), False, False, (256, 256))
    found = geometry.instances(Instances.from_masks(np.zeros(1000, int), runs))
    assert 0 < len(found) < 100
    assert all(window.height <= 30 and window.width <= 2 for window in made)


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_labels_and_objects_agree_after_the_training_transforms(flip):
    """Objects of which the labels were made are, moved, still those that the moved labels show."""
    labels = np.full((40, 60), 9, np.uint8)
    masks = np.zeros((3, 40, 60), bool)
    for number, window in enumerate((Window(3, 5, 20, 9), Window(18, 20, 22, 30), Window(0, 50, 40, 10))):
        masks[number][window.slices] = True
        labels[window.slices] = number
    truth = Annotation(labels, Instances.from_masks(np.arange(3), masks))
    augmentation = AugmentationConfig(crop=32, flip=flip, vertical_flip=0.5, photometric=False)
    transform = TrainingTransform(augmentation, Normalization(), 255, ((0, 1),))
    image = np.zeros((40, 60, 3), np.uint8)
    alone = []
    for seed in range(30):
        _, changed = transform(image, truth, np.random.default_rng(seed))
        assert changed.instances is not None
        assert set(changed.instances.classes) == set(np.unique(changed.labels)) - {9, 255}
        for kind, mask in zip(changed.instances.classes, changed.instances.masks, strict=True):
            np.testing.assert_array_equal(mask, changed.labels == kind)
        _, without = transform(image, Annotation(labels), np.random.default_rng(seed))
        np.testing.assert_array_equal(without.labels, changed.labels)  # objects change no draw
        alone.append(len(changed.instances))
    assert min(alone) < 3
    assert max(alone) == 3
