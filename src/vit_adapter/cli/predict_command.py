"""``vit-adapter predict MODEL PICTURES``."""

from collections.abc import Sequence

from vit_adapter.config import MAX_PIXELS

from .parsing import fail, make_parser, parse


def run(words: Sequence[str]) -> int:
    """Segments pictures; exit code 2 if one of them could not be read."""
    parser = make_parser("predict", "Segments pictures. Writes a label map and an overlay for each of them.")
    parser.add_argument(
        "model", type=str, help="model or run folder, recipe name, or hub repository owner/name"
    )
    parser.add_argument(
        "pictures", type=str, nargs="+", help="pictures, folders or patterns such as 'photos/*.jpg'"
    )
    parser.add_argument("--out", type=str, default="predictions", help="folder for the results")
    parser.add_argument(
        "--checkpoint", type=str, default=None, help="for a recipe: its weights, a file or 'published'"
    )
    parser.add_argument(
        "--device", type=str, default="auto", help="auto, cpu, cuda, cuda:1 or mps (untested)"
    )
    parser.add_argument("--batch", type=int, default=4, help="windows handled together")
    parser.add_argument(
        "--ids", choices=["own", "contiguous"], default="own", help="values in the label maps"
    )
    parser.add_argument(
        "--alpha", type=float, default=0.5, help="strength of the colours in the overlay, 0..1"
    )
    parser.add_argument("--scores", action="store_true", help="write probabilities as NPY too")
    parser.add_argument(
        "--tta", action="store_true", help="average over scales 0.5 to 1.75 and mirror images"
    )
    parser.add_argument(
        "--threshold",
        type=float,
        default=None,
        help="one or two classes: smallest probability of the last one",
    )
    parser.add_argument(
        "--max-pixels",
        type=int,
        default=MAX_PIXELS,
        help="pictures of more pixels, width x height, are refused",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    values = parse(parser, words)

    from vit_adapter import api

    failures = api.predict(
        values.model,
        values.pictures,
        values.out,
        checkpoint=values.checkpoint,
        device=values.device,
        batch_size=values.batch,
        ids=values.ids,
        alpha=values.alpha,
        scores=values.scores,
        multi_scale=values.tta,
        threshold=values.threshold,
        max_pixels=values.max_pixels,
        quiet=values.quiet,
    )
    if len(failures) > 1:
        fail(f"vit-adapter: error: {len(failures)} of the pictures could not be read:")
    for _, reason in failures:
        fail(f"  {reason}" if len(failures) > 1 else f"vit-adapter: error: {reason}")
    return 2 if failures else 0
