"""Writing a converted data set: images, masks and class list, whole or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
from PIL import Image

from vit_adapter.config import InputError
from vit_adapter.images.listing import IMAGE_SUFFIXES

from ..file_tree import composed


class FolderWriter:
    """Puts images and masks into a folder that is still under construction."""

    def __init__(self, folder: Path, class_count: int) -> None:
        self.folder = folder
        self.void = 255 if class_count <= 255 else 65535
        self._mask_type = np.uint8 if class_count <= 255 else np.uint16
        self._taken: dict[tuple[str, str], str] = {}

    def empty_mask(self, size: tuple[int, int], value: int) -> np.ndarray:
        """A mask [H, W] of one value, 8 bits, or 16 for more than 255 classes."""
        return np.full(size, value, dtype=self._mask_type)

    def claim(self, name: str, part: str = "") -> None:
        """Takes the name of an image, which no other of the same part may have after that.

        Args:
            name: Path of the image below the folder of images, with suffix.
            part: Folder of its part; "": there are none.

        Raises:
            InputError: When another image has that name, with this or another suffix, the name leaves the folder, or
                its suffix is not that of an image.
        """
        place = safe_path(name)
        stem = place.with_suffix("").as_posix()
        if place.suffix.lower() not in IMAGE_SUFFIXES:
            raise InputError(f"{name}: has the suffix {place.suffix!r}, which is not that of an image")
        if (part, composed(stem)) in self._taken:
            first = self._taken[part, composed(stem)]
            raise InputError(f"{name} and {first}: two images would share the mask {stem}.png")
        self._taken[part, composed(stem)] = name

    def add(self, name: str, image: Path | bytes, mask: np.ndarray, part: str = "") -> None:
        """Copies an image, a file or its content, and writes its mask [H, W], under a name that was claimed."""
        place = safe_path(name)
        image_file = self.folder / part / "images" / place
        mask_file = (self.folder / part / "masks" / place).with_suffix(".png")
        for file in (image_file, mask_file):
            file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(image, bytes):
            image_file.write_bytes(image)
        else:
            shutil.copyfile(image, image_file)
        Image.fromarray(mask).save(mask_file)


def safe_path(name: str) -> Path:
    """A relative path below a folder, from a name with either kind of slash.

    Raises:
        InputError: For an absolute path or one that leads upwards.
    """
    path = PureWindowsPath(name)
    if path.is_absolute() or path.drive or path.root or ".." in path.parts or not path.name:
        raise InputError(f"the image name {name!r} is not a path below the folder of images")
    return Path(*path.parts)


def size_problem(file: Path, size: tuple[int, int], height: Any, width: Any, said_by: Path) -> str | None:
    """What is wrong when an annotation says another height and width than the (height, width) that an image shows."""
    if (height, width) == size:
        return None
    turned = (
        "; the objects seem to be drawn on the image before it is turned by its EXIF tag"
        if (width, height) == size
        else ""
    )
    return f"{file}: shows {size[1]}x{size[0]} pixels (width x height), but {said_by} says {width}x{height}{turned}"


@contextmanager
def folder_in_place(out: Path) -> Iterator[Path]:
    """A temporary folder beside ``out`` that becomes ``out`` when the block ends without an error.

    Raises:
        InputError: When ``out`` exists already and is not empty, or cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: exists already; choose a new or empty folder")
    temporary: Path | None = None
    try:
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".partial-", dir=out.absolute().parent))
        yield temporary
        temporary.chmod(0o777 & ~_current_umask(temporary))
        if out.exists():
            out.rmdir()
        temporary.rename(out)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror or error})") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                shutil.rmtree(temporary)


def _current_umask(folder: Path) -> int:
    """Read from a folder made in the ordinary way: asking for it would change it for other threads."""
    probe = folder / ".probe"
    probe.mkdir()
    mode = probe.stat().st_mode & 0o777
    probe.rmdir()
    return 0o777 & ~mode


def write_class_list(folder: Path, names: list[str]) -> None:
    """One name per line; the line is the mask value."""
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
