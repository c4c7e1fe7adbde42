"""The processes that do a batch of images together: this one alone, or several with a share each."""

import io
import os
import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from vit_adapter.config import InputError
from vit_adapter.config.values import check_argument

if TYPE_CHECKING:
    import subprocess

Value = TypeVar("Value")
Devices = int | Literal["auto"] | None
WAIT_SECONDS = 10.0
"""For processes to end that were asked to."""


class Team:
    """One process that does everything; nothing of torch is imported for it.

    Attributes:
        rank: Number of this process, from 0; the first one finds the images, joins the tables and speaks.
        size: Number of processes.
        device: Where this process's model runs.
    """

    rank, size = 0, 1

    def __init__(self, device: str) -> None:
        self.device = device

    def __enter__(self) -> "Team":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def share(self, things: Sequence[Value]) -> Sequence[Value]:
        """The part of this process: every ``size``-th one, so that neighbours of one size are spread."""
        return things[self.rank :: self.size]

    def agreed(self, action: Callable[[], Value]) -> Value:
        """What ``action`` gives, once it succeeded in all processes; if it failed in one, all end.

        Raises:
            InputError: It failed; in the first process only, the others end without a word.
        """
        return action()

    def from_first(self, action: Callable[[], Value]) -> Value:
        """What ``action`` gives in the first process, where alone it is done; errors as in ``agreed``."""
        return action()

    def gather(self, thing: Value) -> list[Value]:
        """The object of each process, in their order."""
        return [thing]


class SeveralProcesses(Team):
    """Processes of one or several machines, see ``training.team``.

    Args:
        devices: Processes on this machine.
        nodes: Number of machines, which all see the output folder.
        device: "auto", "cpu" or "cuda"; each process gets a device of its own.
    """

    def __init__(self, devices: int, nodes: int, device: str) -> None:
        super().__init__(device)
        self._devices, self._nodes = devices, nodes
        self._started: list[subprocess.Popen[bytes]] = []
        self._end_agreed = False
        self._streams = sys.stdout, sys.stderr

    def __enter__(self) -> "SeveralProcesses":
        """Joins the others.

        Raises:
            InputError: See ``join_team``.
        """
        from vit_adapter.training import processes
        from vit_adapter.training.team import join_team

        accelerator = self.device
        if accelerator == "auto":
            accelerator = "cuda" if cuda_devices() else "cpu"
        device, self._started = join_team(self._devices, self._nodes, accelerator)
        self.device, self.rank, self.size = str(device), processes.rank(), processes.world_size()
        if self.rank:
            sys.stdout = sys.stderr = io.StringIO()  # the first process speaks for all
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from vit_adapter.training.team import leave_team

        sys.stdout, sys.stderr = self._streams
        if error is None:
            leave_team()
            return
        if self._end_agreed:  # nobody waits for anybody: threads of the exchange end before the process does
            leave_team()
        else:
            for process in self._started:
                process.terminate()
        for process in self._started:
            process.wait(WAIT_SECONDS)
        if self.rank and not isinstance(error, Exception):
            # Interrupted. Fabric kills the first process, with whatever it is saying, when another one fails.
            raise SystemExit(0) from error

    def agreed(self, action: Callable[[], Value]) -> Value:
        """See ``Team``."""
        values: list[Value] = []
        message = None
        try:
            values.append(action())
        except InputError as error:
            message = str(error)
        self._end_if_failed([one for one in self.gather(message) if one is not None])
        return values[0]

    def from_first(self, action: Callable[[], Value]) -> Value:
        """See ``Team``."""
        value, message = None, None
        if self.rank == 0:
            try:
                value = action()
            except InputError as error:
                message = str(error)
        value, message = self.gather((value, message))[0]
        self._end_if_failed([] if message is None else [message])
        return value  # pyright: ignore[reportReturnType]

    def gather(self, thing: Value) -> list[Value]:
        """See ``Team``.

        Raises:
            InputError: Another process ended before its time.
        """
        from vit_adapter.training import processes

        try:
            return processes.gather(thing)
        except RuntimeError as error:  # gloo lost a connection
            raise InputError(
                "another process ended before its time; --skip-existing continues from what is done"
            ) from error

    def _end_if_failed(self, messages: list[str]) -> None:
        if not messages:
            return
        self._end_agreed = True
        if self.rank:
            raise SystemExit(0)
        raise InputError(messages[0])


def open_team(devices: Devices, nodes: int, device: str) -> Team:
    """The processes that were asked for, or that torchrun started.

    Args:
        devices: Processes on a machine; "auto": one for each CUDA device, else one; None: those that torchrun
            started, else one.
        nodes: Number of machines.
        device: As ``predict`` takes it.

    Raises:
        InputError: The numbers do not fit each other, the device or how this process was started.
    """
    check_argument("--devices", devices, int | Literal["auto"] | None, at_least=1)
    check_argument("--nodes", nodes, int, at_least=1)
    local, total = (_number(name) for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    if local and total and "TORCHELASTIC_RUN_ID" in os.environ:
        if devices not in (None, "auto", local):
            raise InputError(f"--devices {devices}: torchrun started {local} processes on this machine")
        count, nodes = local, total // local
    elif devices is None:
        if nodes == 1 and (_number("SLURM_PROCID") or 0) > 0:
            raise InputError(
                "SLURM started several tasks of this command, and each would do all images: give --devices, as "
                "--ntasks-per-node, and --nodes"
            )
        count = 1
    else:
        count = max(1, cuda_devices()) if devices == "auto" and device != "cpu" else devices
        count = 1 if count == "auto" else count
    if count * nodes == 1:
        return Team(device)
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(
            f"--device {device} beside --devices {count} --nodes {nodes}: expected auto, cpu or cuda"
        )
    return SeveralProcesses(count, nodes, device)


def cuda_devices() -> int:
    """Number of CUDA devices here."""
    import torch

    return torch.cuda.device_count()


def _number(variable: str) -> int | None:
    value: Any = os.environ.get(variable, "")
    return int(value) if value.isdigit() else None
