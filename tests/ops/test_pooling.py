"""Pooling by matrices against torch's own."""

import pytest
import torch
import torch.nn.functional as F

from vit_adapter.ops.pooling import _cells, average_grid


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (6, 6), (7, 13), (16, 11)])
@pytest.mark.parametrize("side", [1, 2, 3, 6])
def test_matrices_average_the_cells_of_torch(size, side):
    maps = torch.randn(2, 3, *size, dtype=torch.float64)
    expected = F.adaptive_avg_pool2d(maps, side)
    found = _cells(size[0], side, maps) @ maps @ _cells(size[1], side, maps).mT
    torch.testing.assert_close(found, expected)
    assert torch.equal(average_grid(maps, side), expected)  # sizes that are numbers: torch's own


def test_an_export_for_any_size_takes_other_sizes():
    class Pooling(torch.nn.Module):
        def forward(self, maps):
            return average_grid(maps, 6)

    height, width = torch.export.Dim("height", min=1, max=64), torch.export.Dim("width", min=1, max=64)
    program = torch.export.export(
        Pooling(), (torch.randn(2, 3, 6, 8),), dynamic_shapes={"maps": {2: height, 3: width}}
    ).run_decompositions()
    for size in [(6, 8), (3, 11), (20, 5)]:
        maps = torch.randn(2, 3, *size)
        torch.testing.assert_close(program.module()(maps), F.adaptive_avg_pool2d(maps, 6))
