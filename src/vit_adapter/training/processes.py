"""Decisions that all processes of a run take together.

Whatever one process alone finds out (a file that cannot be read, a full disk, a request to stop) would leave
the others waiting in their next exchange. So it is shared first, and then all act alike.
"""

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import torch
import torch.distributed as dist
from torch import nn

from vit_adapter.config import InputError

Result = TypeVar("Result")


def world_size() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def sum_over_processes(values: list[float], device: torch.device) -> list[float]:
    """Elementwise sum in double precision; every process gets it.

    Args:
        values: As many in every process.
        device: Of the exchange.
    """
    if world_size() == 1:
        return values
    exchanged = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(exchanged)
    return exchanged.tolist()


def gather(thing: Any) -> list[Any]:
    """The object of each process in their order; every process gets the list."""
    if world_size() == 1:
        return [thing]
    things: list[Any] = [None] * world_size()
    dist.all_gather_object(things, thing)
    return things


def broadcast(thing: Any) -> Any:
    """The first process's object."""
    if world_size() == 1:
        return thing
    box = [thing]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def stop_together(message: str) -> NoReturn:
    """End all processes with exit code 2 and one line: the first one raises it, the others leave silently.

    Every process must call it.
    """
    if rank() == 0:
        raise InputError(message)
    raise SystemExit(2)


def on_first_process(action: Callable[[], Result]) -> Result | None:
    """Let the first process do something that writes files; if it fails, all stop.

    Returns:
        What ``action`` gave on the first process, None on the others.
    """
    result, message = None, None
    if rank() == 0:
        try:
            result = action()
        except InputError as error:
            message = str(error)
    message = broadcast(message)
    if message is not None:
        stop_together(message)
    return result


@torch.no_grad()
def share_buffers(model: nn.Module) -> None:
    """Give every process the first one's buffers: plain batch norm collects other statistics in each."""
    if world_size() > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)
