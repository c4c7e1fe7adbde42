"""Boxes, windows and objects: one convention, and values that are refused."""

import numpy as np
import pytest

from vit_adapter.annotations import Annotation, Instances, RunLengths, Window, boxes_of_masks
from vit_adapter.config import InputError


def two_masks() -> np.ndarray:
    masks = np.zeros((3, 5, 7), bool)
    masks[0, 1:3, 2:6] = True
    masks[1, 4, 6] = True
    return masks


def test_boxes_around_masks_have_exclusive_ends():
    """Width times height of a filled rectangle's box is its number of pixels; no pixel gives a box of zeros."""
    boxes = boxes_of_masks(two_masks())
    assert boxes.dtype == np.float32
    assert boxes.tolist() == [[2, 1, 6, 3], [6, 4, 7, 5], [0, 0, 0, 0]]
    assert boxes_of_masks(np.zeros((0, 5, 7), bool)).shape == (0, 4)


def test_objects_from_masks():
    crowd = np.array([False, True, False])
    found = Instances.from_masks(np.array([4, 0, 1], np.uint8), two_masks(), crowd=crowd)
    assert len(found) == 3
    assert found.classes.dtype == np.int64
    assert found.boxes[0].tolist() == [2, 1, 6, 3]
    assert found.crowd is not None
    assert found.crowd.tolist() == crowd.tolist()
    runs = [RunLengths.from_mask(mask) for mask in two_masks()]
    assert len(Instances(found.classes, found.boxes, runs)) == 3


def test_no_objects_and_unknown_objects():
    nothing = Instances(np.array([]), [])  # pyright: ignore
    assert len(nothing) == 0
    assert (nothing.classes.dtype, nothing.boxes.shape) == (np.int64, (0, 4))
    assert Annotation(instances=nothing).instances is nothing
    assert Annotation().instances is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"classes": [0.5, 1.0]}, "dtype float64, expected integers"),
        ({"classes": [[0, 1]]}, r"shape \(1, 2\)"),
        ({"boxes": [[0, 0, 1, 1]]}, "2 objects, but 1 boxes"),
        ({"boxes": [[0, 0, 1, 1], [5, 0, 4, 1]]}, r"the box \[5.0, 0.0, 4.0, 1.0\]"),
        ({"boxes": [[0, 0, 1, 1], [0, 0, np.nan, 1]]}, "the box .*nan"),
        ({"boxes": [[0, 0, 1], [0, 0, 1]]}, r"shape \(2, 3\), expected \[N, 4\]"),
        ({"boxes": [["a", 0, 1, 1]] * 2}, "not numbers"),
        ({"masks": np.zeros((2, 4, 4), np.uint8)}, "dtype uint8, expected bool"),
        ({"masks": np.zeros((4, 4), bool)}, r"shape \(4, 4\)"),
        ({"masks": [RunLengths((1, 1), (1,))]}, "2 objects, but 1 masks"),
        ({"scores": [0.5]}, "2 objects, but 1 scores"),
        ({"crowd": [True]}, "2 objects, but 1 crowd"),
    ],
)
def test_values_that_do_not_fit(values, message):
    fitting = {"classes": [0, 1], "boxes": [[0, 0, 1, 1], [0, 0, 2, 2]]}
    assert len(Instances(**fitting)) == 2
    with pytest.raises(InputError, match=message):
        Instances(**(fitting | values))


def test_window():
    window = Window(top=1, left=2, height=3, width=4)
    assert (window.bottom, window.right) == (4, 6)
    array = np.arange(80).reshape(8, 10)
    assert (array[window.slices] == array[1:4, 2:6]).all()


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 1.0])
def test_a_part_and_the_box_of_run_lengths_are_those_of_the_mask(share):
    rng = np.random.default_rng(0)
    for _ in range(50):
        height, width = rng.integers(1, 9, 2).tolist()
        mask = rng.random((height, width)) < share
        runs = RunLengths.from_mask(mask)
        top, left = int(rng.integers(0, height)), int(rng.integers(0, width))
        window = Window(
            top, left, int(rng.integers(1, height - top + 1)), int(rng.integers(1, width - left + 1))
        )
        np.testing.assert_array_equal(runs.part(window), mask[window.slices])
        assert list(runs.box) == boxes_of_masks(mask[None])[0].tolist()
    zeros = RunLengths((2, 3), (0, 0, 2, 2, 0, 0, 2))  # runs of no pixel among them
    assert zeros.box == (1, 0, 2, 2)
