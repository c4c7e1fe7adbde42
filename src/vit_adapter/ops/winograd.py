"""3×3 convolutions with fewer products.

Source: F(4×4, 3×3) (Lavin and Gray, CVPR 2016, section 4.1): a tile of 4×4 results takes 36 products for each pair of
channels instead of 144. In float32 the error is twice that of a direct convolution; half precision is too coarse.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_weight

from .kept import kept
from .scratch import LARGEST, scratch

TILE = 4
"""Side of a tile of results in pixels; a tile reads two pixels more."""
STRIP_BYTES = 1 << 24
"""Transformed pixels of the rows that are handled at once: they should stay in the caches."""


def winograd_convolution(maps: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolves with 3×3 kernels, padded with zeros by one pixel.

    Args:
        maps: [B, C, H, W] of any size, float32 or float64.
        weight: [D, C, 3, 3] of the same type.
        bias: [D] of the same type; None: zeros.

    Returns:
        [B, D, H, W] in channels-last memory; differentiable in all, any number of times.
    """
    if not torch.is_grad_enabled():
        return _convolved(maps, weight, bias)
    output: Tensor = _Winograd.apply(maps, weight)  # pyright: ignore
    return output if bias is None else output + bias[:, None, None]


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
        maps: [B, C, H, W]; read fastest in channels-last memory.
    """

    def __init__(self, maps: Tensor) -> None:
        self.batch, self.channels, self.height, self.width = maps.shape
        self.down, self.across = -(-self.height // TILE), -(-self.width // TILE)
        self.pixels = maps.permute(0, 2, 3, 1)  # [B, H, W, C]

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
        """[36, tiles, C] transformed pixels of a strip, in memory that the next strip writes over."""
        rows, columns, channels = TILE * (bottom - top) + 2, TILE * self.across + 2, self.channels
        # Where the result will be, for which it is not needed any more.
        padded = scratch("winograd_transformed", (rows, columns, channels), self.pixels)
        first = TILE * top - 1  # row of the map that is the first of the strip
        above, below = max(first, 0), min(first + rows, self.height)
        padded[: above - first] = 0.0
        padded[below - first :] = 0.0
        padded[:, 0] = 0.0
        padded[:, 1 + self.width :] = 0.0
        padded[above - first : below - first, 1 : 1 + self.width] = self.pixels[image, above:below]
        row, column, _ = padded.stride()
        tiles = padded.as_strided(
            (6, 6, bottom - top, self.across, channels),
            (row, column, TILE * row, TILE * column, 1),
            padded.storage_offset(),
        )
        gathered = scratch("winograd_tiles", tiles.shape, padded).copy_(tiles)
        result = scratch("winograd_transformed", (36, (bottom - top) * self.across * channels), padded)
        return torch.mm(transform, gathered.view(36, -1), out=result).view(36, -1, channels)


def _convolved(maps: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    # By `out`, which knows no gradients: where there are some, this runs inside the function above.
    kernel_transform, transform, inverse = _transforms(maps.dtype, maps.device)
    outputs = weight.shape[0]
    kernels = _transformed_kernels(weight, kernel_transform)
    tiles = _Tiles(maps)
    result = maps.new_empty(tiles.batch, tiles.down, TILE, tiles.across, TILE, outputs)
    for image, top, bottom in tiles.strips(outputs):
        pixels = tiles.transformed(transform, image, top, bottom)
        count = pixels.shape[1]
        # The tiles as they were gathered are not needed any more.
        products = scratch("winograd_tiles", (36, count, outputs), maps)
        torch.bmm(pixels, kernels, out=products)
        # [36, tiles, D] -> [16, tiles, D] -> [rows, 4, columns, 4, D]; nor are the transformed pixels.
        found = scratch("winograd_transformed", (TILE * TILE, count * outputs), maps)
        torch.mm(inverse, products.view(36, -1), out=found)
        found = found.view(TILE, TILE, bottom - top, tiles.across, outputs).permute(2, 0, 3, 1, 4)
        if bias is None:
            result[image, top:bottom] = found
        else:
            torch.add(found, bias, out=result[image, top:bottom])
    whole = result.view(tiles.batch, tiles.down * TILE, tiles.across * TILE, outputs)
    return whole[:, : tiles.height, : tiles.width].permute(0, 3, 1, 2)


def _transformed_kernels(weight: Tensor, transform: Tensor) -> Tensor:
    """[D, C, 3, 3] as [36, C, D], in the memory order of [36, D, C]."""
    outputs, inputs = weight.shape[:2]
    kernels = scratch(LARGEST, (36, outputs * inputs), weight)
    torch.mm(transform, weight.reshape(outputs * inputs, 9).T, out=kernels)
    return kernels.view(36, outputs, inputs).transpose(1, 2)


def _weight_gradient(maps: Tensor, gradient: Tensor) -> Tensor:
    """[D, C, 3, 3]."""
    if torch.is_grad_enabled():  # it is to be differentiated again, which writing to buffers is not
        return conv2d_weight(maps, [gradient.shape[1], maps.shape[1], 3, 3], gradient, padding=1)
    kernel_transform, transform, inverse = _transforms(maps.dtype, maps.device)
    tiles = _Tiles(maps)
    outputs = gradient.shape[1]
    # [B, H, W, D] in whole tiles, without the border that pixels have
    right, bottom = tiles.across * TILE - tiles.width, tiles.down * TILE - tiles.height
    gradient = F.pad(gradient.permute(0, 2, 3, 1), (0, 0, 0, right, 0, bottom))
    gradient = gradient.reshape(tiles.batch, tiles.down, TILE, tiles.across, TILE, outputs)
    total = maps.new_zeros(36, outputs, tiles.channels)
    for image, top, bottom in tiles.strips(outputs):
        pixels = tiles.transformed(transform, image, top, bottom)
        part = gradient[image, top:bottom].permute(1, 3, 0, 2, 4)
        part = scratch("winograd_results", part.shape, maps).copy_(part).view(TILE * TILE, -1)
        spread = scratch("winograd_tiles", (36, part.shape[1]), maps)
        torch.mm(inverse.T, part, out=spread)
        total.baddbmm_(spread.view(36, -1, outputs).transpose(1, 2), pixels)
    return (kernel_transform.T @ total.view(36, -1)).T.reshape(outputs, tiles.channels, 3, 3)
