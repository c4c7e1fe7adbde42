"""Detections of a two-stage head from several views of one image: averaged, or voted on by the size of objects."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vit_adapter.config.objects import SizeRange

from ..frame import Frame
from ..head import Detections
from ..views import JoiningRule, View
from .augmented import boxes_from_view, boxes_to_view, mean_masks, merge_proposals, of_sizes
from .class_suppression import select_detections
from .region_stages import RegionStages
from .two_stage_settings import DetectionLimits


@dataclass(frozen=True)
class SeenView:
    """A view, and what the neck made of it.

    Attributes:
        levels: Of a batch of one.
        frame: Where the view lies in its padding.
        view: How it was made.
        classes: For every class the one that it is in the view (left hand, right hand); None: itself.
    """

    levels: Sequence[Tensor]
    frame: Frame
    view: View
    classes: Sequence[int] | None = None

    def of_image(self, boxes: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes [N, 4] or [N, 4 K] and scores [N, K + 1] of the view, as those of the image."""
        sides = boxes.unflatten(1, (boxes.shape[1] // 4, 4))
        if self.classes is not None:
            scores = scores[:, [*self.classes, len(self.classes)]]
            sides = sides[:, self.classes] if sides.shape[1] > 1 else sides
        return boxes_from_view(sides, self.view).flatten(1), scores

    def labels(self, classes: Tensor) -> Tensor:
        """Classes int64 [N] of the image, as those of the view."""
        return classes if self.classes is None else classes.new_tensor(self.classes)[classes]


@torch.no_grad()
def joined_detections(head: RegionStages, seen: Sequence[SeenView], rule: JoiningRule) -> Detections:
    """The objects of an image, masks among them where the head makes some.

    Args:
        head: The detector.
        seen: Views of one image.
        rule: What is believed.

    Returns:
        Boxes in pixels of the image.
    """
    if rule.believed is None:
        found = averaged_boxes(head, seen)
    else:
        limits = replace(head.settings.limits, count=rule.count)
        found = voted_boxes(head, seen, rule.believed, limits)
    return replace(found, masks=masks_in_views(head, seen, found)) if head.mask_stages else found


@torch.no_grad()
def averaged_boxes(head: RegionStages, seen: Sequence[SeenView]) -> Detections:
    """Boxes, without masks: all views judge the same proposals, and their boxes and probabilities are averaged.

    Behaviour 154.

    Args:
        head: The detector.
        seen: Views of one image.

    Returns:
        Boxes in pixels of the image.
    """
    limits, views = head.settings.proposals, [one.view for one in seen]
    found = [head.proposals.propose(head.proposals(one.levels), [one.frame], limits)[0] for one in seen]
    proposals, _ = merge_proposals(found, views, limits.suppression, limits.count)
    boxes, scores = [], []
    for one in seen:
        own = boxes_to_view(proposals, one.view)
        ((view_boxes, view_scores),) = head.scored_boxes(
            one.levels, [one.frame], head.context(one.levels), [own]
        )
        own, view_scores = one.of_image(view_boxes, view_scores)
        boxes.append(own)
        scores.append(view_scores)
    return _selected(torch.stack(boxes).mean(0), torch.stack(scores).mean(0), head.settings.limits)


@torch.no_grad()
def voted_boxes(
    head: RegionStages,
    seen: Sequence[SeenView],
    ranges: Sequence[Sequence[SizeRange]],
    limits: DetectionLimits,
) -> Detections:
    """Boxes, without masks: every view finds objects by itself, and is believed for those of its sizes (behaviour 155).

    Args:
        head: The detector.
        seen: Views of one image.
        ranges: For each view the sizes of the objects that it is believed for, in pixels of the image.
        limits: Which of all boxes become detections.

    Returns:
        Boxes in pixels of the image.
    """
    boxes, scores = [], []
    for one, sizes in zip(seen, ranges, strict=True):
        ((view_boxes, view_scores),) = head.scored_boxes(one.levels, [one.frame], head.context(one.levels))
        own, view_scores = one.of_image(view_boxes, view_scores)
        fits = of_sizes(own.unflatten(1, (own.shape[1] // 4, 4)), sizes)
        boxes.append(own)
        scores.append(torch.cat([view_scores[:, :-1] * fits, view_scores[:, -1:]], 1))
    return _selected(torch.cat(boxes), torch.cat(scores), limits)


@torch.no_grad()
def masks_in_views(head: RegionStages, seen: Sequence[SeenView], found: Detections) -> Tensor:
    """The masks [N, 28, 28] inside boxes in pixels of the image, the mean of all views and stages."""
    masks = [
        head.masks_of(
            one.levels,
            [boxes_to_view(found.boxes, one.view)],
            [one.labels(found.classes)],
            head.context(one.levels),
        )[0]
        for one in seen
    ]
    return mean_masks(masks, [one.view for one in seen])


def _selected(boxes: Tensor, scores: Tensor, limits: DetectionLimits) -> Detections:
    boxes, scores, classes, _ = select_detections(
        boxes, scores, limits.least_score, limits.suppression, limits.count
    )
    return Detections(boxes, classes, scores)
