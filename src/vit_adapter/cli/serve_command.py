"""``vit-adapter serve MODEL``."""

from collections.abc import Sequence

from .opening import add_opening, opening_arguments
from .parsing import make_parser, parse

DESCRIPTION = """Answers HTTP requests with a model: POST an image file to /predict, get classes with shares,
objects or segments as JSON, or a map or an overlay as PNG (?format=json, map or overlay). GET /health and /model say
how it does and what it knows. Images that arrive together go through the model together. SIGTERM or Ctrl-C ends it
when all requests are answered. There is no access control: for more than this machine put it behind a proxy that has
one."""


def run(words: Sequence[str]) -> int:
    """Serves until a signal ends it."""
    parser = make_parser("serve", DESCRIPTION)
    add_opening(parser, port=8000)
    add = parser.add_argument
    add(
        "--batch-wait",
        type=float,
        default=5.0,
        help="milliseconds that an image waits for others of its size while the model is idle",
    )
    add(
        "--max-waiting",
        type=int,
        default=128,
        help="requests in work at a time; more are answered with 503 and Retry-After",
    )
    add("--grace", type=int, default=30, help="seconds that requests in flight have at the end")
    add("--log-requests", action="store_true", help="print a line for each request")
    values = parse(parser, words)

    from vit_adapter import serving

    serving.serve(
        values.model,
        **opening_arguments(values),
        batch_wait=values.batch_wait,
        max_waiting=values.max_waiting,
        grace=values.grace,
        log_requests=values.log_requests,
    )
    return 0
