"""Run-lengths against COCO's own code, in both directions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vit_adapter.annotations import RunLengths, Window
from vit_adapter.config import InputError

masks = st.tuples(st.integers(1, 50), st.integers(1, 50)).flatmap(lambda size: arrays(bool, size))


@given(masks)
def test_equal_to_pycocotools(mask):
    coco = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    ours = RunLengths.from_mask(mask)
    assert ours.compressed().encode() == theirs["counts"]
    assert (coco.decode({"size": list(ours.size), "counts": ours.compressed()}) == mask).all()
    assert (RunLengths.read(theirs["counts"], mask.shape).mask() == mask).all()
    assert ours.area == coco.area(theirs) == mask.sum()


@given(masks)
def test_there_and_back(mask):
    runs = RunLengths.from_mask(mask)
    assert (runs.mask() == mask).all()
    assert RunLengths.read(list(runs.counts), mask.shape) == runs
    assert RunLengths.read(runs.compressed(), mask.shape) == runs
    assert min(runs.counts[1:], default=1) > 0  # only the first run may be empty


def test_long_runs_and_large_differences():
    """Counts of several groups of five bits, and differences below zero."""
    counts = (0, 1, 16_000_000, 3, 15, 16, 31, 32, 1023, 1024)
    size = (1, sum(counts))
    runs = RunLengths(size, counts)
    assert RunLengths.read(runs.compressed(), size) == runs
    coco = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    theirs = coco.frPyObjects({"size": list(size), "counts": list(counts)}, *size)
    assert theirs["counts"] == runs.compressed().encode()


def test_everything_inside_begins_with_an_empty_run():
    assert RunLengths.from_mask(np.ones((2, 3), np.uint8)).counts == (0, 6)
    assert RunLengths.from_mask(np.zeros((2, 3), bool)).counts == (6,)
    assert RunLengths.from_mask(np.array([[0, 1], [1, 0]])).counts == (1, 2, 1)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ((1, 2), "3 pixels"),
        ((-1, 7), "negative"),
        ((True, 5), "whole numbers"),
        ((1.0, 5.0), "whole numbers"),
    ],
)
def test_counts_that_are_none(counts, message):
    with pytest.raises(InputError, match=message):
        RunLengths((2, 3), counts)


@given(masks, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_part_of_a_larger_mask(mask, top, left, below, right):
    height, width = mask.shape
    whole = np.zeros((top + height + below, left + width + right), bool)
    window = Window(top, left, height, width)
    whole[window.slices] = mask
    assert RunLengths.from_part(mask, window, whole.shape) == RunLengths.from_mask(whole)
    assert (RunLengths.from_mask(whole).mask() == whole).all()
