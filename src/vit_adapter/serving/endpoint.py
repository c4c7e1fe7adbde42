"""A model behind HTTP for programs: POST an image, get JSON or a PNG."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vit_adapter.api.open_model import SERVED_PIXELS, OpenModel, open_model
from vit_adapter.config.values import check_argument

from .application import Endpoint, Limits
from .listening import address_of, make_server, open_port, run_server

if TYPE_CHECKING:
    from vit_adapter.api.open_model import Segmenter

SERVED_MEGABYTES = 20.0


def serve(
    model: "str | Path | Segmenter",
    checkpoint: str | Path | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    max_megabytes: float = SERVED_MEGABYTES,
    max_pixels: int = SERVED_PIXELS,
    max_waiting: int = 128,
    batch_size: int = 4,
    batch_wait: float = 5.0,
    grace: int = 30,
    log_requests: bool = False,
    started: Callable[[str], object] | None = None,
    **opening: Any,
) -> None:
    """Answers requests until SIGTERM or Ctrl-C; requests in flight are answered before it returns.

    Args:
        model: As ``api.open_model`` takes it.
        checkpoint: For a recipe: its weights.
        host: Address of this machine on which it listens; "0.0.0.0": all of them.
        port: 0: any free one.
        max_megabytes: Largest image file.
        max_pixels: Images of more pixels, width x height, are refused.
        max_waiting: Requests that are read, wait or are worked on at a time; more are told to come again.
        batch_size: Images of one size, and windows of them, that are processed together.
        batch_wait: Milliseconds that an image waits for others while the model is idle.
        grace: Seconds that requests in flight have at the end.
        log_requests: Print a line for each request.
        started: Told in a line what is served where, when requests are answered, and at the end how many were; None:
            the lines are printed.
        opening: Further arguments of ``api.open_model``.

    Raises:
        InputError: An argument or the model cannot be used, or the port is taken.
    """
    started = started or say
    check_argument("--max-megabytes", max_megabytes, float, above=0)
    check_argument("--max-waiting", max_waiting, int, at_least=1)
    check_argument("--batch-wait", batch_wait, float, at_least=0)
    check_argument("--grace", grace, int, at_least=0)
    with open_port(host, port) as opened:  # first: a port that is taken is known before a large model is read
        served = open_model(model, checkpoint, batch_size=batch_size, max_pixels=max_pixels, **opening)
        served.try_out()
        limits = Limits(round(max_megabytes * 1e6), max_waiting, batch_wait / 1000)
        line = f"{describe(served)} at {address_of(opened)}/predict (Ctrl-C ends it)"
        endpoint = Endpoint(served, limits)
        run_server(make_server(endpoint.application(lambda: started(line)), grace, log_requests), opened)
    counts = endpoint.counts
    started(f"stopped: {counts.answered} requests answered, {counts.refused} refused")


def say(line: str) -> None:
    """Prints a line at once, also into a file."""
    print(line, flush=True)


def describe(model: OpenModel) -> str:
    """A model in a few words."""
    count = len(model.classes)
    return f"{model.name} ({', '.join(model.tasks)}; {count} class{'' if count == 1 else 'es'})"
