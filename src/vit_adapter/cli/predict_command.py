"""``vit-adapter predict MODEL IMAGES``."""

from collections.abc import Sequence
from typing import Any, Literal

from jsonargparse import ArgumentParser, Namespace

from vit_adapter.config import MAX_PIXELS, InputError

from .parsing import (
    add_application,
    add_protocol,
    add_task,
    fail,
    make_parser,
    parse,
    protocol_changes,
    with_older_flags,
)

DESCRIPTION = """Finds classes, objects or boxes in images. Writes label maps or objects, and an overlay, for each of
them, named after the image; the folders below a given folder are kept. Results of vit-adapter among the images are left
out."""


def run(words: Sequence[str]) -> int:
    """Segments images; exit code 2 if one of them has no result."""
    parser = make_parser("predict", DESCRIPTION)
    add = parser.add_argument
    add(
        "model",
        type=str,
        help="model or run folder, exported NAME.onnx or NAME.xml, recipe name, or hub repository owner/name",
    )
    add(
        "images",
        type=str,
        nargs="*",
        default=[],
        help="images, folders (entered, with all folders below) or patterns such as 'photos/*.jpg'",
    )
    add(
        "--list",
        type=str,
        default=None,
        help="a text file with one image or folder per line; -: standard input",
    )
    add("--out", type=str, default=None, help="folder for the results (default: predictions)")
    add("--video", type=str, default=None, help="a video instead of images (extra video)")
    add("-o", "--output", type=str, default=None, help="of a video: the video of overlays, such as out.mp4")
    add(
        "--skip-existing",
        "--resume",
        action="store_true",
        help="skip images whose complete result exists already, made by the same model and settings",
    )
    add_application(parser, "windows processed together")
    add(
        "--tta",
        action="store_true",
        help="test-time augmentation: average over scales 0.5 to 1.75 and mirror images",
    )
    add(
        "--threshold",
        type=float | None,
        default=None,
        help="one or two classes: smallest probability that counts as the last one",
    )
    add(
        "--max-pixels",
        type=int,
        default=MAX_PIXELS,
        help="images of more pixels, width x height, are refused",
    )
    add("--ids", type=Literal["own", "contiguous"], default="own", help="values in the label maps")
    add("--alpha", type=float, default=0.5, help="strength of the colours in the overlay, 0..1")
    add("--no-overlay", action="store_true", help="label maps only")
    add("--no-legend", action="store_true", help="overlays of the image's own size, without a legend")
    add(
        "--palette",
        type=Literal["beside", "instead"] | None,
        metavar="{beside,instead}",
        default=None,
        help="label maps in the colours of the classes: NAME_palette.png beside the plain ones, or instead of them",
    )
    add("--scores", action="store_true", help="write probabilities as NPY too")
    add(
        "--probabilities",
        type=int | None,
        choices=[8, 16],
        default=None,
        help="write NAME_probabilities.tif, a page per class: probabilities as 0..255 (8 bits) or 0..65535 (16)",
    )
    add("--confidence", action="store_true", help="write the probability of each pixel's class as 0..255")
    add(
        "--polygons",
        type=Literal["coco", "geojson"] | None,
        metavar="{coco,geojson}",
        default=None,
        help="write outlines of regions, of objects or segments, as polygons (extra geo)",
    )
    add(
        "--bands",
        type=str | None,
        metavar="4,3,2",
        default=None,
        help="which bands of the files are the model's channels, counted from 1",
    )
    add(
        "--summary",
        action="store_true",
        help="write summary.csv: pixels and share of every class in every image; for objects objects.csv, a row each",
    )
    add_task(parser, "what it was trained for")
    add(
        "--score-threshold",
        type=float | None,
        default=None,
        help="objects: smallest score; segments: smallest probability of their class (default: the model's own)",
    )
    add(
        "--mask-threshold",
        type=float | None,
        default=None,
        help="objects and segments: smallest probability of their pixels (default: the model's own)",
    )
    add(
        "--min-area",
        type=int | None,
        default=None,
        help="objects and segments of fewer pixels are left out (default: the model's own)",
    )
    add(
        "--jsonl",
        action="store_true",
        help="write results.jsonl: a line for each image as it is done, with classes, seconds or the error",
    )
    add(
        "--devices",
        type=int | Literal["auto"] | None,
        metavar="N",
        default=None,
        help="processes on a machine that share the images, each on a device of its own; auto: all CUDA devices "
        "(default: those that torchrun started, else one)",
    )
    add("--nodes", type=int, default=1, help="machines, whose processes torchrun or SLURM started")
    add("--quiet", action="store_true", help="no progress bar, and no lines about what was done")
    add_protocol(parser)
    values = parse(parser, with_older_flags(words, {"--batch": "--batch-size"}))

    if values.video is not None:
        return _predict_video(parser, values)
    if values.output is not None:
        raise InputError(
            f"-o {values.output}: is for --video; of images --out names the folder of the results"
        )

    from vit_adapter import api

    failures = api.predict(
        values.model,
        values.images,
        "predictions" if values.out is None else values.out,
        list_file=values.list,
        max_pixels=values.max_pixels,
        overlay=not values.no_overlay,
        legend=not values.no_legend,
        scores=values.scores,
        probabilities=values.probabilities,
        confidence=values.confidence,
        polygons=values.polygons,
        bands=_band_numbers(values.bands),
        summary=values.summary,
        jsonl=values.jsonl,
        skip_existing=values.skip_existing,
        **_applying(values),
        devices=values.devices,
        nodes=values.nodes,
    )
    if len(failures) > 1:
        fail(f"vit-adapter: error: {len(failures)} of the images have no result:")
    for _, reason in failures:
        fail(f"  {reason}" if len(failures) > 1 else f"vit-adapter: error: {reason}")
    return 2 if failures else 0


NOT_FOR_VIDEO = (
    "images", "list", "skip_existing", "scores", "probabilities", "confidence", "polygons", "bands", "summary", "jsonl",
    "no_overlay", "no_legend", "max_pixels", "devices", "nodes",
)  # fmt: skip


def _predict_video(parser: ArgumentParser, values: Namespace) -> int:
    """Segments a video; exit code 1 if something of it could not be decoded.

    Args:
        parser: It knows what is not given.
        values: What is.

    Raises:
        InputError: Something is given that is for images, or cannot be used.
    """
    for name in NOT_FOR_VIDEO:
        if values[name] != parser.get_default(name):
            flag = "IMAGES" if name == "images" else f"--{name.replace('_', '-')}"
            raise InputError(f"{flag}: is for images, not for --video")

    from vit_adapter import api

    report = api.predict_video(
        values.model,
        values.video,
        values.output,
        values.out,
        **_applying(values),
    )
    return 0 if report.problem is None else 1


def _applying(values: Namespace) -> dict[str, Any]:
    """How the model is applied, to images as to videos, as arguments of both."""
    names = (
        "checkpoint", "device", "batch_size", "precision", "fast", "dtype", "tta", "threshold", "ids", "alpha",
        "palette", "quiet", "task", "score_threshold", "mask_threshold", "min_area",
    )  # fmt: skip
    return {name: values[name] for name in names} | {"protocol": protocol_changes(values)}


def _band_numbers(text: str | None) -> list[int] | None:
    """The numbers of "4,3,2".

    Raises:
        InputError: The text is something else.
    """
    if text is None:
        return None
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise InputError(f"--bands {text}: expected numbers of bands from 1, such as 4,3,2")
    return [int(part) for part in parts]
