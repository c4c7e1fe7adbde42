"""Images of several sizes in one batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vit_adapter.images import pad

from .detection_image import DetectionImage, Size


@dataclass(frozen=True, eq=False)
class DetectionBatch:
    """What a batch of images is for a model.

    Attributes:
        images: float32 [B, C, H, W], normalised, 0 in the padding; H and W are the largest sides.
        padded: (height, width) of each image with its own padding only.
        labels: [B, H, W], ``void`` in the padding; None: not known.
    """

    images: Tensor
    padded: list[Size]
    labels: Tensor | None


def collate_detection(images: Sequence[DetectionImage], void: int = 255) -> DetectionBatch:
    """Pads at the right and the bottom to the largest sides; masks keep the size of their image (behaviour 128).

    Labels, which may be smaller than their image (HTC++), are padded to the largest labels.
    """
    size = _largest([image.size for image in images])
    stacked = np.stack([pad(image.image, size, 0) for image in images])
    labels = [image.labels for image in images]
    known = [one for one in labels if one is not None]
    joined = None
    if len(known) == len(images):
        reach = _largest([(one.shape[0], one.shape[1]) for one in known])
        joined = torch.from_numpy(np.stack([pad(one, reach, void) for one in known]))
    return DetectionBatch(
        torch.from_numpy(stacked).permute(0, 3, 1, 2),
        [image.padded or image.size for image in images],
        joined,
    )


def _largest(sizes: Sequence[Size]) -> Size:
    return max(size[0] for size in sizes), max(size[1] for size in sizes)
