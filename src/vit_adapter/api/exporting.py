"""Writing a model for other runtimes, and proving that the file gives what the model gives."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vit_adapter.config import InputError
from vit_adapter.config.backbone import COARSEST_STRIDE
from vit_adapter.config.files import atomic_path
from vit_adapter.config.output_place import check_output_folder
from vit_adapter.config.paths import takes_paths
from vit_adapter.data.scenes import render_scene
from vit_adapter.export import OnnxModel, OutputKind, export_onnx
from vit_adapter.export.onnx_model import ONNX_SUFFIX
from vit_adapter.heads import Queries
from vit_adapter.images import multiple_size, read_image
from vit_adapter.segmenter import Segmenter
from vit_adapter.segmenter.parts import channels_of

from .models import load

TOLERANCE = 1e-3
"""Largest difference of an output, relative to its largest value."""
AGREEMENT = 0.999
"""Smallest share of pixels whose labels are the same."""


@dataclass(frozen=True)
class ExportReport:
    """What the check of an exported file found.

    Attributes:
        file: The file.
        megabytes: Its size.
        difference: Largest difference of the graph's output from the model's on noise, relative to the largest
            value; of labels the share that differs.
        agreement: Share of the photo's pixels whose labels are the same; None where the file gives queries.
    """

    file: Path
    megabytes: float
    difference: float
    agreement: float | None


@takes_paths("model", "out", "checkpoint", "photo")
def export(
    model: str | Path | Segmenter,
    out: str | Path,
    *,
    checkpoint: str | Path | None = None,
    dynamic: bool = False,
    output: OutputKind = "scores",
    photo: str | Path | None = None,
) -> ExportReport:
    """Writes a model as ONNX and checks the file by onnxruntime against the model.

    A file takes windows of the model's own size, one at a time, or with ``dynamic`` any number of images of any sides
    that are multiples of 32. Classes, colours, normalisation and the way the model is applied travel in it.

    Args:
        model: A model, or what ``load`` takes.
        out: The file, NAME.onnx.
        checkpoint: For a recipe: its weights.
        dynamic: Any size.
        output: "scores"; "labels", the class of every pixel; or "queries", raw class and mask logits of Mask2Former.
        photo: Image to check with; None: an embedded scene.

    Returns:
        What the check found.

    Raises:
        InputError: Something cannot be used, or the file's output differs from the model's; then no file is left.
        ModuleNotFoundError: The packages of the extra "onnx" are missing.
    """
    import onnxruntime  # noqa: F401 (asked for before the model is loaded)
    import onnxscript  # noqa: F401

    out = Path(out)
    if out.suffix.lower() != ONNX_SUFFIX:
        raise InputError(f"{out}: expected a name that ends with {ONNX_SUFFIX}")
    check_output_folder(out.parent, "--out")
    if not isinstance(model, Segmenter):
        model = load(model, checkpoint, device="cpu")
    size = None
    if not dynamic:
        if model.protocol.mode == "whole":
            raise InputError("the model sees whole images, of any size: export with --dynamic")
        size = multiple_size((model.protocol.crop, model.protocol.crop), COARSEST_STRIDE)
    channels = channels_of(model, model.protocol)
    if photo is None and channels != 3:
        raise InputError(f"the model takes {channels} channels: name an image to check with (--photo)")
    image = render_scene(0).image if photo is None else read_image(photo, channels)
    with atomic_path(out) as file:
        export_onnx(model, file, size=size, output=output)
        return _checked(model, file, out, image, size)


def _checked(
    model: Segmenter, file: Path, out: Path, image: np.ndarray, size: tuple[int, int] | None
) -> ExportReport:
    import onnxruntime

    session: Any = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    kinds = [one.name for one in session.get_outputs()]
    channels = int(session.get_inputs()[0].shape[1])
    generator = torch.Generator().manual_seed(0)
    differences = []
    for sides in [size] if size else [(96, 160), (224, 64)]:
        images = torch.randn(1 if size else 3, channels, *sides, generator=generator)
        found = session.run(None, {"images": images.numpy()})
        differences.append(_difference(model, images, found, kinds))
    difference = max(differences)
    if not difference <= TOLERANCE:
        raise InputError(
            f"{out}: the graph's output differs from the model's by {difference:.2g} (at most {TOLERANCE:g} is "
            "allowed); no file was written"
        )
    agreement = None
    if kinds in (["scores"], ["labels"]):
        ours = model.predict(image, task="semantic").labels
        theirs = OnnxModel(file, processor_only=True).labels(image)
        agreement = float((ours == theirs).mean())
        # Labels of overlapping windows cannot be averaged as scores are, so those may differ.
        if kinds == ["scores"] and agreement < AGREEMENT:
            raise InputError(
                f"{out}: only {100 * agreement:.2f} % of the photo's labels are the model's; no file was written"
            )
    return ExportReport(out, file.stat().st_size / 1e6, difference, agreement)


@torch.no_grad()
def _difference(model: Segmenter, images: torch.Tensor, found: list[np.ndarray], kinds: list[str]) -> float:
    """Largest difference of any output, relative to its largest value; of labels the share that differs."""
    if kinds == ["labels"]:
        return float((model(images).argmax(dim=1).numpy() != found[0]).mean())
    if kinds == ["scores"]:
        expected = [model(images)]
    else:
        queries = model.head.find(model.backbone(images), (images.shape[-2], images.shape[-1]))
        assert isinstance(queries, Queries)
        expected = [queries.classes, queries.masks]
    return max(
        float((torch.from_numpy(theirs) - ours).abs().max() / ours.abs().max().clamp(min=1e-12))
        for ours, theirs in zip(expected, found, strict=True)
    )
