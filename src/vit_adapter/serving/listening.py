"""A web application on a port until a signal ends it: what was asked before is answered."""

import logging
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from vit_adapter.config import InputError
from vit_adapter.config.values import check_argument

BACKLOG = 2048
"""Connections that wait to be accepted."""


def open_port(host: str, port: int) -> socket.socket:
    """A socket that takes connections already, which wait until somebody serves them.

    Args:
        host: Address or name of this machine.
        port: 0: any free one.

    Raises:
        InputError: The port is taken, or this machine has no such address.
    """
    check_argument("--port", port, int, at_least=0, at_most=65535)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        raise InputError(f"--host {host}: no such address ({error})") from None
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        raise InputError(f"--host {host} --port {port}: {error.strerror or error}") from None
    return opened


def address_of(opened: socket.socket) -> str:
    """The address of a page behind an open port."""
    host, port = opened.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_server(application: Any, grace: int, log_requests: bool = False) -> uvicorn.Server:
    """A server of an ASGI application.

    Args:
        application: It.
        grace: Seconds that requests in flight have at the end.
        log_requests: A line for each request, on the standard output.
    """
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # what clients do wrong, they are told
    config = uvicorn.Config(
        application,
        lifespan="on",
        log_level="info" if log_requests else "warning",
        access_log=log_requests,
        timeout_graceful_shutdown=grace,
        server_header=False,
        backlog=BACKLOG,
    )
    return uvicorn.Server(config)


def run_server(server: uvicorn.Server, opened: socket.socket) -> None:
    """Serves until SIGTERM or Ctrl-C, a second of which does not wait any more, or ``server.should_exit``.

    Args:
        server: See ``make_server``.
        opened: Its port, which is closed at the end.
    """
    with opened, _signals_mean_the_end_of_serving():
        server.run(sockets=[opened])


@contextmanager
def _signals_mean_the_end_of_serving() -> Iterator[None]:
    """The server raises the signal that ended it once more when all is answered; then it has done its work."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
