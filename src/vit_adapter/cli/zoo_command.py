"""``vit-adapter zoo``."""

from collections.abc import Sequence

from .parsing import make_parser, parse


def run(words: Sequence[str]) -> int:
    """Lists the published recipes."""
    parser = make_parser("zoo", "Lists the published recipes.")
    parser.add_argument("pattern", type=str, nargs="?", default="", help="only names that contain it")
    parser.add_argument(
        "--long", action="store_true", help="with the addresses of checkpoint and pretraining"
    )
    values = parse(parser, words)

    from vit_adapter.zoo.table import print_recipes

    print_recipes(values.pattern, long=values.long)
    return 0
