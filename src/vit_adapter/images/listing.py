"""Which files of a folder are images."""

import glob
import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy as np

from vit_adapter.config import InputError
from vit_adapter.config.paths import takes_paths

IMAGE_SUFFIXES = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".tif",
        ".tiff",
        ".bmp",
        ".webp",
        ".gif",
        ".ppm",
        ".pgm",
        ".pbm",
    }
)
# Listed although they cannot be read: an image that is reported as unsupported is better than one
# overlooked.
UNSUPPORTED_SUFFIXES = frozenset({".heic", ".heif", ".avif", ".jxl", ".jp2"})


@takes_paths("where")
def list_images(where: str | os.PathLike[str], channels: int = 3) -> list[Path]:
    """Find the images of a folder, of a pattern, or the one that a path names.

    Folders are not entered (``walk_images`` does, and a pattern such as ``photos/**/*.jpg``). Suffixes count in any
    case; hidden files and folders (name with a leading dot) are left out. Listed although they cannot be read, so
    that reading them says so: images in unsupported formats (HEIC, AVIF ...), and links to files that are not there.

    Args:
        where: A file, a folder, or a pattern with ``*``, ``?``, ``[...]`` or ``**``.
        channels: With a number other than 1 and 3, ``.npy`` files count as images too.

    Returns:
        Paths as they were named, links not followed, sorted by name as text: ``frame_10`` comes before ``frame_2``.

    Raises:
        InputError: Nothing there, or no image among it.
    """
    check_no_address(where)
    suffixes = _suffixes(channels)
    path = Path(where)
    if os.path.isfile(path):
        return [path]
    if os.path.isdir(path):
        candidates = list(path.iterdir())
    elif os.path.islink(path):
        raise InputError(f"{where}: a link to {os.readlink(path)}, which does not exist")
    elif glob.has_magic(str(where)):
        # glob itself leaves hidden files and folders out, but follows links to folders round and round.
        candidates = _without_loops([Path(name) for name in glob.glob(str(where), recursive=True)])
    else:
        raise InputError(f"{where}: no such file or folder")
    found = sorted(candidate for candidate in candidates if _is_listed(candidate, suffixes))
    if not found:
        raise InputError(
            f"{where}: no image there (looked for {', '.join(sorted(suffixes))})"
            + arrays_remark(candidates, channels)
        )
    return found


def walk_images(
    folder: str | os.PathLike[str], channels: int = 3, problems: list[str] | None = None
) -> list[Path]:
    """Find the images of a folder and of all folders below it, as ``list_images`` finds those of one folder.

    Links to folders are followed, but never back into a folder that the walk is in already.

    Args:
        folder: The folder.
        channels: With a number other than 1 and 3, ``.npy`` files count as images too.
        problems: Takes one line for each folder that cannot be read; None: the first one is an error.

    Returns:
        Paths below ``folder``, sorted; empty when there is no image.

    Raises:
        InputError: A folder cannot be read.
    """

    def walk(place: Path, above: frozenset[tuple[int, int]]) -> Iterator[Path]:
        try:
            state = place.stat()
            here = state.st_dev, state.st_ino
            if here in above:
                return
            entries = list(os.scandir(place))
        except OSError as error:
            line = f"{place}: cannot be read: {(error.strerror or str(error)).lower()}"
            if problems is None:
                raise InputError(line) from error
            problems.append(line)
            return
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if is_folder(entry):
                yield from walk(place / entry.name, above | {here})
            elif _is_listed(place / entry.name, suffixes):
                yield place / entry.name

    suffixes = _suffixes(channels)
    return sorted(walk(Path(folder), frozenset()))


def is_folder(entry: os.DirEntry) -> bool:
    """Whether an entry of a folder is one, or a link to one; a link that leads to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def arrays_remark(files: Iterable[Path], channels: int) -> str:
    """What to say where nothing was found but NPY arrays, which are images only of other than 1 or 3 channels."""
    if channels not in (1, 3):
        return ""
    arrays = sorted(file for file in files if file.suffix.lower() == ".npy")
    if not arrays:
        return ""
    try:
        shape = np.load(arrays[0], mmap_mode="r", allow_pickle=False).shape
    except (ValueError, OSError, EOFError):
        shape = ()
    found = f" (the first of shape {'x'.join(map(str, shape))})" if shape else ""
    count = shape[2] if len(shape) == 3 else "N"
    return (
        f"; {len(arrays)} NPY array{'s' * (len(arrays) > 1)}{found} count as images with "
        f"--model.vit.in_chans {count}, and --data.mean and --data.std with one number for each channel"
    )


def check_no_address(where: str | os.PathLike[str]) -> None:
    """Refuses ``https://...`` in place of a file, before a path makes another text of it."""
    if str(where).startswith(("http://", "https://")):
        raise InputError(
            f"{where}: is an address; fetch the file first and name it, or give its bytes in Python"
        )


def _suffixes(channels: int) -> frozenset[str]:
    suffixes = IMAGE_SUFFIXES | UNSUPPORTED_SUFFIXES
    return suffixes if channels in (1, 3) else suffixes | {".npy"}


def _is_listed(path: Path, suffixes: frozenset[str]) -> bool:
    if path.suffix.lower() not in suffixes or path.name.startswith("."):
        return False
    return os.path.isfile(path) or (os.path.islink(path) and not os.path.exists(path))


def _without_loops(paths: list[Path]) -> list[Path]:
    """The paths that do not pass through one and the same folder twice."""

    @cache
    def real(folder: Path) -> str:
        return os.path.realpath(folder)

    @cache
    def repeats(folder: Path) -> bool:
        passed = [real(place) for place in (folder, *folder.parents)]
        return len(set(passed)) < len(passed)

    return [path for path in paths if not repeats(path.parent)]
