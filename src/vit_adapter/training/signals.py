"""A polite end: on Ctrl-C, SIGTERM or SIGUSR1 the step is finished and a checkpoint written."""

import os
import signal
import threading
from typing import Any

import lightning.pytorch as lightning

from .module import TrainingModule


class StopSignals(lightning.Callback):
    """Notes a signal; the run ends behind the step, in all processes. A second signal ends it at once.

    SIGUSR1 is what SLURM sends before the time is over (``--signal=SIGUSR1@120``).
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Take the signals over (Lightning's own handler exchanges data in the middle of a step)."""
        assert isinstance(pl_module, TrainingModule)
        if threading.current_thread() is not threading.main_thread():
            return

        def note(number: int, frame: object) -> None:
            if self.received is not None:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
            self.received = signal.Signals(number)
            pl_module.stop_requested = True

        for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
            if hasattr(signal, name):
                number = signal.Signals[name]
                self._previous[number] = signal.signal(number, note)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Give the signals back."""
        self._give_back()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Give the signals back."""
        self._give_back()

    def _give_back(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}
