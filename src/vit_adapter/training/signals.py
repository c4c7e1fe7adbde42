"""A graceful end: on Ctrl-C, SIGTERM or SIGUSR1 the step is finished and a checkpoint written."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class StopAsked(BaseException):
    """Raised by the signal's handler inside ``StopRequest.breaks_off``; no ``except Exception`` catches it."""


class StopRequest:
    """What a signal asked of this process.

    Attributes:
        received: The first signal; None: none came.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._breaks_off = False

    @property
    def made(self) -> bool:
        """Whether the run should end."""
        return self.received is not None

    @contextmanager
    def breaks_off(self) -> Iterator[None]:
        """Inside, a signal raises ``StopAsked`` at once: nothing is under way that has to be finished."""
        self._breaks_off = True
        try:
            if self.made:
                raise StopAsked
            yield
        finally:
            self._breaks_off = False

    def note(self, number: int, frame: object) -> None:
        """The signal's handler; a second signal ends the process at once."""
        if self.received is not None:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.received = signal.Signals(number)
        if self._breaks_off:
            raise StopAsked


@contextmanager
def stop_signals(request: StopRequest) -> Iterator[None]:
    """Inside, signals are noted; the run ends after the step, in all processes. A second signal ends it at once.

    SIGUSR1 is what SLURM sends before the time is over (``--signal=SIGUSR1@120``).

    Args:
        request: Where they are noted.
    """
    previous: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
            if hasattr(signal, name):
                number = signal.Signals[name]
                previous[number] = signal.signal(number, request.note)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
