"""Which boxes learn which object, by how much they overlap it (Faster R-CNN, section 3.1.2)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .atss_assigner import IGNORED, Assignment
from .boxes import box_overlaps


@dataclass(frozen=True)
class OverlapAssigner:
    """Objects go to the boxes that overlap them enough, and each object to the boxes that overlap it best.

    Behaviour 142.

    Attributes:
        positive: A box whose largest IoU reaches this learns that object; the first of several equal ones.
        negative: One whose largest IoU is below this is background; between the two it takes no part.
        least_positive: Smallest IoU at which an object's best boxes are given to it, whatever they had before.
        match_low_quality: Whether an object's best boxes are given to it at all. A later object takes them from an
            earlier one.
        all_best: All boxes that share an object's best IoU to the last bit; False: the first.
        ignore_overlap: Boxes with a larger share of their area than this inside an ignored region take no part; None:
            ignored regions have no effect, as published.
    """

    positive: float
    negative: float
    least_positive: float
    match_low_quality: bool = True
    all_best: bool = True
    ignore_overlap: float | None = None

    def __call__(
        self, boxes: Tensor, truth: Tensor, classes: Tensor | None = None, ignored: Tensor | None = None
    ) -> Assignment:
        """Assigns the objects of one image.

        Args:
            boxes: [A, 4] xyxy in pixels: anchors or proposals. Their type counts: which of several anchors around a
                small object overlap it best is decided by rounding.
            truth: [N, 4] xyxy in pixels.
            classes: int64 [N]; None: no classes are assigned.
            ignored: [M, 4] regions; used only with ``ignore_overlap``.

        Returns:
            ``Assignment``; overlaps are the largest ones of every box.
        """
        count, number = len(boxes), len(truth)
        assigned = torch.full((count,), IGNORED, device=boxes.device)
        no_classes = torch.full_like(assigned, -1)
        if not count or not number:
            return Assignment(assigned if number else assigned * 0, boxes.new_zeros(count), no_classes)
        overlaps = box_overlaps(truth, boxes)  # [N, A]
        if self.ignore_overlap is not None and ignored is not None and len(ignored):
            hidden = box_overlaps(boxes, ignored, of_first=True).amax(1) > self.ignore_overlap
            overlaps[:, hidden] = -1
        largest, best = overlaps.max(0)
        assigned[(largest >= 0) & (largest < self.negative)] = 0
        positive = largest >= self.positive
        assigned[positive] = best[positive] + 1
        if self.match_low_quality:
            best_of_object, first_box = overlaps.max(1)
            for index in (best_of_object >= self.least_positive).nonzero()[:, 0].tolist():
                chosen = overlaps[index] == best_of_object[index] if self.all_best else first_box[index]
                assigned[chosen] = index + 1
        if classes is not None:
            objects = assigned > 0
            no_classes[objects] = classes[assigned[objects] - 1]
        return Assignment(assigned, largest, no_classes)
