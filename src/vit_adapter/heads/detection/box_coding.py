"""Boxes as offsets from other boxes (Girshick et al., CVPR 2014, equations 1 to 8)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .boxes import clip_boxes

LARGEST_CHANGE = abs(math.log(16 / 1000))
"""Largest logarithm of a change in width or height."""


@dataclass(frozen=True)
class BoxCoding:
    """How a box is told as seen from another one: shift in widths and heights, and logarithm of the change in size.

    Behaviour 140.

    Attributes:
        deviations: What the four numbers are divided by, so that they are about 1.
        means: What is subtracted from them before.
    """

    deviations: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    means: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def encode(self, anchors: Tensor, boxes: Tensor) -> Tensor:
        """Offsets [N, 4] that lead from anchors [N, 4] to boxes [N, 4]."""
        centres, sizes = _centres_and_sizes(anchors)
        wanted, wanted_sizes = _centres_and_sizes(boxes)
        offsets = torch.cat([(wanted - centres) / sizes, (wanted_sizes / sizes).log()], -1)
        return (offsets - offsets.new_tensor(self.means)) / offsets.new_tensor(self.deviations)

    def decode(self, anchors: Tensor, offsets: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Boxes that offsets lead to.

        Args:
            anchors: [N, 4] xyxy.
            offsets: [N, 4 K], K boxes for each anchor.
            size: (height, width) of the image that boxes are clipped to; None: not clipped.

        Returns:
            [N, 4 K] xyxy. No gradient where a change in size, or a side, was limited.
        """
        parts = offsets.unflatten(-1, (offsets.shape[-1] // 4, 4))  # [N, K, 4]
        parts = parts * parts.new_tensor(self.deviations) + parts.new_tensor(self.means)
        centres, sizes = _centres_and_sizes(anchors[:, None])
        centres = centres + sizes * parts[..., :2]
        half = sizes * parts[..., 2:].clamp(-LARGEST_CHANGE, LARGEST_CHANGE).exp() * 0.5
        boxes = torch.cat([centres - half, centres + half], -1)
        return (boxes if size is None else clip_boxes(boxes, size)).reshape(offsets.shape)


def _centres_and_sizes(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """[..., 4] xyxy -> [..., 2] centres and [..., 2] widths and heights."""
    return (boxes[..., :2] + boxes[..., 2:]) * 0.5, boxes[..., 2:] - boxes[..., :2]
