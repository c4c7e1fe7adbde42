"""``vit-adapter convert``."""

from collections.abc import Sequence

from .parsing import make_parser, parse


def run(words: Sequence[str]) -> int:
    """Converts between official checkpoints and model folders, bit for bit."""
    parser = make_parser("convert", "An official checkpoint to a model folder, or back with --to-official.")
    parser.add_argument("source", type=str, help="official file; with --to-official: a model folder")
    parser.add_argument(
        "-o", "--out", type=str, required=True, help="model folder; with --to-official: a .pth file"
    )
    parser.add_argument(
        "--recipe", type=str, default=None, help="the published model; inferred from the weights if omitted"
    )
    parser.add_argument(
        "--vit",
        type=str,
        default=None,
        help="the ViT's own file, where the official file lacks it (DINOv3's)",
    )
    parser.add_argument("--to-official", action="store_true", help="from a model folder to the official form")
    values = parse(parser, words)

    from vit_adapter import api

    if values.to_official:
        api.export_official(values.source, values.out)
    else:
        api.import_official(values.source, values.out, recipe=values.recipe, vit=values.vit)
    return 0
