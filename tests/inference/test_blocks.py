"""Blocks of a large image: their windows are those of the whole."""

import numpy as np
import pytest

from vit_adapter.annotations import Window
from vit_adapter.inference.blocks import plan_blocks
from vit_adapter.inference.grid import window_grid


@pytest.mark.parametrize("size", [(300, 421), (64, 500), (50, 40), (257, 256)])
@pytest.mark.parametrize(("crop", "stride"), [(64, 42), (64, 64), (48, 11), (100, 99)])
@pytest.mark.parametrize("side", [32, 100, 1000])
def test_every_pixel_of_a_core_is_covered_by_the_windows_of_the_whole_image(size, crop, stride, side):
    whole = window_grid(size, crop, stride)
    covered = np.zeros(size, int)
    for block in plan_blocks(size, crop, stride, side):
        covered[block.core.slices] += 1
        top, left = block.whole.top, block.whole.left
        own = {
            Window(window.top + top, window.left + left, window.height, window.width)
            for window in window_grid((block.whole.height, block.whole.width), crop, stride)
        }
        assert own == {window for window in whole if window in own}
        for window in whole:
            overlaps = (
                window.top < block.core.bottom and window.bottom > block.core.top
                and window.left < block.core.right and window.right > block.core.left
            )  # fmt: skip
            assert window in own or not overlaps
        inner = block.inner
        assert (inner.height, inner.width) == (block.core.height, block.core.width)
        assert min(inner.top, inner.left) >= 0
        assert inner.bottom <= block.whole.height
        assert inner.right <= block.whole.width
    assert (covered == 1).all()
