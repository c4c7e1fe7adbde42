"""3×3 convolutions with fewer products.

Source: F(4×4, 3×3) (Lavin and Gray, CVPR 2016, section 4.1): a tile of 4×4 results takes 36 products for each pair of
channels instead of 144. In float32 the error is twice that of a direct convolution; half precision is too coarse.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .kept import kept

TILE = 4
"""Side of a tile of results in pixels; a tile reads two pixels more."""
STRIP_BYTES = 1 << 24
"""Transformed pixels of the rows that are handled at once: they should stay in the caches."""


def winograd_convolution(maps: Tensor, weight: Tensor) -> Tensor:
    """Convolves with 3×3 kernels, padded with zeros by one pixel.

    Args:
        maps: [B, C, H, W] of any size, float32 or float64.
        weight: [D, C, 3, 3] of the same type.

    Returns:
        [B, D, H, W] in channels-last memory; differentiable in both, any number of times.
    """
    output: Tensor = _Winograd.apply(maps, weight)  # pyright: ignore
    return output


class _Winograd(torch.autograd.Function):
    """The gradient of the maps is a convolution with the turned kernels, again in tiles; that of the kernels is a sum
    of products of tiles, of which both are made again."""

    @staticmethod
    def forward(ctx, maps, weight):
        ctx.save_for_backward(maps, weight)
        return _convolved(maps, weight)

    @staticmethod
    def backward(ctx, gradient):  # pyright: ignore
        maps, weight = ctx.saved_tensors
        maps_gradient = weight_gradient = None
        if ctx.needs_input_grad[0]:
            maps_gradient = _Winograd.apply(gradient, weight.transpose(0, 1).flip(2, 3))
        if ctx.needs_input_grad[1]:
            weight_gradient = _weight_gradient(maps, gradient)
        return maps_gradient, weight_gradient


@kept(maxsize=8)
def _transforms(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Matrices over whole tiles: kernels [36, 9], pixels [36, 36] and results [16, 36]."""
    make = lambda rows: torch.tensor(rows, dtype=torch.float64)  # noqa: E731
    kernel = make(
        [
            [1 / 4, 0, 0],
            [-1 / 6, -1 / 6, -1 / 6],
            [-1 / 6, 1 / 6, -1 / 6],
            [1 / 24, 1 / 12, 1 / 6],
            [1 / 24, -1 / 12, 1 / 6],
            [0, 0, 1],
        ]
    )
    pixels = make(
        [
            [4, 0, -5, 0, 1, 0],
            [0, -4, -4, 1, 1, 0],
            [0, 4, -4, -1, 1, 0],
            [0, -2, -1, 2, 1, 0],
            [0, 2, -1, -2, 1, 0],
            [0, 4, 0, -5, 0, 1],
        ]
    )
    results = make(
        [
            [1, 1, 1, 1, 1, 0],
            [0, 1, -1, 2, -2, 0],
            [0, 1, 1, 4, 4, 0],
            [0, 1, -1, 8, -8, 1],
        ]
    )
    kernel, pixels, results = (torch.kron(one, one).to(device, dtype) for one in (kernel, pixels, results))
    return kernel, pixels, results


class _Tiles:
    """How maps are cut in tiles.

    Args:
        maps: [B, C, H, W].
    """

    def __init__(self, maps: Tensor) -> None:
        self.batch, self.channels, self.height, self.width = maps.shape
        self.down, self.across = -(-self.height // TILE), -(-self.width // TILE)
        right, bottom = self.across * TILE - self.width, self.down * TILE - self.height
        # [B, 4*down + 2, 4*across + 2, C]
        self.pixels = F.pad(maps.permute(0, 2, 3, 1), (0, 0, 1, 1 + right, 1, 1 + bottom))

    def strips(self, channels: int) -> list[tuple[int, int, int]]:
        """(image, first row of tiles, row after the last) of parts whose transformed pixels fit into the caches."""
        row = 36 * self.across * max(self.channels, channels) * self.pixels.element_size()
        rows = max(1, STRIP_BYTES // row)
        return [
            (image, top, min(top + rows, self.down))
            for image in range(self.batch)
            for top in range(0, self.down, rows)
        ]

    def transformed(self, transform: Tensor, image: int, top: int, bottom: int) -> Tensor:
        """[36, tiles, C] transformed pixels of a strip."""
        part = self.pixels[image, TILE * top :]
        row, column, _ = part.stride()
        tiles = part.as_strided(
            (6, 6, bottom - top, self.across, self.channels), (row, column, TILE * row, TILE * column, 1)
        )
        return (transform @ tiles.reshape(36, -1)).view(36, -1, self.channels)


def _convolved(maps: Tensor, weight: Tensor) -> Tensor:
    kernel_transform, transform, inverse = _transforms(maps.dtype, maps.device)
    outputs = weight.shape[0]
    kernels = _transformed_kernels(weight, kernel_transform)
    tiles = _Tiles(maps)
    result = maps.new_empty(tiles.batch, tiles.down, TILE, tiles.across, TILE, outputs)
    for image, top, bottom in tiles.strips(outputs):
        products = torch.bmm(tiles.transformed(transform, image, top, bottom), kernels)
        # [16, tiles, D] -> [rows, 4, columns, 4, D]
        pixels = (inverse @ products.view(36, -1)).view(TILE, TILE, bottom - top, tiles.across, outputs)
        result[image, top:bottom] = pixels.permute(2, 0, 3, 1, 4)
    whole = result.view(tiles.batch, tiles.down * TILE, tiles.across * TILE, outputs)
    return whole[:, : tiles.height, : tiles.width].permute(0, 3, 1, 2)


def _transformed_kernels(weight: Tensor, transform: Tensor) -> Tensor:
    """[D, C, 3, 3] as [36, C, D], in the memory order of [36, D, C]."""
    outputs, inputs = weight.shape[:2]
    return (transform @ weight.reshape(outputs * inputs, 9).T).view(36, outputs, inputs).transpose(1, 2)


def _weight_gradient(maps: Tensor, gradient: Tensor) -> Tensor:
    kernel_transform, transform, inverse = _transforms(maps.dtype, maps.device)
    tiles = _Tiles(maps)
    outputs = gradient.shape[1]
    # [B, H, W, D] in whole tiles, without the border that pixels have
    right, bottom = tiles.across * TILE - tiles.width, tiles.down * TILE - tiles.height
    gradient = F.pad(gradient.permute(0, 2, 3, 1), (0, 0, 0, right, 0, bottom))
    gradient = gradient.reshape(tiles.batch, tiles.down, TILE, tiles.across, TILE, outputs)
    total = maps.new_zeros(36, outputs, tiles.channels)
    for image, top, bottom in tiles.strips(outputs):
        part = gradient[image, top:bottom].permute(1, 3, 0, 2, 4).reshape(TILE * TILE, -1)
        spread = (inverse.T @ part).view(36, -1, outputs)
        pixels = tiles.transformed(transform, image, top, bottom)
        total.baddbmm_(spread.transpose(1, 2), pixels)
    return (kernel_transform.T @ total.view(36, -1)).T.reshape(outputs, tiles.channels, 3, 3)
