"""SIGTERM ends a command as Ctrl-C does: what is half-written is removed."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(BaseException):
    """SIGTERM was received."""


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Within this block SIGTERM raises ``Terminated`` (training takes the signal over while it runs).

    Outside the main thread, where Python never handles signals, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise Terminated

    previous = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if previous is None else previous)
