"""Room for batches in shared memory, through which workers pass them on."""

import os
from collections.abc import Callable, Sequence

from vit_adapter.data.training_set import TrainingSample

from .loader import PREFETCHED, ImageSource, tensors_of
from .sampler import Key, StepSampler

FOLDER = "/dev/shm"
LOCKS = 20_000
"""Bytes of the locks of a worker's queue (a page each), and of the queue back."""

LOOKED_AT = 8
"""Samples whose objects are looked at: their number, and with it the size of a sample, differs from image to image."""

MARGIN = 0.9
"""Share of the free room that may be planned with."""


def free_shared_memory() -> int | None:
    """Bytes that are free; None where it is not a file system that can be asked (macOS, Windows)."""
    try:
        room = os.statvfs(FOLDER)
    except (AttributeError, OSError):
        return None
    return room.f_bavail * room.f_frsize


def fitting_workers(
    source: ImageSource,
    sampler: StepSampler,
    workers: int,
    local_processes: int,
    say: Callable[[str], None],
) -> int:
    """As many workers as have room for the batches that they prepare ahead, with a line if they are fewer.

    Args:
        source: The training set; the first samples of a step give the size.
        sampler: Whose steps are to be read.
        workers: Wanted.
        local_processes: Processes that share the room.
        say: Takes a line for the user.
    """
    free = free_shared_memory() if workers else None
    if free is None or len(sampler) == 0:
        return workers
    keys = sampler.step_keys(sampler.first_step)
    size = len(keys) * _sample_bytes(source, keys)
    room = int(free * MARGIN) // local_processes

    def needed(count: int) -> int:
        return (PREFETCHED * count + 1) * size + LOCKS * (count + 1)  # one more batch is in use

    fitting = next((count for count in range(workers, 0, -1) if needed(count) <= room), 0)
    if fitting < workers:
        left = f"{fitting or 'no'} worker{'s' if fitting != 1 else ''}"
        say(
            f"shared memory ({FOLDER}) has {_megabytes(free)} free, {workers} workers with batches of "
            f"{_megabytes(size)} need {_megabytes(needed(workers))}: continuing with {left}; "
            "a container gets more with --shm-size"
        )
    return fitting


def _sample_bytes(source: ImageSource, keys: Sequence[Key]) -> int:
    """Of a sample; where images have more or fewer objects, of the largest of some."""
    try:
        sample = source[keys[0]]
        sizes = [_bytes(sample)]
        if "instances" in sample:
            sizes += [_bytes(source[key]) for key in keys[1:LOOKED_AT]]
    except Exception:  # whatever it is, the loader will meet it and say so
        return 0
    return max(sizes)


def _bytes(sample: TrainingSample) -> int:
    return sum(tensor.nbytes for tensor in tensors_of(sample))


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
