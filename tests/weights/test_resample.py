"""Tables and kernels for another size."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vit_adapter.config import InputError
from vit_adapter.weights.resample import (
    geometric_coordinates,
    resample_patches,
    resample_positions,
    resample_relative_table,
)


def test_positions_keep_the_rows_before_the_grid():
    table = torch.randn(1, 2 + 12, 5)
    resampled = resample_positions(table, (3, 4), (6, 5))
    assert resampled.shape == (1, 2 + 30, 5)
    assert torch.equal(resampled[:, :2], table[:, :2])
    expected = F.interpolate(table[0, 2:].T.reshape(1, 5, 3, 4), (6, 5), mode="bicubic").flatten(2)[0].T
    torch.testing.assert_close(resampled[0, 2:], expected)
    assert resample_positions(table, (3, 4), (3, 4)) is table


def test_half_precision_tables_keep_their_type():
    assert resample_positions(torch.randn(1, 17, 4).half(), (4, 4), (5, 5)).dtype == torch.float16


def test_patches_bilinear_is_an_image_resize():
    kernel = torch.randn(4, 3, 14, 14)
    torch.testing.assert_close(
        resample_patches(kernel, 16), F.interpolate(kernel, (16, 16), mode="bilinear", align_corners=False)
    )


@pytest.mark.parametrize("old", [8, 14])
def test_flexi_patches_see_enlarged_patches_as_the_old_ones_were_seen(old):
    kernel = torch.randn(6, 3, old, old, dtype=torch.float64)
    patch = torch.randn(1, 3, old, old, dtype=torch.float64)
    enlarged = F.interpolate(patch, (16, 16), mode="bilinear", align_corners=False)
    new = resample_patches(kernel, 16, "flexi")
    torch.testing.assert_close(F.conv2d(enlarged, new), F.conv2d(patch, kernel))


@pytest.mark.parametrize("old", [14, 32])
def test_flexi_patches_equal_timms(old):
    from timm.layers.patch_embed import resample_patch_embed

    kernel = torch.randn(5, 3, old, old)
    theirs = resample_patch_embed(kernel, [16, 16], interpolation="bilinear", antialias=True)
    torch.testing.assert_close(resample_patches(kernel, 16, "flexi"), theirs, rtol=1e-4, atol=1e-4)


def test_geometric_coordinates_grow_to_the_outermost():
    source = geometric_coordinates(27, 63)
    steps = np.diff(source[13:])
    assert source[13] == 0
    assert steps[0] == 1
    assert np.allclose(steps[1:] / steps[:-1], steps[1] / steps[0])
    assert abs(source[-1] - 31) < 1e-3
    assert np.array_equal(source, -source[::-1])


@pytest.mark.parametrize(("side", "wanted"), [(7, 11), (11, 7), (3, 5), (1, 5)])
def test_relative_table_of_a_constant_stays_constant(side, wanted):
    table = torch.full((side * side + 3, 2), 0.5)
    table[-3:] = torch.arange(6.0).reshape(3, 2)
    resampled = resample_relative_table(table, wanted)
    assert resampled.shape == (wanted * wanted + 3, 2)
    torch.testing.assert_close(resampled[:-3], torch.full_like(resampled[:-3], 0.5))
    assert torch.equal(resampled[-3:], table[-3:])


def test_relative_table_keeps_rows_and_columns_apart():
    # Values that grow along rows only.
    table = torch.cat([torch.arange(7.0).repeat_interleave(7)[:, None], torch.zeros(3, 1)])
    grid = resample_relative_table(table, 11)[:-3].reshape(11, 11)
    assert (grid.diff(dim=0) > 0).all()
    torch.testing.assert_close(grid, grid[:, :1].expand(11, 11))


def test_bad_sizes_are_refused():
    with pytest.raises(InputError, match="has 50 rows"):
        resample_relative_table(torch.zeros(50, 2), 11)
    with pytest.raises(InputError, match="even side 10"):
        resample_relative_table(torch.zeros(52, 2), 10)
    with pytest.raises(InputError, match="no grid of 14 x 14"):
        resample_positions(torch.zeros(1, 100, 2), (14, 14), (7, 7))
    with pytest.raises(InputError, match="patch_resample='bicubic'"):
        resample_patches(torch.zeros(1, 3, 14, 14), 16, "bicubic")  # pyright: ignore
