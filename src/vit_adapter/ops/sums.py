"""Sums of a map with a coarser one that is brought to its size."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .banded import add_resized_, banded_sum, interpolation_band
from .operator import Operator, is_traced, overwrites


def _resized_reference(
    finer: Tensor, coarser: Tensor, align_corners: bool = False, makers: tuple[nn.Module, ...] = ()
) -> Tensor:
    """Adds a map that is resized bilinearly.

    Args:
        finer: [B, C, H, W]; a form may write over it.
        coarser: [B, C, h, w].
        align_corners: Of the resize.
        makers: The modules that ``finer`` comes from, see ``overwrites``.

    Returns:
        [B, C, H, W].
    """
    size = finer.shape[-2], finer.shape[-1]
    if tuple(coarser.shape[-2:]) == size:
        return finer + coarser
    return finer + F.interpolate(coarser, size=size, mode="bilinear", align_corners=align_corners)


def _is_written_over(finer: Tensor, coarser: Tensor, makers: tuple[nn.Module, ...]) -> bool:
    fits = finer.permute(0, 2, 3, 1).is_contiguous() and coarser.dtype == finer.dtype
    return fits and overwrites(finer, *makers)


def _choose_resized(
    finer: Tensor, coarser: Tensor, align_corners: bool = False, makers: tuple[nn.Module, ...] = ()
) -> str:
    # A map that shrinks skips pixels, so that its band is wide.
    grows = coarser.shape[-2] <= finer.shape[-2] and coarser.shape[-1] <= finer.shape[-1]
    return "banded" if grows and _is_written_over(finer, coarser, makers) else "reference"


resized_sum = Operator(
    "resized_sum",
    _resized_reference,
    _choose_resized,
    rule="banded in inference on the CPU in channels-last memory, over the finer map; else reference",
)


@resized_sum.form("banded")
def _resized_banded(
    finer: Tensor, coarser: Tensor, align_corners: bool = False, makers: tuple[nn.Module, ...] = ()
) -> Tensor:
    """A product with a banded matrix for each axis."""
    batch, channels, height, width = finer.shape
    down, across = (
        interpolation_band(old, new, align_corners, coarser.dtype, coarser.device)
        for old, new in zip(coarser.shape[-2:], (height, width), strict=True)
    )
    tokens = coarser.permute(0, 2, 3, 1).contiguous()  # [B, h, w, C]
    if not _is_written_over(finer, coarser, makers):
        wide = banded_sum([across], [tokens.flatten(0, 1)]).view(batch, -1, width * channels)
        return finer + banded_sum([down], [wide]).view(batch, height, width, channels).permute(0, 3, 1, 2)
    if coarser.shape == finer.shape:
        return finer.add_(coarser)
    rows = finer.permute(0, 2, 3, 1).view(batch, height, width * channels)
    for image, one in zip(rows, tokens, strict=True):
        add_resized_(image, one, down, across)
    return finer


def _doubled_reference(
    finer: Tensor, maps: Tensor, weight: Tensor, bias: Tensor, makers: tuple[nn.Module, ...] = ()
) -> Tensor:
    """Adds a map that a transposed convolution of 2×2 kernels brings to twice its size.

    Args:
        finer: [B, D, 2h, 2w]; a form may write over it.
        maps: [B, C, h, w].
        weight: [C, D, 2, 2].
        bias: [D].
        makers: The modules that ``finer`` comes from, see ``overwrites``.

    Returns:
        [B, D, 2h, 2w].
    """
    return finer + F.conv_transpose2d(maps, weight, bias, stride=2)


def _choose_doubled(
    finer: Tensor, maps: Tensor, weight: Tensor, bias: Tensor, makers: tuple[nn.Module, ...] = ()
) -> str:
    return "reference" if is_traced() or maps.device.type != "cpu" else "product"


doubled_sum = Operator(
    "doubled_sum",
    _doubled_reference,
    _choose_doubled,
    rule="product on the CPU, in inference over the finer map; reference elsewhere and when traced",
)


@doubled_sum.form("product")
def _doubled_product(
    finer: Tensor, maps: Tensor, weight: Tensor, bias: Tensor, makers: tuple[nn.Module, ...] = ()
) -> Tensor:
    """Kernels do not overlap, so every pixel becomes four by one product."""
    batch, inputs, height, width = maps.shape
    outputs = weight.shape[1]
    tokens = maps.permute(0, 2, 3, 1)  # [B, h, w, C]
    # [C, D*2*2] -> [2*2*D, C], turned and then put in order: each alone is several times faster than both at once.
    turned = weight.reshape(inputs, 4 * outputs).t().contiguous()
    matrix = turned.view(outputs, 4, inputs).transpose(0, 1).reshape(4 * outputs, inputs)
    bias = bias.repeat(4)
    if not overwrites(finer, *makers) or finer.dtype != maps.dtype:
        wide = F.linear(tokens, matrix, bias).view(batch, height, width, 2, 2, outputs)
        pixels = finer.permute(0, 2, 3, 1)
        if batch > 1 and pixels.is_contiguous():  # a sum is fast where both maps lie alike in memory
            return (pixels + wide.transpose(2, 3).reshape(pixels.shape)).permute(0, 3, 1, 2)
        # [B, h, w, 2, 2, D] -> [B, D, h, 2, w, 2]
        return finer + wide.permute(0, 5, 1, 3, 2, 4).reshape(finer.shape)
    # [B, D, 2h, 2w] -> [B, h, w, 2, 2, D]
    cells = finer.unflatten(3, (width, 2)).unflatten(2, (height, 2)).permute(0, 2, 4, 3, 5, 1)
    rows = max(
        1, (1 << 20) // (4 * outputs * width)
    )  # so that a product is still in the caches when it is added
    for image in range(batch):
        for top in range(0, height, rows):
            part = slice(top, top + rows)
            found = F.linear(tokens[image, part], matrix, bias)
            cells[image, part].add_(found.unflatten(2, (2, 2, outputs)))
    return finer


def _residual_reference(
    tokens: Tensor, branch: Tensor, scale: Tensor | None = None, makers: tuple[nn.Module, ...] = ()
) -> Tensor:
    """Adds a branch to the tokens that it was computed from.

    Args:
        tokens: [..., C].
        branch: [..., C]; a form may write over it.
        scale: [C]; None: 1.
        makers: The modules that ``branch`` comes from, see ``overwrites``.

    Returns:
        Tokens + scale × branch, [..., C].
    """
    return tokens + (branch if scale is None else scale * branch)


def _choose_residual(
    tokens: Tensor, branch: Tensor, scale: Tensor | None = None, makers: tuple[nn.Module, ...] = ()
) -> str:
    same = tokens.dtype == branch.dtype and (scale is None or scale.dtype == branch.dtype)
    fits = same and tokens.shape == branch.shape and branch.is_contiguous()
    return "over" if fits and overwrites(branch, *makers) else "reference"


residual = Operator(
    "residual",
    _residual_reference,
    _choose_residual,
    rule="over the branch in inference on the CPU, else reference",
)


@residual.form("over")
def _residual_over(
    tokens: Tensor, branch: Tensor, scale: Tensor | None = None, makers: tuple[nn.Module, ...] = ()
) -> Tensor:
    if not overwrites(branch, *makers):
        return tokens + branch if scale is None else torch.addcmul(tokens, branch, scale)
    return branch.add_(tokens) if scale is None else torch.addcmul(tokens, branch, scale, out=branch)
