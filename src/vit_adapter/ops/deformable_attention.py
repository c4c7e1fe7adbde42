"""Multi-scale deformable attention: every query reads a few bilinear samples from maps of several sizes.

Source: Deformable DETR (Zhu et al., ICLR 2021), equation 3, as ViT-Adapter uses it.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def deformable_attention(
    value: Tensor, shapes: Sequence[tuple[int, int]], locations: Tensor, weights: Tensor
) -> Tensor:
    """Sums bilinear samples of the value maps, weighted per query, head, level and point.

    Args:
        value: [B, S, M, D] tokens of all levels, level after level, rows first; S is the sum of height × width;
            M heads of D channels.
        shapes: (height, width) of every level, L of them, as Python integers.
        locations: [B, Q, M, L, P, 2] sampling locations (x, y); 0 and 1 are the outer edges of the map, so the
            centre of pixel i of n lies at (i + 0.5) / n. Outside the map the value is zero.
        weights: [B, Q, M, L, P] attention weights; they are used as they are, without a softmax.

    Returns:
        [B, Q, M * D], heads one after the other. Differentiable in value, locations and weights.

    Raises:
        ValueError: S is not the sum of the levels' areas, or the number of levels differs.
    """
    batch, tokens, heads, channels = value.shape
    queries, levels, points = locations.shape[1], locations.shape[3], locations.shape[4]
    areas = [height * width for height, width in shapes]
    if sum(areas) != tokens or len(areas) != levels:
        raise ValueError(
            f"value has {tokens} tokens and locations {levels} levels, but shapes {list(shapes)} describe "
            f"{len(areas)} levels of {sum(areas)} tokens"
        )

    # grid_sample counts from -1 to 1 between the outer edges.
    grids = (2 * locations - 1).permute(3, 0, 2, 1, 4, 5)  # [L, B, M, Q, P, 2]
    weights = weights.permute(3, 0, 2, 1, 4)  # [L, B, M, Q, P]
    output = value.new_zeros(())
    for (height, width), level_value, grid, weight in zip(
        shapes, value.split(areas, dim=1), grids, weights, strict=True
    ):
        # [B, h*w, M, D] -> [B*M, D, h, w]
        maps = level_value.permute(0, 2, 3, 1).reshape(batch * heads, channels, height, width)
        samples = F.grid_sample(
            maps, grid.reshape(batch * heads, queries, points, 2), padding_mode="zeros", align_corners=False
        )  # [B*M, D, Q, P]
        output = output + (samples * weight.reshape(batch * heads, 1, queries, points)).sum(-1)
    # [B*M, D, Q] -> [B, Q, M*D]
    return output.reshape(batch, heads * channels, queries).transpose(1, 2)
