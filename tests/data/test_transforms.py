"""The training transforms: properties over many draws, and the numbers of OpenCV."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vit_adapter.annotations import Annotation
from vit_adapter.config import AugmentationConfig, Normalization
from vit_adapter.data.hsv import hsv_to_rgb, rgb_to_hsv
from vit_adapter.data.transforms import (
    RandomCrop,
    RandomResize,
    TrainingTransform,
    crop,
    distort_colours,
    draw_flip,
    flip,
)
from vit_adapter.images import normalize, pad, resize_image, resize_labels

PLAIN = Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
EVERY_COLOUR = np.stack(np.meshgrid(*[np.arange(0, 256, 3)] * 3, indexing="ij"), -1).astype(np.uint8)


class ConstantDraws:
    """Draws with the same place in every range, counted."""

    def __init__(self, place: float) -> None:
        self.place, self.count = place, 0

    def random(self) -> float:
        self.count += 1
        return self.place

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self.random()

    def integers(self, low: int, high: int) -> int:
        return low + int((high - low) * self.random())


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def on_labels(transform, image, labels, draws):
    """Image and labels after the transforms."""
    pixels, annotation = transform(image, Annotation(labels), draws)
    return pixels, annotation.labels


def test_hsv_equals_opencv():
    # A width of whole vector blocks: the rest of a row goes through other code in OpenCV.
    image = EVERY_COLOUR.reshape(-1, 3)[: 128 * 4000].reshape(-1, 128, 3)
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    np.testing.assert_array_equal(np.stack(rgb_to_hsv(image), -1), hsv)
    back = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(int)
    difference = np.abs(hsv_to_rgb(*(hsv[..., i] for i in range(3))) - back)
    assert difference.max() <= 1  # 0 where OpenCV uses fused vector arithmetic, 1 where it rounds instead


def test_every_hue_comes_back():
    hue = np.arange(180, dtype=np.uint8)[None].repeat(2, axis=0)
    full = np.full_like(hue, 255)
    again, saturation, value = rgb_to_hsv(hsv_to_rgb(hue, full, full))
    assert np.abs(again.astype(int) - hue).max() <= 1
    assert (saturation == 255).all()
    assert (value == 255).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6))
def test_colours_stay_bytes_and_grey_stays_grey(seed):
    image = np.repeat(generator(seed).integers(0, 256, (6, 5, 1)), 3, axis=2).astype(np.uint8)
    result = distort_colours(image, generator(seed))
    assert result.dtype == np.uint8
    assert result.shape == image.shape
    assert np.ptp(result, axis=2).max() == 0


def test_colour_steps_are_off_half_of_the_time_and_never_touch_the_source():
    image = generator(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    before = image.copy()
    unchanged = sum(np.array_equal(distort_colours(image, generator(seed)), image) for seed in range(300))
    np.testing.assert_array_equal(image, before)
    assert 3 <= unchanged <= 45  # all four switches off: 1 in 16


def test_number_of_draws_of_the_colours():
    off, on = ConstantDraws(0.0), ConstantDraws(0.99)
    distort_colours(np.zeros((2, 2, 3), np.uint8), off)
    distort_colours(np.zeros((2, 2, 3), np.uint8), on)
    assert (off.count, on.count) == (5, 9)


def test_brightness_is_cut_off_not_rounded():
    class Brightness(ConstantDraws):
        def uniform(self, low, high):
            return 0.75

        def integers(self, low, high):
            self.count += 1
            return int(self.count == 1)

    image = np.array([[[0, 100, 255]]], np.uint8)
    assert distort_colours(image, Brightness(0)).tolist() == [[[0, 100, 255]]]


def test_resize_draws_once_between_the_limits():
    resize = RandomResize((2048, 512), (0.5, 2.0))
    low, high = ConstantDraws(0.0), ConstantDraws(1.0)
    assert resize.draw(low, (480, 640)) == (256, 341)
    assert resize.draw(high, (480, 640)) == (1024, 1365)
    assert (low.count, high.count) == (1, 1)
    assert RandomResize(None, (0.5, 2.0)).draw(ConstantDraws(0.0), (480, 641)) == (240, 320)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 40), st.integers(0, 10**6))
def test_box_lies_inside_and_is_as_large_as_it_can_be(height, width, side, seed):
    labels = generator(seed).integers(0, 3, (height, width)).astype(np.uint8)
    box = RandomCrop((side, side), 0.75, 255).draw(generator(seed), labels)
    assert crop(labels, box).shape == (min(side, height), min(side, width))
    assert min(box[:2]) >= 0


def test_crop_draws_again_until_no_class_dominates():
    # Left three quarters class 0, right quarter classes 1 and 2 mixed: only boxes at the right pass.
    labels = np.zeros((32, 128), np.uint8)
    labels[:, 96:] = 1 + np.indices((32, 32)).sum(0) % 2
    crop_32 = RandomCrop((32, 32), 0.75, 255)
    accepted = [crop_32.draw(generator(seed), labels) for seed in range(200)]
    mixed = [np.unique(crop(labels, box)).size > 1 for box in accepted]
    chance = [
        np.unique(crop(labels, RandomCrop((32, 32), 1, 255).draw(generator(s), labels))).size > 1
        for s in range(200)
    ]
    assert np.mean(mixed) > 0.9 > 0.6 > np.mean(chance)


def test_ignored_pixels_are_no_class_of_a_crop():
    labels = np.full((40, 40), 255, np.uint8)
    labels[:, ::2] = 4
    draws = ConstantDraws(0.5)
    RandomCrop((8, 8), 0.75, 255).draw(draws, labels)
    assert draws.count == 22  # eleven boxes: one class beside the ignored one is not enough
    wide = labels.astype(np.uint16)
    wide[wide == 255] = 65535
    draws = ConstantDraws(0.5)
    RandomCrop((8, 8), 0.75, 65535).draw(draws, wide)
    assert draws.count == 22


def test_ratio_of_one_checks_nothing():
    draws = ConstantDraws(0.5)
    RandomCrop((8, 8), 1.0, 255).draw(draws, np.zeros((40, 40), np.uint8))
    assert draws.count == 2


def test_flip_probability():
    assert not draw_flip(ConstantDraws(0.0), 0.0)
    assert draw_flip(ConstantDraws(0.999), 1.0)
    assert draw_flip(ConstantDraws(0.4999), 0.5)
    assert not draw_flip(ConstantDraws(0.5), 0.5)
    array = np.arange(12).reshape(3, 4)
    assert flip(array)[0].tolist() == [3, 2, 1, 0]
    assert flip(array, vertical=True)[0].tolist() == [8, 9, 10, 11]


def test_no_class_is_invented():
    """Situation S05: only 0 and 7 in the mask, scaled 0.5 to 2."""
    labels = np.zeros((48, 48), np.uint8)
    labels[:, 20:] = 7
    image = np.zeros((48, 48, 3), np.uint8)
    transform = TrainingTransform(AugmentationConfig(crop=40), Normalization(), 255)
    for seed in range(200):
        _, result = on_labels(transform, image, labels, generator(seed))
        assert set(np.unique(result).tolist()) <= {0, 7, 255}


@pytest.mark.parametrize("ignore", [255, 65535])
def test_border_is_ignored_and_never_class_0(ignore):
    """Situation S06: everything is class 3, images are smaller than the crop."""
    labels = np.full((40, 40), 3, np.uint8 if ignore == 255 else np.uint16)
    image = np.full((40, 40, 3), 200, np.uint8)
    augmentation = AugmentationConfig(crop=64, photometric=False)
    for seed in range(50):
        pixels, result = on_labels(
            TrainingTransform(augmentation, PLAIN, ignore), image, labels, generator(seed)
        )
        assert result.shape == (64, 64)
        assert pixels.shape == (64, 64, 3)
        assert set(np.unique(result).tolist()) <= {3, ignore}
        # Inside is the image, outside is the padding, and nothing else.
        np.testing.assert_array_equal(result == 3, pixels[..., 0] == 200)
        np.testing.assert_array_equal(result == ignore, pixels[..., 0] == 0)


def test_transform_equals_its_steps_on_the_whole_image():
    """Resizing only the box gives the same as resizing everything and cutting."""
    rng = generator(1)
    image = rng.integers(0, 256, (50, 70, 3)).astype(np.uint8)
    labels = rng.integers(0, 5, (50, 70)).astype(np.uint8)
    augmentation = AugmentationConfig(base_size=(90, 60), crop=48)
    for seed in range(20):
        ours = on_labels(
            TrainingTransform(augmentation, Normalization(), 255), image, labels, generator(seed)
        )
        draws = generator(seed)
        size = RandomResize((90, 60), (0.5, 2.0)).draw(draws, (50, 70))
        pixels, ids = resize_image(image, size), resize_labels(labels, size)
        box = RandomCrop((48, 48), 0.75, 255).draw(draws, ids)
        pixels, ids = crop(pixels, box), crop(ids, box)
        if draw_flip(draws, 0.5):
            pixels, ids = flip(pixels), flip(ids)
        pixels = distort_colours(pixels, draws)
        np.testing.assert_array_equal(ours[0], pad(normalize(pixels, Normalization()), (48, 48), 0))
        np.testing.assert_array_equal(ours[1], pad(ids, (48, 48), 255))


@pytest.mark.parametrize(
    ("channels", "dtype"), [(1, np.uint8), (5, np.uint16), (4, np.float32), (3, np.uint16)]
)
def test_other_images_keep_their_colours(channels, dtype):
    image = np.full((32, 32, channels), 200, dtype)
    normalization = Normalization((0.0,) * channels, (1.0,) * channels)
    transform = TrainingTransform(AugmentationConfig(crop=32), normalization, 255)
    for seed in range(20):
        pixels, _ = on_labels(transform, image, np.zeros((32, 32), np.uint8), generator(seed))
        assert pixels.dtype == np.float32
        assert set(np.unique(pixels).tolist()) <= {0.0, 200.0}


@pytest.mark.parametrize("shape", [(1, 513), (513, 1), (1, 1)])
def test_thin_images_pass(shape):
    transform = TrainingTransform(AugmentationConfig(crop=32), Normalization(), 255)
    for seed in range(10):
        pixels, labels = on_labels(
            transform, np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.uint8), generator(seed)
        )
        assert pixels.shape == (32, 32, 3)
        assert (labels == 0).any()


def test_image_and_labels_move_together():
    """Solid colours: class and colour can be told from one pixel, wherever it went."""
    labels = np.repeat(np.repeat(generator(0).integers(0, 4, (8, 8)), 16, axis=0), 16, axis=1).astype(
        np.uint8
    )
    image = np.repeat((labels * 60)[..., None], 3, axis=2).astype(np.uint8)
    augmentation = AugmentationConfig(crop=96, photometric=False, category_max_ratio=1.0)
    transform = TrainingTransform(augmentation, PLAIN, 255)
    for seed in range(30):
        pixels, result = on_labels(transform, image, labels, generator(seed))
        inside = result != 255
        agree = np.abs(pixels[..., 0] - result * 60.0)[inside] < 30
        assert agree.mean() > 0.9  # only edges are mixed


def test_vertical_mirror_images():
    """One more draw behind the horizontal one; without it, order and number of draws stay as they were."""
    rng = generator(2)
    image = rng.integers(0, 256, (40, 56, 3)).astype(np.uint8)
    labels = rng.integers(0, 3, (40, 56)).astype(np.uint8)
    plain = AugmentationConfig(scale_range=(1.0, 2.0), crop=32, flip=0.5, photometric=False)
    seen = set()
    for seed in range(12):
        before, after = generator(seed), generator(seed)
        once = on_labels(TrainingTransform(plain, Normalization(), 255), image, labels, before)
        again = on_labels(
            TrainingTransform(replace(plain, vertical_flip=0.0), Normalization(), 255), image, labels, after
        )
        assert before.random() == after.random()  # as many draws
        np.testing.assert_array_equal(once[0], again[0])
        draws = generator(seed)
        pair = ((0, 2),)
        turned = on_labels(
            TrainingTransform(replace(plain, vertical_flip=0.5), Normalization(), 255, pair),
            image,
            labels,
            draws,
        )
        mirrored = on_labels(
            TrainingTransform(plain, Normalization(), 255, pair), image, labels, generator(seed)
        )
        upside_down = not np.array_equal(turned[0], mirrored[0])
        seen.add(upside_down)
        if upside_down:
            np.testing.assert_array_equal(turned[0], mirrored[0][::-1])
            exchanged = np.array([2, 1, 0])[mirrored[1][::-1]]
            np.testing.assert_array_equal(turned[1], exchanged)
        else:
            np.testing.assert_array_equal(turned[1], mirrored[1])
    assert seen == {True, False}
