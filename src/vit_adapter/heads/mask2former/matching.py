"""Which query is matched with which mask: the assignment of lowest total cost."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from vit_adapter.heads.precision import at_least_float32, full_precision

from ..head import LossNotFinite
from .points import PointSource, sample_points
from .targets import Target


class NotFiniteCosts(LossNotFinite):
    """The predictions hold NaN or infinity, so nothing can be matched; training has to stop."""


@dataclass(frozen=True)
class CostWeights:
    """Weights of the three costs (behaviour 60).

    Attributes:
        classes: Of minus the probability of the right class.
        mask: Of the cross entropy at the points.
        dice: Of the Dice cost at the points.
    """

    classes: float = 2.0
    mask: float = 5.0
    dice: float = 5.0


def class_cost(logits: Tensor, classes: Tensor) -> Tensor:
    """Minus the probability of each mask's class: logits [Q, K + 1], classes int64 [N] -> [Q, N]."""
    return -logits.softmax(-1)[:, classes]


def mask_cost(logits: Tensor, masks: Tensor) -> Tensor:
    """Mean binary cross entropy: logits [Q, P], values of the masks in 0..1 [N, P] -> [Q, N]."""
    # -log sigmoid(x) is softplus(-x) inside a mask, and softplus(x) outside.
    inside = F.softplus(-logits) @ masks.T
    outside = F.softplus(logits) @ (1 - masks).T
    return (inside + outside) / logits.shape[1]


def dice_cost(logits: Tensor, masks: Tensor) -> Tensor:
    """One minus the Dice coefficient, 1 added above and below: logits [Q, P], masks [N, P] -> [Q, N]."""
    shares = logits.sigmoid()
    overlap = shares @ masks.T
    return 1 - (2 * overlap + 1) / (shares.sum(-1)[:, None] + masks.sum(-1) + 1)


def weighted_costs(
    class_logits: Tensor, mask_logits: Tensor, classes: Tensor, masks: Tensor, weights: CostWeights
) -> dict[str, Tensor]:
    """All costs of one image, at least in float32 (S43).

    Args:
        class_logits: [Q, K + 1].
        mask_logits: [Q, P], at the points.
        classes: int64 [N].
        masks: [N, P] values in 0..1, at the same points.
        weights: Factors of the costs.

    Returns:
        "class", "mask" and "dice", each [Q, N] with its weight.
    """
    class_logits, mask_logits = at_least_float32(class_logits), at_least_float32(mask_logits)
    masks = masks.to(mask_logits.dtype)
    with full_precision(mask_logits.device.type):
        return {
            "class": weights.classes * class_cost(class_logits, classes),
            "mask": weights.mask * mask_cost(mask_logits, masks),
            "dice": weights.dice * dice_cost(mask_logits, masks),
        }


def assign(costs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The assignment of lowest total cost (behaviour 61).

    Args:
        costs: [Q, N] by name; the total is their sum.

    Returns:
        Indices of queries, ascending, and of the masks they get; min(Q, N) pairs, on the CPU.

    Raises:
        NotFiniteCosts: Names the cost and the query.
    """
    parts = {name: cost.detach().cpu() for name, cost in costs.items()}
    parts["total"] = torch.stack(list(parts.values())).sum(0)
    for name, cost in parts.items():
        if not cost.isfinite().all():
            query, mask = (~cost.isfinite()).nonzero()[0].tolist()
            raise NotFiniteCosts(
                f"the {name} cost of query {query} for mask {mask} is {cost[query, mask]:g}: the predictions are not "
                "finite, so queries and masks cannot be matched"
            )
    queries, masks = linear_sum_assignment(parts["total"].numpy())
    return torch.from_numpy(queries), torch.from_numpy(masks)


@torch.no_grad()
def match(
    class_logits: Tensor,
    mask_logits: Tensor,
    target: Target,
    weights: CostWeights,
    points: int,
    draw: PointSource,
) -> tuple[Tensor, Tensor]:
    """Matches the queries of one image with its masks.

    Args:
        class_logits: [Q, K + 1].
        mask_logits: [Q, h, w].
        target: N masks.
        weights: Factors of the costs.
        points: Number of points at which masks are compared: the same for all queries and masks (behaviour 59).
        draw: Their source; it is asked also when there are no masks.

    Returns:
        See ``assign``, on the device of the target.

    Raises:
        NotFiniteCosts: A cost is NaN or infinite.
    """
    logits = at_least_float32(mask_logits)
    places = draw(1, points, logits)  # [1, P, 2]
    if not len(target.classes):
        return target.classes, target.classes
    # [1, Q, h, w] -> [Q, P]
    predicted = sample_points(logits[None], places)[0]
    wanted = sample_points(target.masks[None].to(logits.dtype), places)[0]  # [N, P]
    queries, masks = assign(weighted_costs(class_logits, predicted, target.classes, wanted, weights))
    return queries.to(target.classes.device), masks.to(target.classes.device)
