"""``vit-adapter app MODEL``."""

from collections.abc import Sequence

from .opening import add_opening, opening_arguments
from .parsing import make_parser, parse

DESCRIPTION = """Shows a web page: drop an image, see what a model finds in it, with a legend of shares or scores;
hovering names what is below the pointer. The page needs no network beyond this machine and reports to nobody. SIGTERM
or Ctrl-C ends it."""


def run(words: Sequence[str]) -> int:
    """Shows the page until a signal ends it."""
    parser = make_parser("app", DESCRIPTION)
    add_opening(parser, port=7860)
    values = parse(parser, words)

    from vit_adapter import serving

    serving.show_app(values.model, **opening_arguments(values))
    return 0
