"""Resizes against OpenCV, bit by bit, and the size rules."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vit_adapter.annotations import Window
from vit_adapter.config import InputError, Normalization
from vit_adapter.images import (
    fit_size,
    multiple_size,
    normalize,
    pad,
    resize_image,
    resize_labels,
    scaled_limits,
    short_side_size,
)

sides = st.integers(1, 70)


def opencv(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    resized = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
    return resized.reshape(*size, image.shape[2])


@settings(max_examples=150, deadline=None)
@given(sides, sides, sides, sides, st.sampled_from([1, 3, 4, 7]), st.integers(0, 2**32 - 1))
def test_bytes_equal_opencv(height, width, new_height, new_width, channels, seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(rng.integers(0, 255), 256, (height, width, channels)).astype(np.uint8)
    size = (new_height, new_width)
    np.testing.assert_array_equal(resize_image(image, size), opencv(image, size))


@pytest.mark.parametrize("size", [(64, 96), (60, 96), (64, 33), (512, 300), (128, 192)])
def test_image_larger_than_a_strip_and_exact_halves_equal_opencv(size):
    image = np.random.default_rng(0).integers(0, 256, (128, 192, 3)).astype(np.uint8)
    np.testing.assert_array_equal(resize_image(image, size), opencv(image, size))


@settings(max_examples=40, deadline=None)
@given(sides, sides, sides, sides, st.sampled_from([np.uint16, np.float32]))
def test_other_types_equal_opencv_within_rounding(height, width, new_height, new_width, dtype):
    rng = np.random.default_rng(height * width)
    image = (rng.random((height, width, 3)) * 1000).astype(dtype)
    ours = resize_image(image, (new_height, new_width))
    assert ours.dtype == dtype
    theirs = opencv(image, (new_height, new_width))
    np.testing.assert_allclose(ours.astype(float), theirs, rtol=1e-5, atol=1 if dtype == np.uint16 else 1e-2)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_window_equals_the_cut_of_the_whole(data):
    draw = data.draw
    height, width, new_height, new_width = (draw(sides) for _ in range(4))
    top, left = draw(st.integers(0, new_height - 1)), draw(st.integers(0, new_width - 1))
    rows, columns = draw(st.integers(1, new_height - top)), draw(st.integers(1, new_width - left))
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    labels = rng.integers(0, 256, (height, width)).astype(np.uint8)
    window, size = Window(top, left, rows, columns), (new_height, new_width)
    cut = np.s_[top : top + rows, left : left + columns]
    np.testing.assert_array_equal(resize_image(image, size, window), resize_image(image, size)[cut])
    np.testing.assert_array_equal(resize_labels(labels, size, window), resize_labels(labels, size)[cut])


def test_window_of_an_exact_half_equals_the_cut_of_the_whole():
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    np.testing.assert_array_equal(
        resize_image(image, (20, 30), (3, 5, 7, 11)), resize_image(image, (20, 30))[3:10, 5:16]
    )


@settings(max_examples=150, deadline=None)
@given(sides, sides, sides, sides, st.sampled_from([np.uint8, np.uint16]))
def test_labels_equal_opencv_nearest(height, width, new_height, new_width, dtype):
    labels = np.arange(height * width).reshape(height, width).astype(dtype)
    theirs = cv2.resize(labels, (new_width, new_height), interpolation=cv2.INTER_NEAREST)
    ours = resize_labels(labels, (new_height, new_width))
    assert ours.dtype == dtype
    np.testing.assert_array_equal(ours, theirs.reshape(new_height, new_width))


def test_labels_take_the_published_pixel_not_the_nearest_centre():
    row = np.arange(5)[None]
    assert resize_labels(row, (1, 3)).tolist() == [[0, 1, 3]]
    assert resize_labels(np.arange(3)[None], (1, 6)).tolist() == [[0, 0, 1, 1, 2, 2]]


def test_result_never_shares_memory_with_the_source():
    image, labels = np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5), np.uint8)
    assert not np.shares_memory(resize_image(image, (4, 5)), image)
    assert not np.shares_memory(resize_labels(labels, (4, 5)), labels)


def test_negative_strides_are_read_right():
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    mirrored = image[:, ::-1]
    np.testing.assert_array_equal(resize_image(mirrored, (33, 17)), resize_image(mirrored.copy(), (33, 17)))


@pytest.mark.parametrize("size", [(0, 5), (5, -1)])
def test_size_without_pixels_is_refused(size):
    with pytest.raises(InputError, match="at least 1 pixel"):
        resize_image(np.zeros((4, 4, 3), np.uint8), size)
    with pytest.raises(InputError, match="at least 1 pixel"):
        resize_labels(np.zeros((4, 4), np.uint8), size)


def test_window_outside_the_result_is_refused():
    with pytest.raises(InputError, match="window"):
        resize_image(np.zeros((4, 4, 3), np.uint8), (8, 8), Window(0, 4, 2, 5))


def test_thin_images_keep_a_pixel():
    assert fit_size((1, 513), (2048, 512)) == (4, 2048)
    assert fit_size((513, 1), (2048, 512)) == (2048, 4)
    assert fit_size((10, 3000), (2048, 512)) == (7, 2048)
    assert fit_size((1, 5000), (2048, 512)) == (1, 2048)


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_fit_size_does_not_depend_on_the_order_of_the_limits(height, width):
    size = fit_size((height, width), (2048, 512))
    assert size == fit_size((height, width), (512, 2048))
    assert max(size) <= 2048
    assert min(size) <= 512
    assert fit_size((width, height), (2048, 512)) == size[::-1]


def test_short_side_rule_ignores_the_long_limit():
    assert short_side_size((100, 1000), (2048, 512), 512) == (512, 5120)
    assert short_side_size((1000, 100), (1024, 256), 640) == (6400, 640)


def test_multiples_and_scaled_limits():
    assert multiple_size((512, 683), 32) == (512, 704)
    assert scaled_limits((2048, 512), 0.6851851) == (1403, 350)


def test_normalize_equals_the_formula_and_keeps_the_source():
    image = np.random.default_rng(0).integers(0, 256, (5, 6, 3)).astype(np.uint8)
    before = image.copy()
    settings_ = Normalization()
    result = normalize(image, settings_)
    assert result.dtype == np.float32
    expected = (image.astype(float) - settings_.mean) / settings_.std
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(image, before)
    assert np.isfinite(normalize(np.zeros((2, 2, 3), np.uint8), settings_)).all()


def test_normalize_refuses_another_number_of_channels():
    with pytest.raises(InputError, match="4 channels, but mean has 3"):
        normalize(np.zeros((2, 2, 4), np.uint8), Normalization())


def test_pad_adds_right_and_bottom_only():
    padded = pad(np.ones((2, 3), np.uint8), (4, 2), 255)
    assert padded.tolist() == [[1, 1, 1], [1, 1, 1], [255] * 3, [255] * 3]
    assert padded.dtype == np.uint8
