"""A balanced choice of the boxes that take part in a loss."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .atss_assigner import Assignment

Permutation = Callable[[int], Tensor]
"""A random order of so many things: int64 [n] on any device. ``torch.randperm``, or recorded ones."""


@dataclass(frozen=True)
class Samples:
    """The chosen boxes of one image, P of objects first, then Q of background.

    Attributes:
        boxes: [P + Q, 4] xyxy in pixels.
        indices: int64 [P + Q] places among the boxes that were given; objects that were put in front count.
        truth_indices: int64 [P] object of each positive.
        truth: [P, 4] its box.
        classes: int64 [P] its class; empty where none are known.
        is_truth: bool [P] the box is the annotated one itself.
    """

    boxes: Tensor
    indices: Tensor
    truth_indices: Tensor
    truth: Tensor
    classes: Tensor
    is_truth: Tensor

    @property
    def positives(self) -> int:
        """P."""
        return len(self.truth_indices)

    @property
    def positive_boxes(self) -> Tensor:
        """[P, 4]."""
        return self.boxes[: self.positives]


@dataclass(frozen=True)
class BoxSampler:
    """Random boxes, up to a share of them with objects (behaviour 143).

    Attributes:
        count: Most boxes of an image.
        positive_share: Largest share of boxes with objects; what they leave is filled with background.
        negatives_per_positive: Most background boxes for each with an object (at least one such); None: no limit.
        add_truth: Put the annotated boxes in front of the others, as positives of themselves.
    """

    count: int
    positive_share: float
    negatives_per_positive: float | None = None
    add_truth: bool = False

    def __call__(
        self,
        assignment: Assignment,
        boxes: Tensor,
        truth: Tensor,
        classes: Tensor | None = None,
        permutation: Permutation = torch.randperm,
    ) -> Samples:
        """Chooses boxes of one image.

        Args:
            assignment: What each box learns.
            boxes: [A, 4] xyxy in pixels.
            truth: [N, 4] the annotated boxes.
            classes: int64 [N] their classes; None: not known.
            permutation: Where the random order comes from; asked only where there are more boxes than wanted.
        """
        assigned = assignment.boxes
        is_truth = torch.zeros_like(assigned, dtype=torch.bool)
        if self.add_truth and len(truth):
            boxes = torch.cat([truth.to(boxes), boxes])
            own = torch.arange(1, len(truth) + 1, device=assigned.device)
            assigned = torch.cat([own, assigned])
            is_truth = torch.cat([torch.ones_like(own, dtype=torch.bool), is_truth])
        wanted = int(self.count * self.positive_share)
        positives = _some((assigned > 0).nonzero()[:, 0], wanted, permutation)
        wanted = self.count - len(positives)
        if self.negatives_per_positive is not None:
            wanted = min(wanted, int(self.negatives_per_positive * max(1, len(positives))))
        negatives = _some((assigned == 0).nonzero()[:, 0], wanted, permutation)
        indices = torch.cat([positives, negatives])
        truth_indices = assigned[positives] - 1
        return Samples(
            boxes[indices],
            indices,
            truth_indices,
            truth.reshape(-1, 4)[truth_indices],
            truth_indices.new_zeros(0) if classes is None else classes[truth_indices],
            is_truth[positives],
        )


def _some(candidates: Tensor, wanted: int, permutation: Permutation) -> Tensor:
    """So many of the candidates, in ascending order."""
    if len(candidates) <= wanted:
        return candidates
    chosen = permutation(len(candidates))[:wanted].to(candidates.device)
    return candidates[chosen].sort().values
