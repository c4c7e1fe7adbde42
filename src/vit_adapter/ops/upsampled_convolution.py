"""A 3×3 convolution over concatenated, bilinearly upsampled maps, without making either.

A convolution over a concatenation is a sum of convolutions, one for each map. The convolution of an upsampled map is
the sum over nine taps of the upsampled, shifted product of the map with the tap's matrix; products commute with
resizing. So each map is multiplied with all nine matrices at its own resolution, and interpolation and shift are one
sparse matrix for each axis, in which padding with zeros is a row without entries. A map of half the side costs a
quarter, one of an eighth a sixty-fourth.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import is_fake

from .banded import Band, add_resized_, banded_sum, interpolation_matrix
from .convolution import convolution
from .kept import kept
from .operator import Operator, is_traced
from .precision import autocast_type
from .scratch import LARGEST, scratch


def _reference(
    maps: Sequence[Tensor], weight: Tensor, bias: Tensor | None = None, align_corners: bool = False
) -> Tensor:
    """Convolves maps that are brought to the size of the first and concatenated.

    Args:
        maps: [B, C_i, h_i, w_i] each.
        weight: [D, sum of C_i, 3, 3].
        bias: [D]; None: zeros.
        align_corners: Of the bilinear resize.

    Returns:
        [B, D, h_0, w_0]; padded with zeros by one pixel. Differentiable in maps and weight.
    """
    size = maps[0].shape[-2:]
    resized = [_resized(level, size, align_corners) for level in maps]
    return F.conv2d(torch.cat(resized, dim=1), weight, bias, padding=1)


def _choose(
    maps: Sequence[Tensor], weight: Tensor, bias: Tensor | None = None, align_corners: bool = False
) -> str:
    if is_traced() or maps[0].device.type != "cpu":
        return "reference"
    if weight.shape[0] < 64 or maps[0][:, 0].numel() * weight.shape[0] < 1 << 16:
        return "reference"
    return "low_resolution" if any(map(_is_coarse, maps, [maps[0]] * len(maps))) else "reference"


upsampled_convolution = Operator(
    "upsampled_convolution",
    _reference,
    _choose,
    rule="low_resolution on the CPU, from 64 channels and 65536 results on; reference elsewhere and when traced",
)


@upsampled_convolution.form("low_resolution")
def _low_resolution(
    maps: Sequence[Tensor], weight: Tensor, bias: Tensor | None = None, align_corners: bool = False
) -> Tensor:
    kind = autocast_type(maps[0]) or maps[0].dtype
    with torch.autocast(maps[0].device.type, enabled=False):
        maps, weight = [level.to(kind) for level in maps], weight.to(kind)
        size = _size(maps[0])
        weights = weight.split([level.shape[1] for level in maps], dim=1)
        pairs = list(zip(maps, weights, strict=True))
        fine = [(level, part) for level, part in pairs if not _is_coarse(level, maps[0])]
        coarse = [(level, part) for level, part in pairs if _is_coarse(level, maps[0])]
        resized = [_resized(level, size, align_corners) for level, _ in fine]
        output = convolution(
            resized[0] if len(fine) == 1 else torch.cat(resized, dim=1),
            fine[0][1] if len(fine) == 1 else torch.cat([part for _, part in fine], dim=1),
            None if bias is None else bias.to(kind),
        )
        if not coarse:
            return output
        batch, channels = output.shape[:2]
        # [B, D, H, W] -> [B, H, W*D]
        rows = output.permute(0, 2, 3, 1).reshape(batch, size[0], size[1] * channels)
        if torch.is_grad_enabled() and any(one.requires_grad for one in (rows, weight, *maps)):
            rows = rows + banded_sum(*_tap_products(coarse, size, align_corners))
        else:
            for level, part in coarse:
                _add_products(rows, level, part, align_corners)
        return rows.view(batch, *size, channels).permute(0, 3, 1, 2)


def _add_products(rows: Tensor, level: Tensor, part: Tensor, align_corners: bool) -> None:
    """Adds the convolution of a coarse map in place: without gradients, and with little memory.

    Args:
        rows: [B, H, W * D].
        level: [B, C, h, w].
        part: [D, C, 3, 3], its kernels.
        align_corners: Of the bilinear resize.
    """
    if is_fake(rows):  # it has no values, as where memory is counted
        return
    batch, inputs, height, width = level.shape
    channels = part.shape[0]
    size = rows.shape[1], rows.shape[2] // channels
    across = _across(width, size[1], align_corners, level.dtype, level.device)
    downwards = _downwards(height, size[0], align_corners, level.dtype, level.device)
    for image in range(batch):
        tokens = level[image].permute(1, 2, 0).reshape(height * width, inputs)
        for row, down in enumerate(downwards):
            taps = part[:, :, row].permute(2, 0, 1).reshape(3 * channels, inputs)
            products = scratch(LARGEST, (height * width, 3 * channels), level)
            torch.mm(tokens, taps.T, out=products)
            add_resized_(rows[image], products.view(height, width * 3, channels), down, across)


def _tap_products(
    coarse: Sequence[tuple[Tensor, Tensor]], size: tuple[int, int], align_corners: bool
) -> tuple[list[Band], list[Tensor]]:
    """What is left to be interpolated downwards, for each map and each of the three rows of taps.

    Returns:
        Matrices [H, h_i] and products [B, h_i, W * D] that are at their full width already.
    """
    bands, products = [], []
    for level, part in coarse:
        batch, _, height, width = level.shape
        channels = part.shape[0]
        tokens = level.permute(0, 2, 3, 1)  # [B, h, w, C]
        across = _across(width, size[1], align_corners, level.dtype, level.device)
        downwards = _downwards(height, size[0], align_corners, level.dtype, level.device)
        for row, down in enumerate(downwards):
            taps = part[:, :, row].permute(2, 0, 1).reshape(3 * channels, -1)  # [3*D, C]
            product = F.linear(tokens, taps).view(batch * height, width * 3, channels)
            wide = banded_sum([across], [product])  # [B*h, W, D]
            bands.append(down)
            products.append(wide.view(batch, height, size[1] * channels))
    return bands, products


@kept(maxsize=64)
def _across(old: int, new: int, align_corners: bool, dtype: torch.dtype, device: torch.device) -> Band:
    """[new, old * 3]: a pixel of the result takes from pixel x of the map, through the tap t of its row."""
    shifted = _shifted(old, new, align_corners, dtype, device)
    return Band(torch.stack(shifted, dim=-1).reshape(new, old * 3))


@kept(maxsize=64)
def _downwards(
    old: int, new: int, align_corners: bool, dtype: torch.dtype, device: torch.device
) -> list[Band]:
    """For each row of taps [new, old]."""
    return [Band(matrix) for matrix in _shifted(old, new, align_corners, dtype, device)]


def _shifted(
    old: int, new: int, align_corners: bool, dtype: torch.dtype, device: torch.device
) -> list[Tensor]:
    """The interpolation matrix for taps one pixel before, at, and after a pixel; rows beyond the border are zero."""
    matrix = interpolation_matrix(old, new, align_corners, torch.empty(0, dtype=dtype, device=device))
    padded = F.pad(matrix, (0, 0, 1, 1))
    return [padded[shift : shift + new].contiguous() for shift in range(3)]


def _is_coarse(level: Tensor, finest: Tensor) -> bool:
    """Whether the products of a map cost clearly less at its own resolution."""
    (height, width), (rows, columns) = _size(level), _size(finest)
    return 2 * height * width <= rows * columns


def _size(maps: Tensor) -> tuple[int, int]:
    return maps.shape[-2], maps.shape[-1]


def _resized(maps: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=align_corners)
