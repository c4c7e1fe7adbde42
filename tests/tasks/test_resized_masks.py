"""Masks of objects at another size."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vit_adapter.annotations import RunLengths
from vit_adapter.tasks.joined_objects import resized_mask

SIZES = [
    ((64, 96), (32, 48)),
    ((96, 64), (90, 60)),
    ((60, 84), (37, 84)),
    ((40, 50), (120, 75)),
    ((7, 9), (5, 4)),
]


@pytest.mark.parametrize("sizes", SIZES)
def test_a_mask_resized_around_its_object_is_the_mask_resized(sizes):
    old, new = sizes
    rng = np.random.default_rng(0)
    boxes = [
        (0, 0, 3, 4),
        (old[0] - 2, old[1] - 5, old[0], old[1]),
        (2, 3, 5, 6),
        (0, 0, *old),
        (4, 4, 4, 4),
    ]
    for top, left, bottom, right in boxes:
        mask = np.zeros(old, bool)
        mask[top:bottom, left:right] = rng.random((bottom - top, right - left)) < 0.7
        values = torch.from_numpy(mask).float()[None, None]
        whole = F.interpolate(values, size=new, mode="bilinear", align_corners=False)[0, 0]
        for given in (mask, RunLengths.from_mask(mask)):
            np.testing.assert_array_equal(resized_mask(given, new).mask(), (whole > 0.5).numpy())
