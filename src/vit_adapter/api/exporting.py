"""Writing a model for other runtimes, and proving that the file gives what the model gives."""

import math
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from vit_adapter.config import InputError
from vit_adapter.config.backbone import COARSEST_STRIDE
from vit_adapter.config.files import atomic_path, write_together
from vit_adapter.config.output_place import check_output_file
from vit_adapter.config.paths import takes_paths
from vit_adapter.data.scenes import render_scene
from vit_adapter.export import OutputKind, convert_to_openvino, export_onnx
from vit_adapter.export.description import EXPORTED_SUFFIXES, OPENVINO_SUFFIX, files_of
from vit_adapter.images import multiple_size, read_image, resize_image
from vit_adapter.segmenter import Segmenter
from vit_adapter.segmenter.parts import channels_of

from .export_check import Agreement, check_exported
from .models import load


@dataclass(frozen=True)
class ExportReport:
    """What the check of an exported file found.

    Attributes:
        file: The file.
        megabytes: Its size; of OpenVINO's pair of files that of both.
        agreement: With the model.
    """

    file: Path
    megabytes: float
    agreement: Agreement


@takes_paths("model", "out", "checkpoint", "photo")
def export(
    model: str | Path | Segmenter,
    out: str | Path,
    *,
    checkpoint: str | Path | None = None,
    dynamic: bool = False,
    size: tuple[int, int] | None = None,
    output: OutputKind | None = None,
    photo: str | Path | None = None,
) -> ExportReport:
    """Writes a model as ONNX, or for OpenVINO, and checks the file against the model by the runtime that it is for.

    A file takes windows of the model's own size, one at a time, or with ``dynamic`` any number of images of any sides
    that are multiples of 32. Classes, colours, normalisation and the way the model is applied travel in it.

    Args:
        model: A model, or what ``load`` takes.
        out: The file, NAME.onnx, or NAME.xml for OpenVINO, whose weights are written as NAME.bin beside it.
        checkpoint: For a recipe: its weights.
        dynamic: Any size.
        size: (height, width) of the images that the file takes, instead of the model's own windows; rounded up to
            multiples of 32.
        output: "scores"; "labels", the class of every pixel; "queries", raw class and mask logits of Mask2Former; or
            "boxes", all boxes that a detector considers, with their scores. None: boxes of a detector, else scores.
        photo: Image to check with; None: an embedded scene.

    Returns:
        What the check found.

    Raises:
        InputError: Something cannot be used, or the file's output differs from the model's; then no file is left.
        ModuleNotFoundError: The packages of the extra "onnx", for NAME.xml of "openvino", are missing.
    """
    import onnxruntime  # noqa: F401 (asked for before the model is loaded)
    import onnxscript  # noqa: F401

    out = Path(out)
    if out.suffix.lower() not in EXPORTED_SUFFIXES:
        raise InputError(f"{out}: expected a name that ends with {' or '.join(EXPORTED_SUFFIXES)}")
    if out.suffix.lower() == OPENVINO_SUFFIX:
        import openvino  # noqa: F401
    check_output_file(out, "--out")
    if not isinstance(model, Segmenter):
        model = load(model, checkpoint, device="cpu")
    output = output or ("scores" if "semantic" in model.head.tasks else "boxes")
    if dynamic and size is not None:
        raise InputError("--dynamic and --size: only one of them")
    if not dynamic:
        if size is None and model.protocol.mode == "whole":
            raise InputError(
                "the model sees whole images, of any size: export with --dynamic, or name a --size"
            )
        size = multiple_size(size or (model.protocol.crop, model.protocol.crop), COARSEST_STRIDE)
    channels = channels_of(model, model.protocol)
    if photo is None and channels != 3:
        raise InputError(f"the model takes {channels} channels: name an image to check with (--photo)")
    crop = model.protocol.crop
    sides = size if size is not None and model.protocol.mode == "whole" else (crop, crop)
    image = _shown(read_image(photo, channels) if photo is not None else None, sides)
    if out.suffix.lower() != OPENVINO_SUFFIX:
        with atomic_path(out) as file:
            export_onnx(model, file, size=size, output=output)
            agreement = check_exported(model, file, out, image, size)
    else:
        with TemporaryDirectory() as folder:
            onnx_file, pair = Path(folder) / "model.onnx", files_of(Path(folder) / "model.xml")
            description = export_onnx(model, onnx_file, size=size, output=output)
            convert_to_openvino(onnx_file, pair[0], description)
            agreement = check_exported(model, pair[0], out, image, size)
            # The graph last: where it is, its weights are.
            places = zip(reversed(files_of(out)), reversed(pair), strict=True)
            write_together({place: partial(shutil.copyfile, written) for place, written in places})
    return ExportReport(out, sum(file.stat().st_size for file in files_of(out)) / 1e6, agreement)


def _shown(photo: np.ndarray | None, window: tuple[int, int]) -> np.ndarray:
    """The image to check with, [H, W, C], which fills at least one window.

    A smaller one would be padded by a file of a fixed size, and not by the model.

    Args:
        photo: What the user named; None: a scene, of two windows where there are some.
        window: (height, width) of a window in pixels.
    """
    if photo is None:
        height, width = (max(side, 32) for side in window)
        return render_scene(0, size=(height, width * 5 // 4 if height == width else width)).image
    factor = max(side / own for side, own in zip(window, photo.shape[:2], strict=True))
    if factor <= 1:
        return photo
    height, width = (math.ceil(side * factor) for side in photo.shape[:2])
    return resize_image(photo, (height, width))
