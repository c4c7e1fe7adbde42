"""Window boxes and the mean of their scores (behaviours 69 and 70)."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from views import scores_of_view
from vit_adapter.inference import strips, window_grid
from vit_adapter.inference.grid import window_starts
from vit_adapter.inference.windows import merge_windows, score_windows

from .stand_in import Surroundings

sides = st.integers(1, 60)
crops = st.integers(1, 24)


@st.composite
def grids(draw):
    """An image, a crop not smaller than the stride."""
    crop = draw(st.integers(4, 24)), draw(st.integers(4, 24))
    stride = draw(st.integers(3, crop[0])), draw(st.integers(3, crop[1]))
    return (draw(sides), draw(sides)), crop, stride


@given(sides, crops, crops)
def test_starts_cover_the_side_in_steps_of_the_stride(side, crop, stride):
    stride = min(stride, crop)
    starts = window_starts(side, crop, stride)
    assert starts[0] == 0
    assert starts[-1] + min(crop, side) == side
    steps = [after - before for before, after in pairwise(starts)]
    assert all(step == stride for step in steps[:-1])
    assert all(0 < step <= stride for step in steps)


def test_an_image_smaller_than_the_crop_is_one_smaller_window():
    def boxes(size):
        return [window.corners for window in window_grid(size, 512, 341)]

    assert boxes((24, 4)) == [(0, 0, 24, 4)]
    assert boxes((511, 513)) == [(0, 0, 511, 512), (0, 1, 511, 513)]
    assert boxes((512, 512)) == [(0, 0, 512, 512)]


@settings(max_examples=50, deadline=None)  # a loop over windows in float64
@given(grids(), st.integers(1, 3), st.integers(1, 5))
def test_slide_is_the_mean_of_all_windows(grid, photos, batch_size):
    size, crop, stride = grid
    images = torch.randn(photos, 3, *size)
    model = Surroundings(classes=4)
    total = torch.zeros(photos, 4, *size, dtype=torch.float64)
    visits = torch.zeros(size, dtype=torch.float64)
    for window in window_grid(size, crop, stride):
        top, left, bottom, right = window.corners
        total[..., top:bottom, left:right] += model(images.double()[..., top:bottom, left:right])
        visits[top:bottom, left:right] += 1
    assert visits.min() >= 1
    found = scores_of_view(model, images, mode="slide", crop=crop, stride=stride, batch_size=batch_size)
    torch.testing.assert_close(found.double(), total / visits, rtol=1e-4, atol=1e-5)


def test_strips_are_the_slices_of_the_whole(monkeypatch):
    monkeypatch.setattr(strips, "STRIP_BYTES", 4 * 5 * 90 * 4)
    images = torch.randn(1, 3, 100, 90)
    whole = scores_of_view(Surroundings(5), images, mode="slide", crop=32, stride=20)
    start = 0
    grid = window_grid((100, 90), 32, 20)
    scores = score_windows(Surroundings(5), lambda window: images[(..., *window.slices)], grid, 1)
    for strip in merge_windows(grid, scores, (100, 90)):
        assert strip.shape[2] <= 4
        assert torch.equal(strip, whole[:, :, start : start + strip.shape[2]])
        start += strip.shape[2]
    assert start == 100


@pytest.mark.parametrize("batch_size", [1, 3, 4, 100])
def test_windows_share_calls_up_to_the_batch_size(batch_size):
    model = Surroundings(2)
    scores_of_view(
        model, torch.randn(2, 3, 64, 64), mode="slide", crop=32, stride=32, batch_size=batch_size
    )  # four windows of two images
    expected = {1: [2, 2, 2, 2], 3: [2, 2, 2, 2], 4: [4, 4], 100: [8]}[batch_size]
    assert [call[0] for call in model.calls] == expected


def test_half_precision_scores_are_summed_in_float32():
    value = 1 + 2**-7  # the next bfloat16 after 1; sums of it need more digits
    scores = scores_of_view(
        lambda x: torch.full_like(x[:, :1], value, dtype=torch.bfloat16),
        torch.zeros(1, 3, 9, 9),
        mode="slide",
        crop=3,
        stride=1,
    )
    assert scores.dtype == torch.float32
    assert torch.equal(scores, torch.full_like(scores, value))
