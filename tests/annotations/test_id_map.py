"""Maps of numbers to masks."""

import numpy as np
import pytest

from vit_adapter.annotations import RunLengths, run_lengths_of_ids


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
def test_every_number_has_its_mask(dtype):
    rng = np.random.default_rng(0)
    for _ in range(40):
        ids = rng.integers(0, 6, rng.integers(1, 12, 2)).astype(dtype) * 20
        masks = run_lengths_of_ids(ids)
        assert list(masks) == sorted(set(ids.reshape(-1).tolist()))
        for number, mask in masks.items():
            assert mask == RunLengths.from_mask(ids == number)


def test_one_number_and_none():
    assert run_lengths_of_ids(np.full((2, 3), 7)) == {7: RunLengths((2, 3), (0, 6))}
    assert run_lengths_of_ids(np.zeros((0, 3), int)) == {}
