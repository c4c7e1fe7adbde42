"""A small Mask2Former head, images for it, and fixed points."""

import torch
from torch import Tensor

from tiny import SMALL_MASK2FORMER
from vit_adapter.config import Mask2FormerConfig
from vit_adapter.heads import Targets
from vit_adapter.heads.mask2former import LossSettings, Mask2FormerHead, Predictions

WIDTHS = [8, 16, 24, 32]
POINTS = 64
SIZES = SMALL_MASK2FORMER


def targets_for(labels: Tensor) -> Targets:
    """Labels that cover the whole pyramid."""
    return Targets(labels, 255, (labels.shape[-2], labels.shape[-1]))


def tiny_head(num_classes: int = 5, config: Mask2FormerConfig = SIZES, seed: int = 0) -> Mask2FormerHead:
    """Freshly made, comparing masks at few points."""
    torch.manual_seed(seed)
    return Mask2FormerHead(WIDTHS, num_classes, config, loss_settings=LossSettings(points=POINTS))


def shaken(head: Mask2FormerHead) -> Mask2FormerHead:
    """The head with every weight moved a little, so that nothing is 0 or 1 as it starts."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.05)
    return head


def pyramid(batch: int = 2, height: int = 64, width: int = 96, seed: int = 1) -> list[Tensor]:
    """Random maps at strides 4 to 32."""
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(batch, channels, height // stride, width // stride, generator=generator)
        for channels, stride in zip(WIDTHS, (4, 8, 16, 32), strict=True)
    ]


def label_map(classes: list[int], height: int = 64, width: int = 96, ignored_columns: int = 8) -> Tensor:
    """int64 [height, width]: the classes as bars side by side, ignored pixels at the right."""
    labels = torch.full((height, width), 255)
    edges = torch.linspace(0, width - ignored_columns, len(classes) + 1).long().tolist()
    for value, left, right in zip(classes, edges[:-1], edges[1:], strict=True):
        labels[:, left:right] = value
    return labels


def random_predictions(
    batch: int, queries: int = 7, num_classes: int = 5, sets: int = 2, seed: int = 3
) -> Predictions:
    """Logits of some sets at 16 × 24."""
    generator = torch.Generator().manual_seed(seed)
    return Predictions(
        [torch.randn(batch, queries, num_classes + 1, generator=generator) for _ in range(sets)],
        [torch.randn(batch, queries, 16, 24, generator=generator) * 3 for _ in range(sets)],
    )


def fixed_points(sets: int, points: int, like: Tensor) -> Tensor:
    """The same points for every mask, whatever is asked before: the first of one list."""
    generator = torch.Generator().manual_seed(5)
    return torch.rand(1, points, 2, generator=generator).to(like).expand(sets, -1, -1)
