"""Masks are compared at points instead of at all pixels (Mask2Former, section 3.3; PointRend, CVPR 2020)."""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


class PointSource(Protocol):
    """Where random points come from; tests put recorded ones in its place."""

    def __call__(self, sets: int, points: int, like: Tensor) -> Tensor:
        """[sets, points, 2] points (x, y) in 0..1, on the device and in the type of ``like``."""
        ...


def uniform_points(sets: int, points: int, like: Tensor) -> Tensor:
    """Uniform in the unit square, from PyTorch's global generator."""
    return torch.rand(sets, points, 2, dtype=like.dtype, device=like.device)


def sample_points(maps: Tensor, points: Tensor) -> Tensor:
    """Reads maps at points: bilinear, zero outside (behaviour 58).

    Args:
        maps: [N, C, H, W]. Relative positions make maps of different sizes comparable (behaviour 57).
        points: [N, P, 2] as (x, y); 0 and 1 are the outer edges of a map.

    Returns:
        [N, C, P].
    """
    # grid_sample counts from -1 to 1 between the outer edges. [N, P, 2] -> [N, P, 1, 2]; [N, C, P, 1] -> [N, C, P]
    grid = (2 * points - 1).unsqueeze(2)
    return F.grid_sample(maps, grid, mode="bilinear", padding_mode="zeros", align_corners=False).squeeze(3)


@torch.no_grad()
def uncertain_points(
    logits: Tensor, points: int, oversampling: float, importance: float, draw: PointSource
) -> Tensor:
    """Mostly points where a mask is undecided, some others (behaviour 63).

    Args:
        logits: [N, H, W] of the masks.
        points: Points P for each mask.
        oversampling: So many times P candidates are drawn.
        importance: Share of P that goes to the most uncertain candidates, 0..1; the rest is drawn afresh.
        draw: Source of the candidates, then of the fresh points; not asked for none.

    Returns:
        [N, P, 2]: uncertain points, the most uncertain first, then the fresh ones.
    """
    candidates = draw(len(logits), int(points * oversampling), logits)
    certainty = sample_points(logits[:, None], candidates)[:, 0].abs()  # [N, candidates]
    important = int(importance * points)
    chosen = certainty.topk(important, dim=1, largest=False).indices
    selected = candidates.gather(1, chosen[..., None].expand(-1, -1, 2))
    if important == points:
        return selected
    return torch.cat([selected, draw(len(logits), points - important, logits)], dim=1)
