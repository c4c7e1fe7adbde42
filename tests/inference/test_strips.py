"""Streams of rows against whole maps."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from vit_adapter.annotations import Window
from vit_adapter.inference import resize_scores, strips
from vit_adapter.inference.strips import RowReader, crop_strips, join_strips, resize_strips

small = st.integers(1, 40)


def _pieces(maps, heights):
    """A stream of strips of given heights that overwrites each strip when the next is asked for."""
    start = 0
    for height in heights:
        strip = maps[:, :, start : start + height].clone()
        yield strip
        strip.fill_(float("nan"))
        start += height
    assert start >= maps.shape[2]


@settings(deadline=None)
@given(
    small,
    small,
    small,
    small,
    st.integers(1, 9),
    st.integers(40, 4000),
    st.sampled_from(["float32", "float64"]),
)
def test_resize_is_that_of_torch(height, width, new_height, new_width, piece, strip_bytes, dtype):
    maps = torch.randn(2, 3, height, width, dtype=getattr(torch, dtype))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strips, "STRIP_BYTES", strip_bytes)
        stream = _pieces(maps, [piece] * (height // piece + 1))
        found = join_strips(resize_strips(stream, (height, width), (new_height, new_width)))
    expected = F.interpolate(maps, size=(new_height, new_width), mode="bilinear", align_corners=False)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@settings(deadline=None)
@given(
    small,
    small,
    small,
    st.sampled_from([2, 4, 8]),
    st.sampled_from([3, 9]),
    st.lists(st.integers(0, 9), min_size=1),
    st.integers(40, 40000),
)
def test_many_times_as_many_rows_are_torch_s_to_the_bit(
    height, width, new_width, factor, classes, pieces, budget
):
    maps = torch.randn(2, classes, height, width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strips, "STRIP_BYTES", budget)
        stream = _pieces(maps, [*pieces, height])
        found = join_strips(resize_strips(stream, (height, width), (height * factor, new_width)))
    ordered = strips.classes_last(maps)
    expected = F.interpolate(ordered, size=(height * factor, new_width), mode="bilinear", align_corners=False)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("old", "new"), [((683, 512), (4000, 3001)), ((6016, 3), (6000, 2)), ((4000, 2), (33, 5))]
)
def test_resize_of_large_maps_uses_torch_s_own_weights(old, new):
    # In float32 a position near 4000 is known to 0.0002 pixels only: weights computed otherwise differ by as much.
    maps = torch.rand(1, 2, *old)
    expected = F.interpolate(maps, size=new, mode="bilinear", align_corners=False)
    torch.testing.assert_close(resize_scores(maps, new), expected, rtol=0, atol=1e-6)


def test_labels_from_strips_are_those_of_the_whole_resize():
    maps = torch.randn(1, 19, 64, 96)
    whole = F.interpolate(maps, size=(231, 317), mode="bilinear", align_corners=False)
    best = whole.topk(2, dim=1).values
    clear = (best[:, 0] - best[:, 1]) > 1e-5
    assert clear.float().mean() > 0.999
    assert torch.equal(resize_scores(maps, (231, 317)).argmax(1)[clear], whole.argmax(1)[clear])


def test_equal_sizes_are_not_copied():
    maps = torch.randn(1, 2, 5, 7)
    assert resize_scores(maps, (5, 7)) is maps


@settings(deadline=None)
@given(st.data())
def test_crop_and_reader_give_the_rows_asked_for(data):
    maps = torch.arange(2 * 30 * 4).reshape(1, 2, 30, 4)
    heights = data.draw(st.lists(st.integers(1, 7), min_size=30, max_size=30))
    top = data.draw(st.integers(0, 29))
    bottom = data.draw(st.integers(top + 1, 30))
    cut = crop_strips((strip for strip in maps.split(heights[0], dim=2)), Window(top, 1, bottom - top, 2))
    assert torch.equal(join_strips(cut), maps[:, :, top:bottom, 1:3])
    reader = RowReader(maps.split(heights[1], dim=2))
    start = 0
    for count in heights:
        count = min(count, 30 - start)
        if count:
            assert torch.equal(join_strips(reader.read(count)), maps[:, :, start : start + count])
        start += count
