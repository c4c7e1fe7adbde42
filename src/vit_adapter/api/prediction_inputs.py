"""Which images ``predict`` is to segment: files, folders, patterns and lists, without its own earlier results."""

import glob
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from vit_adapter.config import InputError
from vit_adapter.config.own_files import read_mark
from vit_adapter.images import arrays_remark, list_images, walk_images


@dataclass(frozen=True)
class InputImage:
    """An image to segment.

    Attributes:
        path: The file as it was named, links not followed.
        place: Its path below the folder that was given (or below the fixed part of a pattern); the bare name of a
            file that was given itself.
    """

    path: Path
    place: PurePosixPath


@dataclass
class FoundImages:
    """What is to be segmented.

    Attributes:
        images: In the order in which they were named, none twice.
        own_results: Number of files left out because this tool wrote them.
        problems: (file or folder, reason) of what was named, or was found on the way, and cannot be used.
    """

    images: list[InputImage] = field(default_factory=list)
    own_results: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)


def find_images(
    places: Sequence[str | Path], list_file: str | Path | None = None, channels: int = 3
) -> FoundImages:
    """Find the images that files, folders, patterns and the lines of a list name.

    Folders are entered, with all folders below them. One image named twice counts once: absolute paths are
    compared, and links are not followed, so that two links to one file are two images.

    Args:
        places: Files, folders and patterns.
        list_file: A file with one of them a line, "-" for standard input; None: no list. Relative paths start at the
            working folder. What cannot be found is a problem, not an error.
        channels: Of the images.

    Raises:
        InputError: Something in ``places`` is not there, or there is no image at all.
    """
    found = FoundImages()
    named: list[InputImage] = []
    for place in places:
        named += _images_at(place, channels, found)
    lines = [] if list_file is None else read_path_list(list_file)
    for line in lines:
        try:
            named += _images_at(line, channels, found)
        except InputError as error:
            found.problems.append((line, str(error)))
    seen: set[str] = set()
    for image in named:
        path = absolute_path(image.path)
        if path in seen:
            continue
        seen.add(path)
        if _is_own_result(image.path):
            found.own_results += 1
        else:
            found.images.append(image)
    if not found.images and not found.problems:
        where = ", ".join(map(str, [*places, *([] if list_file is None else [f"list {list_file}"])]))
        if found.own_results:
            files = "file that is a result" if found.own_results == 1 else "files that are results"
            raise InputError(f"{where}: only {found.own_results} {files} of vit-adapter, no image to segment")
        nothing = "no image is named: give files, folders or --list"
        raise InputError(f"{where}: no image there" if where else nothing)
    return found


def read_path_list(file: str | Path) -> list[str]:
    """Paths of a text file, one per line; blank lines are left out.

    Args:
        file: The file; "-": standard input.

    Raises:
        InputError: It cannot be read.
    """
    if str(file) == "-":
        if sys.stdin is None:
            raise InputError("--list -: the standard input is closed")
        data = sys.stdin.buffer.read()
    else:
        try:
            data = Path(file).expanduser().read_bytes()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise InputError(f"--list {file}: cannot be read: {reason}") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # as some Windows programs write text
        try:
            data = data.decode("utf-16").encode()
        except UnicodeDecodeError:
            raise InputError(
                f"--list {file}: begins like UTF-16 text but is none; save it as UTF-8"
            ) from None
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    # File names are bytes: whatever this system takes for a name stays one.
    return [os.fsdecode(os.path.expanduser(line)) for line in (line.rstrip(b"\r") for line in lines) if line]


def absolute_path(path: Path) -> str:
    """Absolute and without ``..``, links not followed (but where ``..`` leads back over one)."""
    shortened = os.path.abspath(path)
    if ".." in path.parts and os.path.exists(path) and not _same_file(path, shortened):
        return os.path.join(os.path.realpath(path.parent), path.name)
    return shortened


def _same_file(first: Path, second: str) -> bool:
    try:
        return os.path.samefile(first, second)
    except OSError:
        return False


def _images_at(place: str | Path, channels: int, found: FoundImages) -> list[InputImage]:
    path = Path(place)
    if os.path.isdir(path):
        unreadable: list[str] = []
        images = walk_images(path, channels, unreadable)
        found.problems += [(str(place), line) for line in unreadable]
        if not images and not unreadable:
            arrays = arrays_remark(path.rglob("*"), channels)
            raise InputError(f"{place}: no image in it, nor in the folders below{arrays}")
        return [InputImage(image, PurePosixPath(image.relative_to(path).as_posix())) for image in images]
    files = list_images(place, channels)
    if os.path.isfile(path):
        return [InputImage(path, PurePosixPath(path.name))]
    root = _fixed_part(path)
    return [InputImage(file, PurePosixPath(file.relative_to(root).as_posix())) for file in files]


def _fixed_part(pattern: Path) -> Path:
    """The folder before the first part of a pattern with a wildcard."""
    parts = pattern.parts
    count = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:count])


def _is_own_result(path: Path) -> bool:
    if path.suffix.lower() == ".npy":
        # Arrays have no room for a mark: they go with the label map of their name.
        stem = path.stem.removesuffix("_scores")
        return stem != path.stem and read_mark(path.with_name(f"{stem}_labels.png")) is not None
    return path.suffix.lower() in (".png", ".tif") and read_mark(path) is not None
