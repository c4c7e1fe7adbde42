"""``vit-adapter export MODEL -o model.onnx`` (or model.xml)."""

from collections.abc import Sequence

from vit_adapter.config import InputError

from .parsing import make_parser, parse

DESCRIPTION = """Writes a model as an ONNX file for other runtimes, or as OpenVINO's pair of files, checks it against
the model by the runtime that it is for, and says how far they agree; a file that differs is not left behind. Classes,
colours, normalisation and the way the model is applied travel in it, and vit-adapter predict FILE.onnx IMAGES needs no
torch."""


def run(words: Sequence[str]) -> int:
    """Exports a model."""
    parser = make_parser("export", DESCRIPTION)
    add = parser.add_argument
    add("model", type=str, help="model or run folder, recipe name, or hub repository owner/name")
    add("-o", "--out", type=str, required=True, help="the file: NAME.onnx, or NAME.xml for OpenVINO")
    add("--checkpoint", type=str, default=None, help="for a recipe: its weights, a file or 'published'")
    add(
        "--dynamic",
        action="store_true",
        help="take any number of images with sides of any multiples of 32, not one window of the model's size",
    )
    add(
        "--size",
        type=str | None,
        metavar="WIDTHxHEIGHT",
        default=None,
        help="take images of this size, rounded up to multiples of 32, such as 1344x800; 512 is a square (default: the "
        "model's windows)",
    )
    add("--argmax", action="store_true", help="give the class of every pixel instead of scores")
    add(
        "--queries",
        action="store_true",
        help="Mask2Former: give what its queries say; predict makes labels, objects or segments of it",
    )
    add("--photo", type=str, default=None, help="image to check the file with (default: an embedded scene)")
    values = parse(parser, words)
    if values.argmax and values.queries:
        raise InputError("--argmax and --queries: a file gives one of them")

    from vit_adapter import api

    report = api.export(
        values.model,
        values.out,
        checkpoint=values.checkpoint,
        dynamic=values.dynamic,
        size=_sides(values.size),
        output="labels" if values.argmax else "queries" if values.queries else None,
        photo=values.photo,
    )
    agreement = report.agreement
    what = (
        "share of other labels"
        if values.argmax
        else "largest difference from the model, of its largest value,"
    )
    found = [f"{report.file}: {report.megabytes:.1f} MB", f"{what} {agreement.difference:.1e}"]
    if agreement.pixels is not None:
        found.append(f"labels agree on {100 * agreement.pixels:.2f} % of the pixels")
    if agreement.boxes is not None:
        found.append(f"{100 * agreement.boxes:.1f} % of the photo's {agreement.count} boxes are the model's")
    print("; ".join(found))
    return 0


def _sides(text: str | None) -> tuple[int, int] | None:
    """(height, width) of "1344x800", or of "512", a square.

    Raises:
        InputError: The text is something else.
    """
    if text is None:
        return None
    width, by, height = text.lower().partition("x")
    height = height if by else width
    if not (width.isdecimal() and height.isdecimal() and 0 < int(width) < 10**5 and 0 < int(height) < 10**5):
        raise InputError(
            f"--size {text}: expected width x height in pixels, such as 1344x800, or the side of a square"
        )
    return int(height), int(width)
