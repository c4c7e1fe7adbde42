"""Which proposal of Sparse R-CNN learns which box: the assignment of lowest total cost (Sun et al., CVPR 2021).

Behaviour 162.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..head import Objects
from ..mask2former.matching import assign
from .boxes import box_overlaps


@dataclass(frozen=True)
class BoxCosts:
    """Weights of the three costs.

    Attributes:
        classes: Of what the focal loss gains.
        corners: Of the distance of the corners, in shares of the image.
        overlap: Of minus the generalized overlap.
        gamma: Of the focal loss.
        alpha: Of the focal loss.
    """

    classes: float = 2.0
    corners: float = 5.0
    overlap: float = 2.0
    gamma: float = 2.0
    alpha: float = 0.25


def focal_cost(logits: Tensor, classes: Tensor, gamma: float = 2.0, alpha: float = 0.25) -> Tensor:
    """What the focal loss pays more when a class is given to a proposal: [P, K], int64 [N] -> [P, N]."""
    shares, least = logits.sigmoid(), 1e-12
    given = -(shares + least).log() * alpha * (1 - shares).pow(gamma)
    without = -(1 - shares + least).log() * (1 - alpha) * shares.pow(gamma)
    return given[:, classes] - without[:, classes]


@torch.no_grad()
def box_costs(
    logits: Tensor, boxes: Tensor, truth: Objects, size: Tensor, weights: BoxCosts
) -> dict[str, Tensor]:
    """All costs of one image.

    Args:
        logits: [P, K].
        boxes: [P, 4] xyxy in pixels.
        truth: N objects.
        size: [4] width, height, width, height of the image.
        weights: Factors.

    Returns:
        "class", "corners" and "overlap", each [P, N] with its weight.
    """
    # By way of centre and size, as published: the rounding decides ties.
    relative = boxes / size
    centres, sides = (relative[:, :2] + relative[:, 2:]) / 2, relative[:, 2:] - relative[:, :2]
    relative = torch.cat([centres - 0.5 * sides, centres + 0.5 * sides], 1)
    wanted = truth.boxes.to(boxes)
    overlap = box_overlaps(relative * size, wanted, generalized=True)
    return {
        "class": weights.classes * focal_cost(logits, truth.classes, weights.gamma, weights.alpha),
        "corners": weights.corners * torch.cdist(relative, wanted / size, p=1),
        "overlap": -weights.overlap * overlap,
    }


@torch.no_grad()
def match_boxes(logits: Tensor, boxes: Tensor, truth: Objects, size: Tensor, weights: BoxCosts) -> Tensor:
    """Matches the proposals of one image with its objects.

    Returns:
        int64 [P]: 0 for background, k + 1 for object k; objects beyond the number of proposals stay unmatched.

    Raises:
        NotFiniteCosts: The predictions hold NaN or infinity.
    """
    matched = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
    if len(truth.classes):
        proposals, objects = assign(box_costs(logits, boxes, truth, size, weights))
        matched[proposals.to(matched.device)] = objects.to(matched.device) + 1
    return matched
