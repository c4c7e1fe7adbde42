"""The files of a folder and of all below it."""

import os
from pathlib import Path

from vit_adapter.config import InputError


def files_below(folder: Path, suffix: str) -> list[Path]:
    """Files of a suffix (any case) in a folder and its sub-folders, sorted; hidden ones are left out.

    Links to files and folders are followed and keep their names; a link back to a folder above is not entered again.

    Raises:
        InputError: When a folder cannot be listed.
    """

    def walk(place: Path, above: frozenset[tuple[int, int]]) -> list[Path]:
        try:
            status = place.stat()
            names = sorted(os.listdir(place))
        except OSError as error:
            raise InputError(f"{place}: cannot be read ({error.strerror or error})") from None
        here = status.st_dev, status.st_ino
        if here in above:
            return []
        found: list[Path] = []
        for path in (place / name for name in names if not name.startswith(".")):
            if path.is_dir():
                found += walk(path, above | {here})
            elif path.suffix.lower() == suffix:
                found.append(path)
        return found

    return sorted(walk(folder, frozenset()))
