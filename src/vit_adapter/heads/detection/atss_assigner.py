"""Which anchors learn which box: adaptive training sample selection (Zhang et al., CVPR 2020, algorithm 1)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .boxes import box_overlaps

UNASSIGNED = -1e8
"""What ``Assignment.overlaps`` holds where no box was assigned."""
IGNORED = -1
"""What ``Assignment.boxes`` holds for anchors inside an ignored region."""
INSIDE_MARGIN = 0.01
"""An anchor's centre has to lie inside its box by more than this many pixels on every side."""


@dataclass(frozen=True)
class Assignment:
    """What every anchor of an image learns.

    Attributes:
        boxes: int64 [A]: 0 for background, k + 1 for box k, ``IGNORED`` for neither.
        overlaps: [A] IoU with the assigned box, ``UNASSIGNED`` elsewhere; zeros in an image without boxes.
        classes: int64 [A]: class of the assigned box, -1 elsewhere.
    """

    boxes: Tensor
    overlaps: Tensor
    classes: Tensor


@dataclass(frozen=True)
class ATSSAssigner:
    """Takes, of the anchors nearest to a box on every level, those that overlap it more than most of them do.

    Behaviour 157.

    Attributes:
        candidates: Anchors of each level that are looked at for a box; a level that has fewer gives all.
        ignore_overlap: Anchors with a larger share of their area than this inside an ignored region are not
            background; None: ignored regions have no effect, as published.
    """

    candidates: int = 9
    ignore_overlap: float | None = None

    def __call__(
        self,
        anchors: Tensor,
        level_sizes: Sequence[int],
        boxes: Tensor,
        classes: Tensor,
        ignored: Tensor | None = None,
    ) -> Assignment:
        """Assigns the boxes of one image.

        Args:
            anchors: [A, 4] xyxy in pixels, fine levels first.
            level_sizes: Number of anchors of each level; their sum is A.
            boxes: [N, 4] xyxy in pixels.
            classes: int64 [N].
            ignored: [M, 4] regions that count as neither object nor background; used only with ``ignore_overlap``.
        """
        count, number = len(anchors), len(boxes)
        assigned = anchors.new_zeros(count, dtype=torch.int64)
        assigned_classes = torch.full_like(assigned, -1)
        if not count or not number:
            return Assignment(assigned, anchors.new_zeros(count), assigned_classes)
        overlaps = box_overlaps(anchors, boxes)  # [A, N]
        centres = _centres(anchors)
        distances = (centres[:, None] - _centres(boxes)[None]).pow(2).sum(-1).sqrt()  # [A, N]
        if self.ignore_overlap is not None and ignored is not None and len(ignored):
            hidden = box_overlaps(anchors, ignored, of_first=True).amax(1) > self.ignore_overlap
            distances[hidden] = -UNASSIGNED
            assigned[hidden] = IGNORED

        chosen = self._nearest(distances, level_sizes)  # [K, N]
        of_chosen = overlaps.gather(0, chosen)
        # Mean plus deviation: high where one level fits much better than the others, low where several fit alike.
        positive = of_chosen >= of_chosen.mean(0) + of_chosen.std(0)
        middle = centres[chosen]  # [K, N, 2]
        margins = torch.cat([middle - boxes[:, :2], boxes[:, 2:] - middle], -1)  # [K, N, 4]
        positive &= margins.amin(-1) > INSIDE_MARGIN

        kept = torch.full_like(overlaps, UNASSIGNED)
        of_boxes = torch.arange(number, device=boxes.device).expand_as(chosen)
        anchor, box = chosen[positive], of_boxes[positive]
        kept[anchor, box] = overlaps[anchor, box]
        best, best_box = kept.max(1)  # an anchor that several boxes want goes to the one with the largest IoU
        taken = best != UNASSIGNED
        assigned[taken] = best_box[taken] + 1
        assigned_classes[taken] = classes[best_box[taken]]
        return Assignment(assigned, best, assigned_classes)

    def _nearest(self, distances: Tensor, level_sizes: Sequence[int]) -> Tensor:
        """Indices [K, N] of the anchors nearest to each box, level by level."""
        nearest, start = [], 0
        for part in distances.split(list(level_sizes)):
            found = part.topk(min(self.candidates, len(part)), dim=0, largest=False).indices
            nearest.append(found + start)
            start += len(part)
        return torch.cat(nearest)


def _centres(boxes: Tensor) -> Tensor:
    """[N, 4] xyxy -> [N, 2]."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2
