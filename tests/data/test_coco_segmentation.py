"""What a COCO JSON says about the pixels of an object, and what it cannot say."""

import numpy as np
import pytest

from vit_adapter.config import InputError
from vit_adapter.data.conversion.coco import segmentation_mask


def test_runs_go_down_the_columns():
    """S78."""
    mask = segmentation_mask({"size": [3, 4], "counts": [1, 2, 9]}, (3, 4))
    assert np.argwhere(mask).tolist() == [[1, 0], [2, 0]]


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([[1, 1, 5, 5]], "2 points, expected 3 or more"),
        ([[]], "0 points"),
        ([], "empty segmentation"),
        (None, "no segmentation"),
        ([1, 1, 5, 1, 5, 5], "flat list"),
        ([[1, 1, 5, 1, 5]], "5 numbers"),
        ([[1, 1, 5, 1, 5, float("nan")]], "coordinate nan"),
        ([[1, 1, 5, 1, 5, 1e300]], "coordinate 1e\\+300"),
        ([[1, 1, 5, 1, 5, "a"]], "not a list of numbers"),
        ([[[1, 1], [5, 1], [5, 5]]], "not a flat list"),
        ({"size": [4, 3], "counts": [1, 2, 9]}, r"size \[4, 3\] .*image has \[3, 4\]"),
        ({"size": [3, 4], "counts": [1, 2, 8]}, "11 pixels, but height 3 x width 4"),
        ({"size": [3, 4], "counts": [1, -2, 13]}, "negative length -2"),
        ({"size": [3, 4], "counts": [1.5, 10.5]}, "not whole numbers"),
        ({"size": [3, 4], "counts": "\x7f\x7f"}, "character"),
        ({"size": [3, 4], "counts": "P"}, "middle of a number"),
        ({"size": [3, 4]}, "without counts"),
    ],
)
def test_broken_segmentations(segmentation, message):
    """S76, S78."""
    with pytest.raises(InputError, match=message):
        segmentation_mask(segmentation, (3, 4))
