"""Where the queries of the next layer must not look: outside their masks (Mask2Former, section 3.2.1; behaviour 48)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vit_adapter.heads.resize import resize_maps
from vit_adapter.ops import Operator


class MaskFeatures:
    """The features that masks are read from, at stride 4 and at the sizes of the maps that layers read.

    Args:
        full: [B, C, H, W].
        sizes: (height, width) of these maps.
    """

    def __init__(self, full: Tensor, sizes: Sequence[tuple[int, int]]) -> None:
        self.full, self.sizes = full, sizes
        self._resized: list[Tensor | None] = [None] * len(sizes)

    def masks(self, embedding: Tensor) -> Tensor:
        """Mask logits [B, Q, H, W] of embeddings [B, Q, C]."""
        return torch.einsum("bqc,bchw->bqhw", embedding, self.full)

    def masks_at(self, embedding: Tensor, level: int) -> Tensor:
        """Mask logits [B, Q, h * w] at the size of a map: those of the resized features, since resizing is linear.

        The features are resized once for all layers that read the map, and without gradients.
        """
        resized = self._resized[level]
        if resized is None:
            resized = self._resized[level] = resize_maps(self.full.detach(), self.sizes[level]).flatten(2)
        return embedding @ resized


def _from_full_masks(
    embedding: Tensor, features: MaskFeatures, level: int, masks: Tensor | None = None
) -> Tensor:
    """As published: all masks at stride 4, each resized."""
    full = features.masks(embedding) if masks is None else masks
    return _below_one_half(resize_maps(full, features.sizes[level]).flatten(2))


def _from_resized_features(
    embedding: Tensor, features: MaskFeatures, level: int, masks: Tensor | None = None
) -> Tensor:
    """Features are resized instead, and masks at stride 4 are not needed."""
    return _below_one_half(features.masks_at(embedding, level))


def _below_one_half(logits: Tensor) -> Tensor:
    # Exactly one half is open; where rounding makes it so, too.
    return logits.sigmoid() < 0.5


def _choose(embedding: Tensor, features: MaskFeatures, level: int, masks: Tensor | None = None) -> str:
    return "resized_features" if masks is None else "reference"


BLOCKED = Operator(
    "attention_masks",
    _from_full_masks,
    _choose,
    rule="resized_features where masks at stride 4 are not needed otherwise (prediction), else reference",
)
"""Where the next layer's queries must not look.

Arguments:
    embedding: [B, Q, C], what each query's mask is read with.
    features: What it is read from.
    level: Number of the map that the layer reads.
    masks: [B, Q, H, W] logits at stride 4 where they exist already.

Returns bool [B, Q, height * width], true where the probability is below one half. The inputs are detached already.
"""
BLOCKED.form("resized_features")(_from_resized_features)
