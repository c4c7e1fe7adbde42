"""Position tables and patch kernels for another size, when weights are loaded."""

import math
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vit_adapter.config import InputError

CLASS_ROWS = 3
"""Rows at the end of a relative position table that belong to no pair of patches."""


def class_rows(rows: int) -> int:
    """How many of a relative position table's rows belong to the class token: 3, or 0 in detectors without one.

    Behaviour 126.

    Pairs of patches have (2h - 1)(2w - 1) rows, an odd number, so the parity tells.
    """
    return 0 if rows % 2 else CLASS_ROWS


# The ratio of the geometric spacing is searched here, to this precision, as in the official loader (behaviour 98).
_LOWEST_RATIO, _HIGHEST_RATIO, _RATIO_PRECISION = 1.01, 1.5, 1e-6


def resample_positions(table: Tensor, stored: tuple[int, int], wanted: tuple[int, int]) -> Tensor:
    """A position table for another grid: bicubic, without antialias; rows before the grid are kept.

    Args:
        table: [1, prefix + rows * columns, C].
        stored: (rows, columns) of its grid.
        wanted: (height, width) of the grid that is wanted.

    Returns:
        [1, prefix + height * width, C] of the same type.
    """
    count = stored[0] * stored[1]
    if table.ndim != 3 or table.shape[1] < count:
        raise InputError(
            f"position table of shape {list(table.shape)} has no grid of {stored[0]} x {stored[1]}"
        )
    if stored == wanted:
        return table
    return torch.cat([table[:, :-count], resample_grid(table, stored, wanted)], dim=1)


def resample_grid(table: Tensor, stored: tuple[int, int], wanted: tuple[int, int]) -> Tensor:
    """The grid of a position table for another size, without the rows before it (behaviour 6).

    Args:
        table: [1, prefix + rows * columns, C].
        stored: (rows, columns) of its grid.
        wanted: (height, width) of the grid that is wanted.

    Returns:
        [1, height * width, C] of the same type.
    """
    grid = table[:, table.shape[1] - stored[0] * stored[1] :]
    if stored == wanted:
        return grid
    maps = grid.reshape(1, *stored, -1).permute(0, 3, 1, 2)  # [1, C, rows, columns]
    maps = F.interpolate(maps, size=wanted, mode="bicubic", align_corners=False)
    return maps.flatten(2).transpose(1, 2)


def relative_position_index(
    size: tuple[int, int], device: torch.device | None = None, class_token: bool = True
) -> Tensor:
    """Row of the relative position table for every pair of tokens (behaviour 9).

    The table holds (2h - 1)(2w - 1) rows for pairs of patches, (dy + h - 1)(2w - 1) + (dx + w - 1), then one
    row each for class to patch, patch to class and class to class.

    Args:
        size: (h, w) of the grid of patches.
        device: Where the index is made.
        class_token: False: patches only, for tables without the last three rows.

    Returns:
        int64 [1 + h * w, 1 + h * w]; the class token comes first. Without it [h * w, h * w].
    """
    height, width = size
    y, x = torch.meshgrid(
        torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij"
    )
    y, x = y.flatten(), x.flatten()
    patches = (y[:, None] - y + height - 1) * (2 * width - 1) + (x[:, None] - x + width - 1)
    if not class_token:
        return patches
    rows = (2 * height - 1) * (2 * width - 1)
    index = F.pad(patches, (1, 0, 1, 0))
    index[0, :] = rows
    index[:, 0] = rows + 1
    index[0, 0] = rows + 2
    return index


def resample_patches(kernel: Tensor, size: int, mode: Literal["bilinear", "flexi"] = "bilinear") -> Tensor:
    """A patch embedding for patches of another size.

    Args:
        kernel: [D, C, height, width].
        size: Side of the wanted patches in pixels.
        mode: "bilinear": the kernel is resized like an image, values not rescaled, as published (behaviour 102).
            "flexi": the kernel whose products with resized patches are as near as can be to those of the old
            kernel with the patches as they were (FlexiViT, Beyer et al., CVPR 2023, section 3.4).

    Returns:
        [D, C, size, size] of the same type.
    """
    height, width = kernel.shape[-2:]
    if (height, width) == (size, size):
        return kernel
    if mode == "bilinear":
        resized = F.interpolate(kernel.float(), size=(size, size), mode="bilinear", align_corners=False)
        return resized.to(kernel.dtype)
    if mode != "flexi":
        raise InputError(f"patch_resample={mode!r}, expected 'bilinear' or 'flexi'")
    # Resizing a patch is linear. Its matrix comes from resizing every image that has one white pixel.
    pixels = torch.eye(height * width, dtype=torch.float64).reshape(-1, 1, height, width)
    resized = F.interpolate(pixels, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
    matrix = resized.flatten(1).T  # [size * size, height * width]
    old = kernel.double().flatten(2)  # [D, C, height * width]
    new = old @ torch.linalg.pinv(matrix)  # (matrix^T)^+ applied to each kernel
    return new.reshape(*kernel.shape[:2], size, size).to(kernel.dtype)


def resample_relative_table(table: Tensor, wanted: int) -> Tensor:
    """BEiT's relative position table for another square grid, as the official loader does it (behaviour 98).

    A bicubic spline through the stored entries, which are taken to lie at geometrically growing distances such
    that the outermost is where the outermost entry of the wanted table is. A table that becomes smaller is in
    effect cropped, since the spacing cannot shrink below 1.01.

    Args:
        table: [side * side + (3 or 0), heads], side = 2 * grid - 1.
        wanted: Side of the wanted table, an odd number.

    Returns:
        [wanted * wanted + (3 or 0), heads] of the same type; the three rows of the class token are kept.

    Raises:
        InputError: The table is not square.
    """
    rows, heads = table.shape
    count = rows - class_rows(rows)
    side = math.isqrt(max(count, 0))
    if side * side != count or side % 2 == 0:
        raise InputError(
            f"relative position table has {rows} rows, which is not the square of an odd side (plus 3)"
        )
    if wanted % 2 == 0:
        raise InputError(f"a relative position table cannot have the even side {wanted}")
    if side == wanted:
        return table
    grids = table[:count].double().cpu().numpy().T.reshape(heads, side, side)
    half = wanted // 2
    source = geometric_coordinates(side, wanted)
    # Outside the stored range the border value holds.
    target = np.clip(np.arange(-half, half + 1.0), source[0], source[-1])
    if side == 1:
        values = np.broadcast_to(grids, (heads, wanted, wanted))
    else:
        from scipy.interpolate import RectBivariateSpline  # late, as few models need it

        degree = min(3, side - 1)
        values = np.stack(
            [
                RectBivariateSpline(source, source, grid, kx=degree, ky=degree, s=0)(target, target)
                for grid in grids
            ]
        )
    patches = torch.from_numpy(values.reshape(heads, -1).T.copy()).to(table)
    return torch.cat([patches, table[count:]])


def geometric_coordinates(side: int, wanted: int) -> np.ndarray:
    """Where the entries of a table of ``side`` lie on the axis of a table of side ``wanted`` (behaviour 98).

    Returns:
        float64 [side], ascending: 0 and plus or minus 1, 1 + q, 1 + q + q² ...
    """
    terms, outermost = side // 2, wanted // 2
    low, high, ratio = _LOWEST_RATIO, _HIGHEST_RATIO, 1.0
    while high - low > _RATIO_PRECISION:
        # The last ratio tried is the one that counts, not the root: published tables were made so.
        ratio = (low + high) / 2
        if (1 - ratio**terms) / (1 - ratio) > outermost:
            high = ratio
        else:
            low = ratio
    positive = np.cumsum(ratio ** np.arange(terms, dtype=np.float64))
    return np.concatenate([-positive[::-1], [0.0], positive])
