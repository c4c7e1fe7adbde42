"""Runs in processes of their own: to kill them, and to join two of them."""

import functools
import io
import json
import multiprocessing
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from stand_ins import TinyData, TinyModel, TinyTrainingSet, tiny_config


@functools.cache
def _server() -> Any:
    """A process that has imported everything and forks the others: Lightning's import takes seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["vit_adapter.training", "torch.utils.tensorboard", "children"])
    return context


class Child:
    """A running program.

    Args:
        function: What it runs; a function of a module.
        arguments: Its arguments.
        environment: Further environment variables.
        output: File for what it prints.
    """

    def __init__(self, function: Any, arguments: dict[str, Any], output: Path, **environment: str) -> None:
        self.output = output
        self._process = _server().Process(target=_enter, args=(function, arguments, str(output), environment))
        self._process.start()

    def kill(self) -> None:
        """SIGKILL."""
        self.signal(signal.SIGKILL)
        self.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self._process.pid, number)

    def wait(self, seconds: float = 90) -> int:
        """The exit code (negative: the signal that ended it)."""
        self._process.join(seconds)
        if self._process.is_alive():
            self.kill()
            raise TimeoutError(f"still running after {seconds} s; it printed:\n{self.text}")
        return self._process.exitcode

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.is_alive()

    @property
    def text(self) -> str:
        """What it printed so far."""
        return self.output.read_text() if self.output.exists() else ""


def pair(function: Any, arguments: dict[str, Any], folder: Path) -> list[Child]:
    """Two processes as torchrun would start them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    shared |= {"TORCHELASTIC_RUN_ID": "test", "GROUP_RANK": "0"}
    folder.mkdir(parents=True, exist_ok=True)
    return [
        Child(
            function, arguments, folder / f"output {rank}.txt", **shared, RANK=str(rank), LOCAL_RANK=str(rank)
        )
        for rank in (0, 1)
    ]


def wait_for_step(folder: Path, step: int, seconds: float = 60) -> None:
    """Until the table of a run has the row of a step."""
    table, limit = folder / "metrics.csv", time.monotonic() + seconds
    while not (table.exists() and f"\n{step}," in table.read_text()):
        if time.monotonic() > limit:
            raise TimeoutError(f"{table} has no row of step {step} after {seconds} s")
        time.sleep(0.005)


def _enter(function: Any, arguments: dict[str, Any], output: str, environment: dict[str, str]) -> None:
    multiprocessing.set_start_method(
        "fork", force=True
    )  # of workers: what a program has that was started plainly
    descriptor = os.open(output, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        stream.flush()
        os.dup2(descriptor, number)
    os.environ |= environment
    torch.set_num_threads(1)
    from vit_adapter.config import InputError

    try:
        function(**arguments)
    except InputError as error:  # as the command line does
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


class SlowModel(TinyModel):
    """Takes some time for a forward pass, so that a kill can come in between."""

    def loss(
        self, images: torch.Tensor, labels: torch.Tensor, divisor: float | None = None
    ) -> dict[str, torch.Tensor]:
        time.sleep(0.02)
        return super().loss(images, labels, divisor)


def train_slowly(out: str | None, photos: int = 10, validation: int | None = 3, **settings: Any) -> None:
    """A run that prints its start block; needs no answer, its folder says all."""
    from vit_adapter.training import run_training

    torch.manual_seed(0)
    void = settings.pop("void", False)
    source = TinyTrainingSet(TinyData(photos, void))
    validation_set = None if validation is None else TinyData(validation)
    config = tiny_config(None if out is None else Path(out), **settings)
    run_training(SlowModel(), source, validation_set, config)


def quiet_console() -> Console:
    """Prints nowhere."""
    return Console(file=io.StringIO())


def write_json(path: Path, content: Any) -> None:
    """For a test to read."""
    path.write_text(json.dumps(content))
