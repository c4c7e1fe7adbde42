"""From what queries say to objects and segments, as Mask2Former is published (behaviours 110 to 112)."""

import math
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vit_adapter.annotations import Instances, RunLengths
from vit_adapter.config import ObjectConfig
from vit_adapter.inference.grid import Size

from .query_decisions import FoundSegments, counted_masks, decided_segments
from .window_walk import MaskSizes

CHUNK_BYTES = 1 << 25
"""Full-size mask logits that are held at once; those of all queries of a large image would be gigabytes."""


def resized_masks(logits: Tensor, sizes: MaskSizes) -> Tensor:
    """Mask logits [N, h, w] at their final size, [N, H, W]."""
    full = _interpolate(logits, sizes.padded)[:, : sizes.valid[0], : sizes.valid[1]]
    return full if sizes.final is None else _interpolate(full, sizes.final)


def find_instances(
    class_logits: Tensor,
    mask_logits: Tensor,
    sizes: MaskSizes,
    is_thing: np.ndarray,
    settings: ObjectConfig,
) -> Instances:
    """The most probable pairs of query and class, those of things, as objects; best first (behaviour 111).

    Args:
        class_logits: [Q, K + 1], the last column "no object".
        mask_logits: [Q, h, w].
        sizes: To what size masks are brought.
        is_thing: bool [K]; the other classes are no objects.
        settings: Which ones are given out.

    Returns:
        Objects with run-lengths. A mask without a pixel has an empty box and the score 0.
    """
    probabilities = class_logits.softmax(-1)[:, :-1]
    queries, classes = probabilities.shape
    best = probabilities.flatten().topk(min(settings.max_objects, queries * classes)).indices
    labels = best % classes
    # The score is at most the probability of the class, so masks of the others need not be made.
    probable = probabilities.flatten()[best] >= settings.score_threshold
    chosen = best[probable & torch.from_numpy(is_thing).to(labels.device)[labels]]
    query, label = chosen // classes, (chosen % classes).cpu().numpy()
    wanted = query.unique()
    quality, masks = _mask_qualities(mask_logits[wanted], sizes, settings.mask_threshold)
    place = torch.searchsorted(wanted, query)
    scores = (probabilities[query, chosen % classes] * quality[place]).cpu().double().numpy()
    return counted_masks(label, [masks[index] for index in place.tolist()], scores, settings)


def find_segments(
    class_logits: Tensor,
    mask_logits: Tensor,
    sizes: MaskSizes,
    is_thing: np.ndarray,
    settings: ObjectConfig,
) -> FoundSegments:
    """Queries that are sure of their class compete for every pixel (behaviour 110).

    Segments of the same class of stuff are one.

    Args:
        class_logits: [Q, K + 1], the last column "no object".
        mask_logits: [Q, h, w].
        sizes: To what size masks are brought.
        is_thing: bool [K].
        settings: Thresholds.
    """
    scores, labels = class_logits.softmax(-1).max(-1)
    sure = (labels != class_logits.shape[1] - 1) & (scores > settings.segment_threshold)
    scores, labels = scores[sure], labels[sure].cpu().numpy()
    winner, is_on, areas = _competition(mask_logits[sure], scores, sizes, settings.mask_threshold)
    return decided_segments(labels, scores.cpu().float().numpy(), winner, is_on, areas, is_thing, settings)


def _mask_qualities(logits: Tensor, sizes: MaskSizes, threshold: float) -> tuple[Tensor, list[RunLengths]]:
    """Mean probability inside each mask, [N], and the masks."""
    qualities, masks = [logits.new_zeros(0)], []
    limit = math.log(threshold / (1 - threshold))
    for _, full in _full_masks(logits, sizes):
        inside = full > limit
        sums = torch.where(inside, full.sigmoid(), 0).flatten(1).sum(1)
        qualities.append(sums / (inside.flatten(1).sum(1) + 1e-6))
        masks += [RunLengths.from_mask(mask) for mask in inside.cpu().numpy()]
    return torch.cat(qualities), masks


def _competition(
    logits: Tensor, scores: Tensor, sizes: MaskSizes, threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which query has each pixel, whether its mask is on there, and how many pixels each mask has.

    Returns:
        int64 [H, W], bool [H, W], int64 [N]; without a query all of it is 0.
    """
    best = logits.new_full(sizes.result, -1.0)
    winner = torch.zeros(sizes.result, dtype=torch.int64, device=logits.device)
    is_on = torch.zeros(sizes.result, dtype=torch.bool, device=logits.device)
    areas = [torch.zeros(0, dtype=torch.int64, device=logits.device)]
    for first, full in _full_masks(logits, sizes):
        shares = full.sigmoid()
        on = shares >= threshold
        areas.append(on.flatten(1).sum(1))
        value, index = (shares * scores[first : first + len(full), None, None]).max(0)
        better = value > best  # of equal ones the first stays
        best = torch.where(better, value, best)
        winner = torch.where(better, index + first, winner)
        is_on = torch.where(better, on.gather(0, index[None])[0], is_on)
    return winner.cpu().numpy(), is_on.cpu().numpy(), torch.cat(areas).cpu().numpy()


def _full_masks(logits: Tensor, sizes: MaskSizes) -> Iterator[tuple[int, Tensor]]:
    """Number of the first one, and some masks at the final size, [n, H, W]."""
    largest = max(height * width for height, width in (sizes.padded, sizes.result))
    step = max(1, CHUNK_BYTES // (largest * logits.element_size()))
    for first in range(0, len(logits), step):
        yield first, resized_masks(logits[first : first + step], sizes)


def _interpolate(maps: Tensor, size: Size) -> Tensor:
    if maps.shape[1:] == size:
        return maps
    return F.interpolate(maps[None], size=size, mode="bilinear", align_corners=False)[0]
