"""Files are written beside their place and renamed: a reader never meets half a file."""

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from .deferred_signals import deferred_signals
from .errors import InputError

RUN_SETTINGS = "config.yaml"
"""In a run's folder, its settings."""

FULL = "the disk is full; free some space or choose another folder"

# Some writers (torch, safetensors) report a full disk without the system's error number. A disk with less
# room than this while a write failed is taken for the reason.
_FULL_BELOW_BYTES = 64 * 1024


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path in the same folder that becomes ``path`` when the block ends without an error.

    The temporary name is hidden and keeps the suffix, so that writers which choose the format by the name do
    the same as for ``path``. Missing folders are made. On any error the temporary file is removed and an
    older file at ``path`` stays as it was.

    Raises:
        InputError: The file cannot be written (disk full, no permission, a folder of that name ...).
    """
    path = Path(path)
    with _temporary_for(path) as (temporary, mode):
        yield temporary
        _complete(temporary, mode)
        os.replace(temporary, path)


@contextmanager
def _temporary_for(path: Path) -> Iterator[tuple[Path, int]]:
    """A new, empty file beside ``path`` and its permissions; removed at the end, if it is still there.

    Errors become those of ``atomic_path``.
    """
    # The name is short on purpose: a name of the greatest allowed length must not become too long here.
    temporary = path.with_name(f".{secrets.token_hex(6)}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Made here, not with tempfile, so that the file gets the user's usual permissions instead of 0600.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        mode = stat.S_IMODE(temporary.stat().st_mode)
        yield temporary, mode
    except InputError as error:
        # A writer that is given the temporary file speaks of the only name that it knows.
        if str(temporary) not in str(error):
            raise
        raise InputError(str(error).replace(str(temporary), str(path))) from error
    except Exception as error:
        reason = _reason(error, temporary, path)
        if reason is None:
            raise
        raise InputError(f"{path}: cannot be written: {reason}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_atomically(path: str | Path, writer: Callable[[Path], object]) -> Path:
    """Let ``writer`` write a temporary file in the folder of ``path``, then rename it to ``path``.

    Args:
        path: The file to make or replace.
        writer: Called once with the path to write to, for instance ``image.save``.

    Returns:
        ``path``.

    Raises:
        InputError: See ``atomic_path``.
    """
    with atomic_path(path) as temporary:
        writer(temporary)
    return Path(path)


def write_together(files: Mapping[Path, Callable[[Path], object]]) -> list[Path]:
    """Write several files that belong together: all of them or, on any error or interruption, none.

    Everything is written under temporary names first and renamed at the end, in the order given, while Ctrl-C and
    SIGTERM wait. The last file is therefore the sign that the others are there, even after a power failure.

    Args:
        files: The writer of each file, called once with the path to write to.

    Returns:
        The paths.

    Raises:
        InputError: See ``atomic_path``.
    """
    with ExitStack() as stack:
        renames: list[tuple[Path, Path]] = []
        for path, writer in files.items():
            temporary, mode = stack.enter_context(_temporary_for(path))
            writer(temporary)
            _complete(temporary, mode)
            renames.append((temporary, path))
        with deferred_signals():
            placed: list[Path] = []
            try:
                for temporary, path in renames:
                    os.replace(temporary, path)
                    placed.append(path)
            except OSError:
                for path in placed:
                    path.unlink()
                raise
    return list(files)


def system_reason(error: OSError) -> str:
    """Why the system could not write a file, in words for the user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FULL
    return (error.strerror or str(error)).lower()


def _complete(path: Path, mode: int) -> None:
    """Permissions as the umask says, and the content on the disk."""
    with suppress(OSError):  # a file system without permissions
        # safetensors puts a file of its own, for the owner alone, in this one's place.
        path.chmod(mode)
    _flush_to_disk(path)


def _flush_to_disk(path: Path) -> None:
    """Network and compressed file systems report a full disk only now."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: Exception, temporary: Path, path: Path) -> str | None:
    """Why the file could not be written, or None when the error is about something else."""
    if isinstance(error, OSError):
        about = {None, *(str(place) for place in (temporary, path, *path.parents))}
        if error.filename is not None and os.fspath(error.filename) not in about:
            return None  # another file that the writer touched
        return system_reason(error)
    if "No space left on device" in str(error) or _free_bytes(path.parent) < _FULL_BELOW_BYTES:
        return FULL
    return None


def _free_bytes(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return _FULL_BELOW_BYTES
