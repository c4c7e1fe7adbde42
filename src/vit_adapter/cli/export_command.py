"""``vit-adapter export MODEL -o model.onnx``."""

from collections.abc import Sequence

from .parsing import make_parser, parse

DESCRIPTION = """Writes a model as an ONNX file for other runtimes, checks it by onnxruntime against the model, and says
how far they agree; a file that differs is not left behind. Classes, colours, normalisation and the way the model is
applied travel in it: vit-adapter predict FILE.onnx IMAGES needs no torch."""


def run(words: Sequence[str]) -> int:
    """Exports a model."""
    parser = make_parser("export", DESCRIPTION)
    add = parser.add_argument
    add("model", type=str, help="model or run folder, recipe name, or hub repository owner/name")
    add("-o", "--out", type=str, required=True, help="the file, NAME.onnx")
    add("--checkpoint", type=str, default=None, help="for a recipe: its weights, a file or 'published'")
    add(
        "--dynamic",
        action="store_true",
        help="take any number of images with sides of any multiples of 32, not one window of the model's size",
    )
    add("--argmax", action="store_true", help="give the class of every pixel instead of scores")
    add("--queries", action="store_true", help="Mask2Former: give raw class and mask logits of its queries")
    add("--photo", type=str, default=None, help="image to check the file with (default: an embedded scene)")
    values = parse(parser, words)
    if values.argmax and values.queries:
        parser.error("--argmax and --queries: only one of them")

    from vit_adapter import api

    report = api.export(
        values.model,
        values.out,
        checkpoint=values.checkpoint,
        dynamic=values.dynamic,
        output="labels" if values.argmax else "queries" if values.queries else "scores",
        photo=values.photo,
    )
    what = (
        "share of other labels"
        if values.argmax
        else "largest difference from the model, of its largest value,"
    )
    found = [f"{report.file}: {report.megabytes:.1f} MB", f"{what} {report.difference:.1e}"]
    if report.agreement is not None:
        found.append(f"labels agree on {100 * report.agreement:.2f} % of the pixels")
    print("; ".join(found))
    return 0
