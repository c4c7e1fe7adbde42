"""From what queries of an exported file say to scores, objects and segments: ``tasks.queries`` in numpy."""

import math
from collections.abc import Iterator

import numpy as np

from vit_adapter.annotations import Instances, RunLengths, Segments
from vit_adapter.config import ObjectConfig
from vit_adapter.images import resize_image
from vit_adapter.inference.grid import Size
from vit_adapter.tasks.query_decisions import counted_masks, decided_segments
from vit_adapter.tasks.window_walk import MaskSizes

from .scores import softmax

CHUNK_BYTES = 1 << 25
"""Full-size mask logits that are held at once."""


def class_sums(
    class_logits: np.ndarray, mask_logits: np.ndarray, size: Size, masks_first: bool
) -> np.ndarray:
    """Scores of every class at every pixel: the sum over queries of class times mask (behaviours 88 and 118).

    Args:
        class_logits: [Q, K + 1], the last column "no object".
        mask_logits: [Q, h, w].
        size: (height, width) of the result.
        masks_first: Resize the masks, not their sums.

    Returns:
        float32 [K, height, width], 0..Q.
    """
    classes = softmax(class_logits.T)[:-1]  # [K, Q]
    if not masks_first:
        sums = np.tensordot(classes, _sigmoid(mask_logits), 1)
        return _resized(sums, size)
    total = np.zeros((len(classes), *size), np.float32)
    for first, full in _full_masks(mask_logits, MaskSizes(size, size)):
        total += np.tensordot(classes[:, first : first + len(full)], _sigmoid(full), 1)
    return total


def chosen_instances(
    class_logits: np.ndarray,
    mask_logits: np.ndarray,
    sizes: MaskSizes,
    is_thing: np.ndarray,
    settings: ObjectConfig,
) -> Instances:
    """The most probable pairs of query and class as objects, best first (behaviour 111).

    Args:
        class_logits: float32 [Q, K + 1], the last column "no object".
        mask_logits: float32 [Q, h, w].
        sizes: To what size masks are brought.
        is_thing: bool [K]; the other classes are no objects.
        settings: Which ones are given out.
    """
    probabilities = softmax(class_logits.T)[:-1].T  # [Q, K]
    flat, count = probabilities.reshape(-1), probabilities.shape[1]
    best = np.argsort(-flat, kind="stable")[: settings.max_objects]
    # The score is at most the probability of the class, so masks of the others need not be made.
    best = best[(flat[best] >= settings.score_threshold) & is_thing[best % count]]
    wanted, place = np.unique(best // count, return_inverse=True)
    qualities, masks = [np.zeros(0)], list[RunLengths]()
    limit = math.log(settings.mask_threshold / (1 - settings.mask_threshold))
    for _, full in _full_masks(mask_logits[wanted], sizes):
        inside = full > limit
        sums = np.where(inside, _sigmoid(full), 0).sum((1, 2), dtype=np.float64)
        qualities.append(sums / (inside.sum((1, 2)) + 1e-6))
        masks += [RunLengths.from_mask(mask) for mask in inside]
    scores = flat[best].astype(np.float64) * np.concatenate(qualities)[place]
    return counted_masks(best % count, [masks[index] for index in place.tolist()], scores, settings)


def chosen_segments(
    class_logits: np.ndarray,
    mask_logits: np.ndarray,
    sizes: MaskSizes,
    is_thing: np.ndarray,
    settings: ObjectConfig,
) -> Segments:
    """Queries that are sure of their class compete for every pixel (behaviour 110); arguments as above."""
    probabilities = softmax(class_logits.T).T
    scores, labels = probabilities.max(1), probabilities.argmax(1)
    sure = (labels != probabilities.shape[1] - 1) & (scores > settings.segment_threshold)
    scores, labels = scores[sure], labels[sure]
    best = np.full(sizes.result, -1, np.float32)
    winner, is_on = np.zeros(sizes.result, np.int64), np.zeros(sizes.result, bool)
    areas = np.zeros(len(labels), np.int64)
    for first, full in _full_masks(mask_logits[sure], sizes):
        for number, share in enumerate(_sigmoid(full), start=first):
            on, value = share >= settings.mask_threshold, share * scores[number]
            areas[number] = on.sum()
            better = value > best  # of equal ones the first stays
            best[better], winner[better], is_on[better] = value[better], number, on[better]
    found = decided_segments(labels, scores, winner, is_on, areas, is_thing, settings)
    return found.without_empty(settings.min_area)


def _full_masks(logits: np.ndarray, sizes: MaskSizes) -> Iterator[tuple[int, np.ndarray]]:
    """Number of the first one, and some masks at the final size, [n, H, W]."""
    largest = max(height * width for height, width in (sizes.padded, sizes.result))
    step = max(1, CHUNK_BYTES // (4 * largest))
    for first in range(0, len(logits), step):
        full = _resized(logits[first : first + step], sizes.padded)
        full = full[:, : sizes.valid[0], : sizes.valid[1]]
        yield first, full if sizes.final is None else _resized(full, sizes.final)


def _resized(maps: np.ndarray, size: Size) -> np.ndarray:
    """[N, h, w] at another size, bilinear."""
    if maps.shape[1:] == size:
        return maps
    return resize_image(np.ascontiguousarray(maps.transpose(1, 2, 0)), size).transpose(2, 0, 1)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(0.5 * logits)  # nothing overflows
