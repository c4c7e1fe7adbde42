"""Whether results can be written, checked before the work is done."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from .errors import InputError
from .files import system_reason


def check_output_folder(folder: str | Path, setting: str) -> None:
    """Make sure that files can be written into a folder, which need not exist yet; nothing is left behind.

    Args:
        folder: The folder.
        setting: What named it, for the message: "--out".

    Raises:
        InputError: A file is in the way, a name is too long, or nothing may be written there.
    """
    _check(Path(folder), Path(folder), setting)


def check_output_file(file: str | Path, setting: str) -> None:
    """The same for a single file, which may exist.

    Args:
        file: The file.
        setting: What named it, for the message.

    Raises:
        InputError: A folder of that name is there, or nothing can be written in its folder.
    """
    file = Path(file)
    if os.path.isdir(file):
        raise InputError(f"{setting} {file}: a folder of that name exists, expected a file")
    _check(file, file.parent, setting)
    _check_name(file.name, _existing(file.parent), f"{setting} {file}")


def _check(named: Path, folder: Path, setting: str) -> None:
    where = f"{setting} {named}"
    existing = _existing(folder)
    if not os.path.isdir(existing):
        if os.path.islink(existing) and not os.path.exists(existing):
            reason = f"{existing} is a link to {os.readlink(existing)}, which does not exist"
        else:
            reason = f"{existing} is a file, expected a folder"
        raise InputError(f"{where}: {reason}")
    for name in folder.parts[len(existing.parts) :] if existing != Path() else folder.parts:
        _check_name(name, existing, where)
    # Asking for permissions is not enough: file systems may be read-only, and the administrator has them all. The
    # folder itself is not made, since other processes may ask at the same moment.
    probe = existing / f".{secrets.token_hex(6)}.partial"
    try:
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        raise InputError(f"{where}: cannot be written: {system_reason(error)}") from error
    finally:
        with suppress(OSError):
            probe.unlink()


def _existing(path: Path) -> Path:
    """The path itself, or the nearest folder above it that is there (or a file, or a broken link)."""
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path


def _check_name(name: str, folder: Path, where: str) -> None:
    longest = longest_name(folder)
    size = len(os.fsencode(name))
    if size > longest:
        raise InputError(
            f"{where}: a name of {size} bytes, more than the {longest} that its file system takes"
        )


def longest_name(folder: Path) -> int:
    """Bytes that the name of a file in a folder may have; 255 where the system does not say."""
    try:
        return os.pathconf(_existing(folder), "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):
        return 255
