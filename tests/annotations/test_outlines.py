"""Outlines of masks."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from vit_adapter.annotations import mask_outlines


def area(outline):
    """Signed area inside a closed outline."""
    x, y = outline.T
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)


def test_a_pixel_has_an_outline_of_four_corners_halfway_to_its_neighbours():
    mask = np.zeros((4, 5), bool)
    mask[2, 3] = True
    (outline,) = mask_outlines(mask)
    assert outline.tolist() == [[3, 1.5], [3.5, 2], [3, 2.5], [2.5, 2]]


def test_a_hole_has_an_outline_of_its_own_the_other_way_round():
    mask = np.ones((5, 5), bool)
    mask[2, 2] = False
    outer, inner = mask_outlines(mask)
    assert (area(outer), area(inner)) == (25 - 4 / 8, -0.5)


def test_pixels_that_touch_diagonally_are_apart():
    assert [len(outline) for outline in mask_outlines(np.eye(3, dtype=bool))] == [4, 4, 4]


def test_an_empty_mask_has_none():
    assert mask_outlines(np.zeros((3, 4), bool)) == []


@settings(deadline=None)
@given(arrays.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_outlines_are_closed_and_one_each_for_parts_and_holes(mask):
    outlines = mask_outlines(mask)
    for outline in outlines:
        steps = np.abs(np.roll(outline, -1, 0) - outline).sum(1)
        assert set(steps.tolist()) <= {1.0}  # half a pixel each way, or a whole one straight on
    parts = ndimage.label(mask)[1]
    outside = ndimage.label(~np.pad(mask, 1), np.ones((3, 3)))[1]
    assert sum(area(outline) > 0 for outline in outlines) == parts
    assert sum(area(outline) < 0 for outline in outlines) == outside - 1
