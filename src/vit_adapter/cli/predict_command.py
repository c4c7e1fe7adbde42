"""``vit-adapter predict MODEL IMAGES``."""

from collections.abc import Sequence
from typing import Literal

from vit_adapter.config import MAX_PIXELS

from .parsing import add_protocol, add_task, fail, make_parser, parse, protocol_changes, with_older_flags

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
        help="model or run folder, exported NAME.onnx, recipe name, or hub repository owner/name",
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
    add("--out", type=str, default="predictions", help="folder for the results")
    add(
        "--skip-existing",
        "--resume",
        action="store_true",
        help="skip images whose complete result exists already, made by the same model and settings",
    )
    add("--checkpoint", type=str, default=None, help="for a recipe: its weights, a file or 'published'")
    add("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:1 or mps (untested)")
    add("--batch-size", type=int, default=4, help="windows processed together")
    add(
        "--precision",
        type=Literal["float32", "bfloat16", "float16"],
        default="float32",
        help="numeric type of the network; float16 is slow on most CPUs",
    )
    add(
        "--fast",
        action="store_true",
        help="optimize the model for this device first; bfloat16 where the device is fast at it",
    )
    add(
        "--dtype",
        choices=["float32", "bfloat16", "float16"],
        default=None,
        help="optimize the model first, with weights of this type; float16 on CUDA only",
    )
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

    from vit_adapter import api

    failures = api.predict(
        values.model,
        values.images,
        values.out,
        list_file=values.list,
        checkpoint=values.checkpoint,
        device=values.device,
        batch_size=values.batch_size,
        precision=values.precision,
        fast=values.fast,
        dtype=values.dtype,
        protocol=protocol_changes(values),
        tta=values.tta,
        threshold=values.threshold,
        max_pixels=values.max_pixels,
        ids=values.ids,
        overlay=not values.no_overlay,
        alpha=values.alpha,
        legend=not values.no_legend,
        palette=values.palette,
        scores=values.scores,
        summary=values.summary,
        jsonl=values.jsonl,
        skip_existing=values.skip_existing,
        quiet=values.quiet,
        task=values.task,
        score_threshold=values.score_threshold,
        mask_threshold=values.mask_threshold,
        min_area=values.min_area,
        devices=values.devices,
        nodes=values.nodes,
    )
    if len(failures) > 1:
        fail(f"vit-adapter: error: {len(failures)} of the images have no result:")
    for _, reason in failures:
        fail(f"  {reason}" if len(failures) > 1 else f"vit-adapter: error: {reason}")
    return 2 if failures else 0
