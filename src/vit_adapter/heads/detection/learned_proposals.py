"""The boxes and features that Sparse R-CNN starts from, the same for every image (Sun et al., CVPR 2021).

Behaviour 161.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..frame import Frame


class LearnedProposals(nn.Module):
    """Boxes relative to the image, and features.

    Args:
        count: Number of proposals P.
        channels: Width C of their features.

    Attributes:
        boxes: [P, 4] centre x and y, width, height, as shares of the image; they start as the whole image.
        features: [P, C].
    """

    def __init__(self, count: int = 300, channels: int = 256) -> None:
        super().__init__()
        self.boxes = nn.Parameter(torch.tensor([0.5, 0.5, 1.0, 1.0]).repeat(count, 1))
        self.features = nn.Parameter(torch.randn(count, channels))

    def forward(self, frames: Sequence[Frame]) -> tuple[Tensor, Tensor]:
        """Boxes [B, P, 4] xyxy in pixels, and features [B, P, C], of a batch."""
        half = self.boxes[:, 2:] * 0.5
        corners = torch.cat([self.boxes[:, :2] - half, self.boxes[:, :2] + half], 1)
        sizes = frame_sizes(frames, corners)
        return corners[None] * sizes[:, None], self.features.expand(len(frames), -1, -1)


def frame_sizes(frames: Sequence[Frame], like: Tensor) -> Tensor:
    """Width, height, width, height of each image: [B, 4]."""
    return like.new_tensor([[frame.size[1], frame.size[0]] * 2 for frame in frames])
