"""One run writes into a folder at a time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vit_adapter.config import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_held: list[int] = []


def lock_folder(folder: Path) -> None:
    """Keep other runs out of a folder until this process ends, or ``folder_locks``.

    The system forgets the lock with the process, however that ends. File systems without locks are left unlocked.

    Raises:
        InputError: Another run has it.
    """
    if fcntl is None:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise InputError(
            f"{folder}: another run is writing into this folder; wait until it ends, or choose another folder"
        ) from error
    except OSError:  # a network file system that knows no locks
        os.close(descriptor)
    else:
        _held.append(descriptor)


def release_folders() -> None:
    """Release all locks; worker processes do so too, or they would hold them beyond the end of the run."""
    while _held:
        with suppress(OSError):
            os.close(_held.pop())


@contextmanager
def folder_locks() -> Iterator[None]:
    """Locks taken inside are released at the end."""
    try:
        yield
    finally:
        release_folders()
