"""From what queries say to objects and segments, as Mask2Former is published (behaviours 110 to 112)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vit_adapter.annotations import Instances, RunLengths, Segments
from vit_adapter.config import ObjectConfig
from vit_adapter.inference.grid import Size

from .window_walk import MaskSizes

CHUNK_BYTES = 1 << 25
"""Full-size mask logits that are held at once; those of all queries of a large image would be gigabytes."""


@dataclass(frozen=True, eq=False)
class FoundSegments:
    """Segments in the order of their queries; some may have no pixel.

    Attributes:
        ids: int32 [H, W]: 1..N, 0 for none.
        classes: int64 [N].
        scores: float32 [N], probability of the class.
    """

    ids: np.ndarray
    classes: np.ndarray
    scores: np.ndarray

    def without_empty(self, min_area: int = 0) -> Segments:
        """Those that have a pixel, and at least so many, numbered anew."""
        areas = np.bincount(self.ids.reshape(-1), minlength=len(self.classes) + 1)[1:]
        kept = areas >= max(min_area, 1)
        numbers = np.zeros(len(kept) + 1, np.int32)
        numbers[1:][kept] = np.arange(1, kept.sum() + 1)
        return Segments(numbers[self.ids], self.classes[kept], self.scores[kept])


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
    chosen_masks = [masks[index] for index in place.tolist()]
    areas = np.array([mask.area for mask in chosen_masks], np.int64)
    kept = np.flatnonzero((scores >= settings.score_threshold) & (areas >= settings.min_area))
    kept = kept[np.lexsort((label[kept], -scores[kept]))]
    return Instances.from_masks(label[kept], [chosen_masks[index] for index in kept], scores[kept])


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
    winner, is_on, own_areas = _competition(mask_logits[sure], scores, sizes, settings.mask_threshold)
    won = np.bincount(winner.reshape(-1), minlength=len(labels))
    ids = np.zeros(sizes.result, np.int32)
    numbers = np.zeros(len(labels), np.int32)  # of each query the number of its segment
    kept: list[int] = []  # the first query of each segment
    stuff: dict[int, int] = {}  # class to number
    for query, label in enumerate(labels.tolist()):
        if not won[query] or not own_areas[query]:
            continue
        if won[query] / own_areas[query] < settings.overlap_threshold:
            continue
        if not is_thing[label] and label in stuff:
            numbers[query] = stuff[label]
            continue
        kept.append(query)
        numbers[query] = len(kept)
        if not is_thing[label]:
            stuff[label] = len(kept)
    if len(labels):
        ids = np.where(is_on | settings.fill_segments, numbers[winner], 0)
    return FoundSegments(ids, labels[kept].astype(np.int64), scores.cpu().float().numpy()[kept])


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
