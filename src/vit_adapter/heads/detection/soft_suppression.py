"""Boxes that overlap better ones lose score instead of going (Bodla et al., ICCV 2017)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True)
class Decay:
    """How much score a box loses.

    Attributes:
        method: "linear": the score of a box with at least the given overlap is multiplied by 1 - IoU; "gaussian": that
            of every box by exp(-IoU² / sigma); "naive": it becomes 0.
        sigma: Of "gaussian".
        least_score: A box whose score falls below this goes.
    """

    method: Literal["linear", "gaussian", "naive"] = "linear"
    sigma: float = 0.5
    least_score: float = 1e-3


def soft_suppress(
    boxes: Tensor, scores: Tensor, overlap: float, decay: Decay, count: int | None = None
) -> tuple[Tensor, Tensor]:
    """Picks the box with the best score, lets the others decay, and so on (behaviour 147).

    It runs on the CPU, as it is a sequence of small steps, in the type of the boxes.

    Args:
        boxes: [N, 4] xyxy.
        scores: [N].
        overlap: IoU from which on a score decays.
        decay: How.
        count: Most boxes that are picked; None: all.

    Returns:
        int64 [M] indices in the order in which the boxes were picked, and their decayed scores [M], both on the device
        of the boxes.
    """
    device = boxes.device
    places = torch.arange(len(boxes))
    boxes, scores = boxes.detach().cpu().clone(), scores.detach().cpu().clone()
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    columns = (boxes, scores, areas, places)
    picked, left = 0, len(boxes)
    while picked < left and (count is None or picked < count):
        best = picked + int(scores[picked:left].argmax())  # the first of equal ones
        for column in columns:
            column[[picked, best]] = column[[best, picked]]
        rest = slice(picked + 1, left)
        overlaps = _overlaps(boxes[picked], areas[picked], boxes[rest], areas[rest])
        scores[rest] *= _factors(overlaps, overlap, decay)
        left = _remove(columns, scores, picked + 1, left, decay.least_score)
        picked += 1
    return places[:picked].to(device), scores[:picked].to(device)


def _overlaps(box: Tensor, area: Tensor, others: Tensor, areas: Tensor) -> Tensor:
    """IoU of a box with others: [4], [], [n, 4], [n] -> [n]."""
    sides = torch.minimum(box[2:], others[:, 2:]) - torch.maximum(box[:2], others[:, :2])
    common = sides.clamp(min=0).prod(1)
    return common / (area + areas - common)


def _factors(overlaps: Tensor, overlap: float, decay: Decay) -> Tensor:
    if decay.method == "gaussian":
        return (-(overlaps * overlaps) / decay.sigma).exp()
    kept = 1 - overlaps if decay.method == "linear" else torch.zeros_like(overlaps)
    return torch.where(overlaps >= overlap, kept, torch.ones_like(overlaps))


def _remove(columns: tuple[Tensor, ...], scores: Tensor, start: int, left: int, least: float) -> int:
    """Takes out what scores too little: the last box moves into each gap. Returns the number of boxes left."""
    gone = (scores[start:left] < least).nonzero()[:, 0] + start
    if not len(gone):
        return left
    low = set(gone.tolist())
    order = list(range(left))
    place = start
    while place < len(order):
        if order[place] in low:
            last = order.pop()
            if place < len(order):
                order[place] = last
        else:
            place += 1
    index = torch.tensor(order[start:], dtype=torch.int64)
    for column in columns:
        column[start : len(order)] = column[index]
    return len(order)
