"""What a run that learns objects takes from the number and the sizes of the objects in its data."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vit_adapter.config import InferenceConfig, ObjectConfig, RunConfig
from vit_adapter.heads import HEADS

if TYPE_CHECKING:
    from vit_adapter.data.object_counts import ObjectCounts
    from vit_adapter.data.sample import AnnotatedImages


def with_object_counts(config: RunConfig, training: AnnotatedImages) -> tuple[RunConfig, list[str]]:
    """Settings for images with more than a hundred objects, and lines for the user.

    Where the settings name no ``protocol.objects.max_objects`` and an image has more objects than its default, it
    becomes the next multiple of a hundred: average precision cannot count more. Queries that are too few for a crop
    and anchors that are too large for half of the objects are told, not changed: they are a part of the model.

    Args:
        config: Of a run on one's own data, for a task that needs objects; its crop is known.
        training: The training images.
    """
    from vit_adapter.data.object_counts import count_objects

    crop = config.data.augmentation.crop
    assert crop is not None
    counts = count_objects(training, crop)
    if counts is None:
        return config, []
    lines = []
    head, usual = config.model.head, ObjectConfig().max_objects
    queries = HEADS[head.kind].most_queries(head)
    if queries is not None and counts.of_crop > queries:
        lines.append(
            f"a crop of {crop} pixels shows up to about {counts.of_crop} objects (of {counts.images} images that were "
            f"looked at), and the head finds at most {queries}: --model.head.queries {_rounded(counts.of_crop)}"
        )
    lines += _smallest_anchors(config, counts)
    named = None if isinstance(config.protocol, InferenceConfig) else config.protocol or {}
    if named is not None and counts.of_image > usual and "max_objects" not in (named.get("objects") or {}):
        limit = _rounded(counts.of_image)
        objects = {**(named.get("objects") or {}), "max_objects": limit}
        config = replace(config, protocol={**named, "objects": objects})
        lines.append(
            f"up to {limit} objects of an image count, since one of the images has {counts.of_image}"
        )
    return config, lines


def _smallest_anchors(config: RunConfig, counts: ObjectCounts) -> list[str]:
    """Says that anchors are too large for half of the objects, and which would suit them."""
    head, augmentation = config.model.head, config.data.augmentation
    anchors = HEADS[head.kind].finest_anchors(head)
    if anchors is None or augmentation.base_size is not None:
        return []
    (stride, scale), (least, most) = anchors, augmentation.scale_range
    side = counts.side * (least * most) ** 0.5
    if not 0 < side < stride * scale:
        return []
    # So that the second level has anchors of this side, and the first those of half of it.
    fitting = max(side / (2 * stride), 1.0)
    return [
        f"half of the objects have sides below {side:.0f} pixels as they are trained, and the smallest anchors have "
        f"{stride * scale:.0f}: --model.head.anchor_scale {fitting:.1f}"
    ]


def _rounded(count: int) -> int:
    """The next multiple of a hundred."""
    return -(-count // 100) * 100
