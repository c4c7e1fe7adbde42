"""Whether an exported file gives what its model gives."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vit_adapter.annotations import Instances
from vit_adapter.config import InferenceConfig, InputError
from vit_adapter.config.protocol import with_thresholds
from vit_adapter.export import ExportDescription, ExportedModel, OutputKind
from vit_adapter.export.graph import Graph, open_graph
from vit_adapter.heads import Queries
from vit_adapter.ops import forms
from vit_adapter.segmenter import Segmenter

TOLERANCE = 1e-3
"""Largest difference of an output, relative to its largest value."""
AGREEMENT = 0.999
"""Smallest share of pixels whose labels are the same."""
BOX_AGREEMENT = 0.99
"""Smallest share of boxes that both find: two of nearly equal scores may change places in the suppression."""
NEAR = 1e-3
"""Largest difference of a score, and of a side of a box in sides of the image, of what counts as the same box."""
DYNAMIC_SIDES = ((96, 160), (224, 64))
"""(height, width) in pixels that files for any size are tried with."""


@dataclass(frozen=True)
class Agreement:
    """What the check of an exported file found.

    Attributes:
        difference: Largest difference of the graph's outputs from the model's on noise, relative to the largest value;
            of labels the share that differs.
        pixels: Share of the photo's pixels whose labels are the same; None where the file gives no labels.
        boxes: Share of the photo's boxes that both find; None where the file gives none.
        count: Boxes that the model finds in the photo, whatever their scores.
    """

    difference: float
    pixels: float | None = None
    boxes: float | None = None
    count: int = 0


def check_exported(
    model: Segmenter, file: Path, named: Path, image: np.ndarray, size: tuple[int, int] | None
) -> Agreement:
    """Compares a file with its model, on noise and on a photo.

    Args:
        model: The model.
        file: What was written.
        named: What the user calls it, for messages.
        image: The photo [H, W, C].
        size: (height, width) of the only windows that the file takes; None: any.

    Raises:
        InputError: They differ by too much.
    """
    graph, description = open_graph(file, processor_only=True)
    generator = torch.Generator().manual_seed(0)
    differences = []
    for sides in [size] if size else DYNAMIC_SIDES:
        sides = [max(side, description.least_side) for side in sides]
        images = torch.randn(1 if size else 3, description.channels, *sides, generator=generator)
        differences.append(_difference(model, images, graph, description))
    difference = max(differences)
    if not difference <= TOLERANCE:
        raise InputError(
            f"{named}: the graph's output differs from the model's by {difference:.2g} (at most {TOLERANCE:g} is "
            "allowed); no file was written"
        )
    kind = description.output
    if kind == "queries":
        return Agreement(difference)
    if kind == "boxes":
        return _compared_boxes(model, file, named, image, difference)
    exported = ExportedModel(file, processor_only=True)
    found, agreement = exported.labels(image), 0.0
    for ours in _own_labels(model, image):
        agreement = max(agreement, float((ours == found).mean()))
        if agreement >= AGREEMENT:
            break
    # Labels of overlapping windows cannot be averaged as scores are, so those may differ; so may padded windows.
    decided = kind == "scores" and not exported.pads(image.shape[:2], model.protocol)
    if decided and agreement < AGREEMENT:
        raise InputError(
            f"{named}: only {100 * agreement:.2f} % of the photo's labels are the model's; no file was written"
        )
    return Agreement(difference, pixels=agreement)


def _own_labels(model: Segmenter, image: np.ndarray) -> Iterator[np.ndarray]:
    """What the model answers, in the ways that differ by rounding alone.

    Mask2Former's attention masks are thresholds: a bit that rounding flips changes the labels of a whole region, and
    the model's own answers differ from each other.
    """
    for form in (None, "reference"):
        for batch_size in (4, 1):
            with forms(form):
                yield model.predict(image, task="semantic", batch_size=batch_size).labels


@torch.no_grad()
def _difference(
    model: Segmenter, images: torch.Tensor, graph: Graph, description: ExportDescription
) -> float:
    """Largest difference of any output, relative to its largest value; of labels the share that differs."""
    found = graph.run(images.numpy())
    # The forms that the graph was made of: Mask2Former's attention masks are thresholds, where rounding may flip a bit.
    with forms("reference"):
        return _compared(model, images, found, description)


def _compared(
    model: Segmenter, images: torch.Tensor, found: list[np.ndarray], description: ExportDescription
) -> float:
    if description.output == "labels":
        return float((model(images).argmax(dim=1).numpy() != found[0]).mean())
    return max(
        float((torch.from_numpy(theirs) - ours).abs().max() / ours.abs().max().clamp(min=1e-12))
        for ours, theirs in zip(_outputs(model, images, description.output), found, strict=True)
    )


def _outputs(model: Segmenter, images: torch.Tensor, kind: OutputKind) -> list[torch.Tensor]:
    """What the graph is to give, in its order."""
    if kind == "scores":
        return [model(images)]
    pyramid, area = model.backbone(images), (images.shape[-2], images.shape[-1])
    if kind == "boxes":
        found: Any = model.head.candidates(pyramid, area)
        return [part for part in (found.scores, found.boxes, found.centerness) if part is not None]
    queries = model.head.find(pyramid, area)
    assert isinstance(queries, Queries)
    return [queries.classes, queries.masks]


def _compared_boxes(
    model: Segmenter, file: Path, named: Path, image: np.ndarray, difference: float
) -> Agreement:
    protocol = _all_boxes(model.protocol)
    ours = model.predict(image, task="detection", protocol=protocol).instances
    exported = ExportedModel(file, processor_only=True)
    share = same_boxes(ours, exported.boxes(image, protocol=protocol), max(image.shape[:2]))
    if share < BOX_AGREEMENT and not exported.pads(image.shape[:2], protocol):
        raise InputError(
            f"{named}: only {100 * share:.1f} % of the photo's {len(ours)} boxes are the model's; no file was written"
        )
    return Agreement(difference, boxes=share, count=len(ours))


def _all_boxes(protocol: InferenceConfig) -> InferenceConfig:
    """A protocol by which boxes of any score are given out, in one view."""
    single = replace(protocol, scales=protocol.scales[:1], resizes=protocol.resizes[:1], flip=False)
    return with_thresholds(single, 0.0, None, 0)


def same_boxes(first: Instances, second: Instances, side: int) -> float:
    """Share of the boxes that both hold, 1 where both are empty.

    Args:
        first: Some objects with scores.
        second: Others.
        side: Longer side of the image in pixels.
    """
    assert first.scores is not None
    assert second.scores is not None
    left = np.ones(len(second), bool)
    for label, box, score in zip(first.classes, first.boxes, first.scores, strict=True):
        same = left & (second.classes == label) & (np.abs(second.scores - score) <= NEAR)
        same &= np.abs(second.boxes - box).max(axis=1, initial=0) <= NEAR * side
        left[np.flatnonzero(same)[:1]] = False
    most = max(len(first), len(second))
    return 1.0 if not most else float((~left).sum()) / most
