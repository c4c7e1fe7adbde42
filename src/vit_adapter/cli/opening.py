"""What ``serve`` and ``app`` have in common: the model that is held open, and where."""

from typing import Any

from jsonargparse import ArgumentParser, Namespace

from .parsing import add_application, add_protocol, add_task, protocol_changes


def add_opening(parser: ArgumentParser, port: int) -> None:
    """Adds the model, how it is applied, the limits of uploads, and the address.

    Args:
        parser: Of the command.
        port: Its default.
    """
    add = parser.add_argument
    add(
        "model",
        type=str,
        help="model or run folder, exported NAME.onnx or NAME.xml, recipe name, or hub repository owner/name",
    )
    add(
        "--host",
        type=str,
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0: every one of this machine",
    )
    add("--port", type=int, default=port, help="port to listen on; 0: any free one")
    add_application(parser, "images of one size, and windows, processed together")
    add("--max-megabytes", type=float, default=20.0, help="larger files are refused")
    add(
        "--max-pixels",
        type=int,
        default=50_000_000,
        help="images of more pixels, width x height, are refused",
    )
    add_task(parser, "what it was trained for")
    add_protocol(parser)


def opening_arguments(values: Namespace) -> dict[str, Any]:
    """The same as arguments of ``serving.serve`` and ``serving.show_app``, without the model."""
    names = (
        "checkpoint", "host", "port", "device", "batch_size", "precision", "fast", "dtype", "max_megabytes",
        "max_pixels", "task",
    )  # fmt: skip
    return {name: values[name] for name in names} | {"protocol": protocol_changes(values)}
