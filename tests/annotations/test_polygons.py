"""The one rasteriser against COCO's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vit_adapter.annotations import RunLengths, polygon_mask, polygons_mask, polygons_run_lengths


@pytest.mark.parametrize(("side", "area"), [(9, 81), (10, 100)])
def test_squares(side, area):
    """S79."""
    assert polygon_mask([0, 0, 0, side, side, side, side, 0], (16, 16)).sum() == area


def test_parts_and_holes():
    """S77: two parts are one object; an inner polygon cuts no hole."""
    squares = [[x, 0, x, 10, x + 10, 10, x + 10, 0] for x in (0, 20)]
    mask = polygons_mask(squares, (20, 40))
    assert mask.sum() == 200
    assert np.argwhere(mask).max(0).tolist() == [9, 29]
    ring = [[0, 0, 300, 0, 300, 300, 0, 300], [100, 100, 200, 100, 200, 200, 100, 200]]
    assert polygons_mask(ring, (400, 400)).sum() == 90_000


def test_outside_is_clipped():
    """S76: the area is that of the clipped shape."""
    assert polygon_mask([-5, -5, 100, -5, 100, 100, -5, 100], (8, 12)).all()
    assert polygon_mask([-5, 2, 4, 2, 4, 6, -5, 6], (8, 12)).sum() == 16
    assert not polygon_mask([20, 20, 30, 20, 30, 30], (8, 12)).any()


coordinates = st.one_of(
    st.integers(-10, 40).map(float),
    st.floats(-10, 40),
    st.integers(-100, 400).map(lambda value: value / 10),
)


@given(
    st.lists(coordinates, min_size=6, max_size=24).filter(lambda p: len(p) % 2 == 0),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_equal_to_pycocotools(polygon, height, width):
    coco = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    runs = coco.frPyObjects([polygon], height, width)[0]
    expected = coco.decode(runs).astype(bool)
    assert (polygon_mask(polygon, (height, width)) == expected).all()
    assert (RunLengths.read(runs["counts"], (height, width)).mask() == expected).all()
    assert (RunLengths.read(runs["counts"].decode(), (height, width)).mask() == expected).all()


@given(
    st.lists(st.lists(coordinates, min_size=6, max_size=6), max_size=5),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_several_are_their_union(polygons, height, width):
    runs = polygons_run_lengths(polygons, (height, width))
    union = np.zeros((height, width), bool)
    for polygon in polygons:
        union |= polygon_mask(polygon, (height, width))
    assert runs == RunLengths.from_mask(union)
