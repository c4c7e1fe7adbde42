"""A segmenter as an ONNX file: torch.export, then the ONNX exporter built on it."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_adapter.config import InputError
from vit_adapter.config.backbone import COARSEST_STRIDE
from vit_adapter.config.box_rule import least_side
from vit_adapter.config.files import write_atomically
from vit_adapter.heads import Queries
from vit_adapter.ops import forms
from vit_adapter.segmenter import Segmenter
from vit_adapter.segmenter.evaluation_mode import evaluation_mode
from vit_adapter.segmenter.parts import channels_of

from .description import METADATA_KEY, ExportDescription, OutputKind

OPSET = 20
"""ONNX operator set: the first whose GridSample has any number of dimensions; onnxruntime has had it since 1.17."""
LARGEST_BYTES = 2_000_000_000
"""Of weights in one file, whose format counts bytes in 31 bits."""
OUTPUT_NAMES: dict[OutputKind, tuple[str, ...]] = {
    "scores": ("scores",),
    "labels": ("labels",),
    "queries": ("class_logits", "mask_logits"),
    "boxes": ("scores", "boxes", "centerness"),
}
"""In their order; of boxes the last one where the head has it."""
SCORE_STRIDE = 4
"""Of the score maps of every head, in pixels."""
EXAMPLE_BATCH, EXAMPLE_SIDES = 2, (7, 9, 11, 13)
"""Batch of the example for dynamic sizes, and what its sides may be (in strides)."""


class _Graph(nn.Module):
    """What becomes the graph: a segmenter whose output has the wanted kind.

    Args:
        model: The segmenter.
        output: See ``OutputKind``.
    """

    def __init__(self, model: Segmenter, output: OutputKind) -> None:
        super().__init__()
        self.model, self.output = model, output

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """[B, C, H, W] normalised floats, sides multiples of 32, to what ``OutputKind`` says."""
        if self.output == "queries":
            found = self.model.head.find(self.model.backbone(images), (images.shape[-2], images.shape[-1]))
            if not isinstance(found, Queries):
                raise InputError(f"{type(self.model.head).__name__} has no queries; export scores or labels")
            return found.classes, found.masks
        if self.output == "boxes":
            pyramid = self.model.backbone(images)
            boxes = self.model.head.candidates(pyramid, (images.shape[-2], images.shape[-1]))
            central = () if boxes.centerness is None else (boxes.centerness,)
            return (boxes.scores, boxes.boxes, *central)
        scores = self._scores(images)
        if self.output == "scores":
            return (scores,)
        kind = torch.uint8 if self.model.num_classes <= 255 else torch.uint16
        return (scores.argmax(dim=1).to(kind),)

    def _scores(self, images: Tensor) -> Tensor:
        """What the model's ``forward`` gives for sides that are multiples of 32: nothing is padded."""
        maps = self.model.head(self.model.backbone(images))
        # By a factor, not to a size: the exporter makes a constant of a height that it has to compute.
        return F.interpolate(maps, scale_factor=float(SCORE_STRIDE), mode="bilinear", align_corners=False)


def export_onnx(
    model: Segmenter,
    file: str | Path,
    *,
    size: tuple[int, int] | None = None,
    output: OutputKind = "scores",
) -> ExportDescription:
    """Writes a model as ONNX, with its description in the file's metadata.

    Args:
        model: In float32; exported in evaluation mode.
        file: Where to; written whole or not at all.
        size: (height, width) in pixels of the only images that the file takes, multiples of 32, one at a time (the
            fastest form, which every runtime takes); None: any batch and any multiples of 32.
        output: What the graph gives.

    Returns:
        The description.

    Raises:
        InputError: A side is not a multiple of 32; labels of a single class, or something that the head does not give,
            are asked for; the disk is full.
    """
    if size is not None and any(side < COARSEST_STRIDE or side % COARSEST_STRIDE for side in size):
        raise InputError(f"size {size[0]}x{size[1]}: both sides are to be multiples of {COARSEST_STRIDE}")
    weights = sum(weight.numel() * 4 for weight in model.parameters())
    if weights > LARGEST_BYTES:
        raise InputError(f"weights of {weights / 1e9:.1f} GB, but an ONNX file holds at most 2 GB")
    if output == "labels" and model.num_classes == 1:
        raise InputError("labels of a single class need a threshold; export its scores")
    tasks, head = model.head.tasks, type(model.head).__name__
    if output in ("scores", "labels") and "semantic" not in tasks:
        raise InputError(f"{head} does not score pixels; export its boxes")
    if output == "queries" and "detection" in tasks:
        raise InputError(f"{head} has no queries; export its boxes")
    rule = model.head.box_rule if output == "boxes" else None
    if size is None and output == "boxes" and not model.head.exports_any_size:
        raise InputError(f"{head}: its file takes images of one size; leave --dynamic out (--size sets it)")
    least = least_side(rule.strides) if rule is not None and size is None else COARSEST_STRIDE
    description = ExportDescription(
        classes=model.classes,
        protocol=model.protocol,
        channels=channels_of(model, model.protocol),
        scores_are=model.head.scores_are,
        output=output,
        size=size,
        vit="" if model.model_config is None else model.model_config.vit.name,
        boxes=rule,
        least_side=least,
        task=model.task.name,
    )
    wrapper: Any = getattr(model.backbone, "wrapper", None)  # a backbone of one's own may have none
    grid = (1, 1) if wrapper is None else wrapper.grid
    batch, sides = (1, size) if size else (EXAMPLE_BATCH, example_sides(grid))
    example = torch.zeros(batch, description.channels, *sides, device=model.device)
    with evaluation_mode(model), torch.no_grad(), forms("reference"), _quiet():
        graph = _Graph(model, output).eval()
        program = torch.export.export(
            graph, (example,), dynamic_shapes=None if size else _dynamic_shapes(least)
        )
        names = OUTPUT_NAMES[output][: len(program.graph_signature.user_outputs)]
        made = torch.onnx.export(
            program, input_names=["images"], output_names=list(names), opset_version=OPSET, verbose=False
        )
    assert made is not None
    made.model.metadata_props[METADATA_KEY] = description.to_json()
    write_atomically(Path(file), lambda path: made.save(path))
    return description


def example_sides(grid: tuple[int, int]) -> tuple[int, int]:
    """Sides in pixels of the example for dynamic sizes.

    They differ from each other, from the grids of the pyramid pooling, and from that of the ViT's own positions, so
    that none is taken for another: positions of the ViT's own size are not resampled.

    Args:
        grid: (rows, columns) of the ViT's positions.
    """
    height, width, *_ = (side for side in EXAMPLE_SIDES if grid[0] % side and grid[1] % side)
    return COARSEST_STRIDE * height, COARSEST_STRIDE * width


def _dynamic_shapes(least: int) -> dict[str, dict[int, object]]:
    """For sides of at least so many pixels."""
    height, width = (
        torch.export.Dim(name, min=least // COARSEST_STRIDE, max=512) for name in ("height", "width")
    )
    return {"images": {0: torch.export.Dim("batch"), 2: COARSEST_STRIDE * height, 3: COARSEST_STRIDE * width}}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporters tell their own developers much, on standard output, by warnings and by logging."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels):
                logger.setLevel(level)
