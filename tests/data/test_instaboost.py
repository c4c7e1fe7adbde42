"""InstaBoost beyond what the records hold."""

import builtins

import numpy as np
import pytest

from vit_adapter.annotations import Instances, boxes_of_masks
from vit_adapter.config import InputError
from vit_adapter.data.detection.detection_image import DetectionImage
from vit_adapter.data.detection.instaboost import InstaBoost, overlapping_groups


def image_of(*windows, size=(60, 80)):
    masks = np.zeros((len(windows), *size), bool)
    for mask, (left, top, right, bottom) in zip(masks, windows, strict=True):
        mask[top:bottom, left:right] = True
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    objects = Instances(np.arange(len(windows)), boxes_of_masks(masks), masks)
    return DetectionImage(pixels, objects, np.array([[1, 2, 3, 4]], np.float32))


def test_groups_reach_over_others():
    boxes = np.array([[0, 0, 5, 5], [20, 0, 25, 5], [8, 0, 12, 5], [4, 0, 9, 5], [12, 0, 14, 5]], np.float32)
    assert overlapping_groups(boxes) == [[0, 3, 2], [1], [4]]


def test_an_image_without_objects_stays_and_draws_nothing():
    image = image_of()
    assert InstaBoost()(image, draws=None) is image  # pyright: ignore[reportArgumentType]


def test_moved_objects_keep_their_classes_and_their_size_in_about():
    image = image_of((20, 20, 50, 45), (55, 12, 66, 30))
    moved = InstaBoost(probability=1, scales=(0.9, 1.1))(image, np.random.default_rng(4))
    masks = np.asarray(moved.objects.masks)
    assert moved.objects.classes.tolist() == [0, 1]
    np.testing.assert_array_equal(moved.objects.boxes, boxes_of_masks(masks))
    for old, new in zip(np.asarray(image.objects.masks), masks, strict=True):
        assert 0.7 < new.sum() / old.sum() < 1.3
        assert (old & new).any()
    assert moved.image.dtype == np.uint8
    assert not np.array_equal(moved.image, image.image)
    np.testing.assert_array_equal(moved.ignored, image.ignored)


def test_without_opencv_it_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **settings):
        if name == "cv2":
            raise ImportError(name)
        return real(name, *arguments, **settings)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"vit-adapter\[instaboost\]"):
        InstaBoost(probability=1)(image_of((20, 20, 40, 40)), np.random.default_rng(0))
