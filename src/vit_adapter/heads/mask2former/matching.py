"""Which query is matched with which mask: the assignment of lowest total cost."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vit_adapter.heads.precision import at_least_float32, full_precision
from vit_adapter.ops import Operator

from ..head import LossNotFinite
from .points import PointSource, sample_points
from .targets import Target

Pairs = tuple[Tensor, Tensor]
"""Indices of queries, ascending, and of the masks they get."""
Exchange = Callable[[Tensor], Tensor]


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
    """Minus the probability of each mask's class: logits [..., Q, K + 1], classes int64 [N] -> [..., Q, N]."""
    return -logits.softmax(-1)[..., classes]


def mask_cost(logits: Tensor, masks: Tensor) -> Tensor:
    """Mean binary cross entropy: logits [..., Q, P], values of the masks in 0..1 [..., N, P] -> [..., Q, N]."""
    # -log sigmoid(x) is softplus(-x) inside a mask, and softplus(x) outside.
    inside = F.softplus(-logits) @ masks.mT
    outside = F.softplus(logits) @ (1 - masks).mT
    return (inside + outside) / logits.shape[-1]


def dice_cost(logits: Tensor, masks: Tensor) -> Tensor:
    """One minus the Dice coefficient, 1 added above and below: logits [..., Q, P], masks [..., N, P] -> [..., Q, N]."""
    shares = logits.sigmoid()
    overlap = shares @ masks.mT
    return 1 - (2 * overlap + 1) / (shares.sum(-1)[..., None] + masks.sum(-1)[..., None, :] + 1)


def weighted_costs(
    class_logits: Tensor, mask_logits: Tensor, classes: Tensor, masks: Tensor, weights: CostWeights
) -> dict[str, Tensor]:
    """All costs of one image, at least in float32 (S43); further axes in front are those of prediction sets.

    Args:
        class_logits: [..., Q, K + 1].
        mask_logits: [..., Q, P], at the points.
        classes: int64 [N].
        masks: [..., N, P] values in 0..1, at the same points.
        weights: Factors of the costs.

    Returns:
        "class", "mask" and "dice", each [..., Q, N] with its weight.
    """
    class_logits, mask_logits = at_least_float32(class_logits), at_least_float32(mask_logits)
    masks = masks.to(mask_logits.dtype)
    with full_precision(mask_logits.device.type):
        return {
            "class": weights.classes * class_cost(class_logits, classes),
            "mask": weights.mask * mask_cost(mask_logits, masks),
            "dice": weights.dice * dice_cost(mask_logits, masks),
        }


def assign(costs: dict[str, Tensor]) -> Pairs:
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
    from scipy.optimize import linear_sum_assignment  # late, as only training needs it

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
) -> Pairs:
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
    places = draw(1, points, at_least_float32(mask_logits))
    return match_at(class_logits, mask_logits, target, weights, places)


@torch.no_grad()
def match_at(
    class_logits: Tensor, mask_logits: Tensor, target: Target, weights: CostWeights, places: Tensor
) -> Pairs:
    """``match`` with masks compared at given points [1, P, 2]."""
    if not len(target.classes):
        return target.classes, target.classes
    logits = at_least_float32(mask_logits)
    # [1, Q, h, w] -> [Q, P]
    predicted = sample_points(logits[None], places)[0]
    wanted = sample_points(target.masks[None].to(logits.dtype), places)[0]  # [N, P]
    queries, masks = assign(weighted_costs(class_logits, predicted, target.classes, wanted, weights))
    return queries.to(target.classes.device), masks.to(target.classes.device)


def _one_by_one(
    class_logits: Sequence[Tensor],
    mask_logits: Sequence[Tensor],
    targets: Sequence[Target],
    weights: CostWeights,
    places: Sequence[Sequence[Tensor]],
    exchange: Exchange,
) -> tuple[list[list[Pairs]], float]:
    """Every image of every set by itself."""
    pairs, trouble = [], ""
    for index, of_images in enumerate(places):
        pairs.append([])
        for image, target in enumerate(targets):
            inputs = class_logits[index][image], mask_logits[index][image], target, weights
            try:
                pairs[-1].append(match_at(*inputs, of_images[image]))
            except NotFiniteCosts as error:
                trouble = trouble or f"prediction set {index}, image {image} of the batch: {error}"
    queries = class_logits[0].shape[1]
    matched = float(sum(min(len(target.classes), queries) for target in targets))
    dtype = torch.promote_types(mask_logits[0].dtype, torch.float32)
    state = torch.tensor([matched, float(bool(trouble))], dtype=dtype, device=mask_logits[0].device)
    # One process alone must not stop: the others would wait for it.
    count, troubled = exchange(state).tolist()
    if troubled > 0:
        raise NotFiniteCosts(trouble or _ELSEWHERE)
    return pairs, count


def _batched(
    class_logits: Sequence[Tensor],
    mask_logits: Sequence[Tensor],
    targets: Sequence[Target],
    weights: CostWeights,
    places: Sequence[Sequence[Tensor]],
    exchange: Exchange,
) -> tuple[list[list[Pairs]], float]:
    """All costs on the device, then one copy to the host, which assigns."""
    sets, queries = len(class_logits), class_logits[0].shape[1]
    predicted = torch.stack(
        [
            sample_points(at_least_float32(masks), torch.cat(list(at)))
            for masks, at in zip(mask_logits, places, strict=True)
        ]
    )  # [sets, B, Q, P]
    costs: list[dict[str, Tensor]] = []
    for image, target in enumerate(targets):
        # The points of all sets at once: [1, sets * P, 2] -> [N, sets * P] -> [sets, N, P]
        at = torch.cat([of_images[image] for of_images in places], dim=1)
        wanted = sample_points(target.masks[None].to(predicted.dtype), at)[0]
        wanted = wanted.unflatten(1, (sets, -1)).transpose(0, 1)
        classes = torch.stack([logits[image] for logits in class_logits])
        costs.append(weighted_costs(classes, predicted[:, image], target.classes, wanted, weights))
    flat = torch.cat([part.to(predicted.dtype).flatten() for parts in costs for part in parts.values()])
    matched = float(sum(min(len(target.classes), queries) for target in targets))
    # One process alone must not stop: the others would wait for it.
    state = exchange(torch.stack([flat.new_full((), matched), (~flat.isfinite()).any().to(flat.dtype)]))
    on_host = torch.cat([state, flat]).cpu()  # the only time that the host waits for the device
    count, troubled = on_host[:2].tolist()
    sizes = [(name, part.shape) for parts in costs for name, part in parts.items()]
    values = iter(
        part.view(shape)
        for part, (_, shape) in zip(
            on_host[2:].split([shape.numel() for _, shape in sizes]), sizes, strict=True
        )
    )
    read = [{name: next(values) for name in parts} for parts in costs]
    pairs = []
    for index in range(sets):
        pairs.append([])
        for image, parts in enumerate(read):
            try:
                pairs[-1].append(assign({name: part[index] for name, part in parts.items()}))
            except NotFiniteCosts as error:
                raise NotFiniteCosts(
                    f"prediction set {index}, image {image} of the batch: {error}"
                ) from error
    if troubled > 0:
        raise NotFiniteCosts(_ELSEWHERE)
    return pairs, count


def _choose(
    class_logits: Sequence[Tensor],
    mask_logits: Sequence[Tensor],
    targets: Sequence[Target],
    weights: CostWeights,
    places: Sequence[Sequence[Tensor]],
    exchange: Exchange,
) -> str:
    return "batched"


_ELSEWHERE = "matching costs are not finite in another process"
MATCHING = Operator(
    "mask_matching",
    torch.no_grad()(_one_by_one),
    _choose,
    rule="batched: the costs of all prediction sets on the device, one copy to the host",
)
"""Matches the queries of all prediction sets with the masks of their images.

Arguments:
    class_logits: [B, Q, K + 1] of every set.
    mask_logits: [B, Q, h, w] of every set.
    targets: One for each image.
    weights: Factors of the costs.
    places: [1, P, 2] for every set and image: where masks are compared.
    exchange: Mean over the processes of a vector: number of matched masks, and 1 where costs are not finite.

Returns pairs for every set and image, see ``assign``, and the mean number of matched masks; raises ``NotFiniteCosts``
where predictions of some process are NaN or infinite.
"""
MATCHING.form("batched")(torch.no_grad()(_batched))
