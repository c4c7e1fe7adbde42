"""Which files of a folder are pictures."""

import glob
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from vit_adapter.config import InputError

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
# Listed although they cannot be read: a picture that is reported as unsupported is better than one
# overlooked.
UNSUPPORTED_SUFFIXES = frozenset({".heic", ".heif", ".avif", ".jxl", ".jp2"})


def list_images(where: str | os.PathLike[str], channels: int = 3) -> list[Path]:
    """Find the pictures of a folder, of a pattern, or the one that a path names.

    Folders are not entered (use a pattern such as ``photos/**/*.jpg``). Suffixes count in any case; hidden
    files and folders (name with a leading dot) are left out. Pictures in formats that cannot be read (HEIC,
    AVIF ...) are listed, so that reading them says so.

    Args:
        where: A file, a folder, or a pattern with ``*``, ``?``, ``[...]`` or ``**``.
        channels: With a number other than 1 and 3, ``.npy`` files count as pictures too.

    Returns:
        Paths sorted by name as text: ``frame_10`` comes before ``frame_2``.

    Raises:
        InputError: Nothing there, or no picture among it.
    """
    suffixes = IMAGE_SUFFIXES | UNSUPPORTED_SUFFIXES
    if channels not in (1, 3):
        suffixes |= {".npy"}
    path = Path(where)
    if path.is_file():
        return [path]
    if path.is_dir():
        candidates = list(path.iterdir())
    elif glob.has_magic(str(where)):
        # glob itself leaves hidden files and folders out.
        candidates = [Path(name) for name in glob.glob(str(where), recursive=True)]
    else:
        raise InputError(f"{where}: no such file or folder")
    found = sorted(
        candidate
        for candidate in candidates
        if candidate.suffix.lower() in suffixes and not candidate.name.startswith(".") and candidate.is_file()
    )
    if not found:
        raise InputError(
            f"{where}: no picture there (looked for {', '.join(sorted(suffixes))})"
            + arrays_remark(candidates, channels)
        )
    return found


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
        f"; {len(arrays)} NPY array{'s' * (len(arrays) > 1)}{found} count as images with --model.in_chans {count}, and "
        "--data.mean and --data.std with one number for each channel"
    )
