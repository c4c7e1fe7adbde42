"""Writing a converted data set: pictures, masks and class list, whole or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath

import numpy as np
from PIL import Image

from vit_adapter.config import InputError

BACKGROUND_NAMES = ("background", "_background_", "__background__", "bg")


@dataclass
class Conversion:
    """What a conversion wrote.

    Attributes:
        out: The folder.
        classes: Class names; a class's place is its mask value.
        pictures: Pictures written.
        objects: Objects drawn.
        left_out: One line for each object or picture that was left out.
    """

    out: Path
    classes: list[str] = field(default_factory=list)
    pictures: int = 0
    objects: int = 0
    left_out: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [
            f"{self.out}: {self.pictures} pictures, {self.objects} objects, {len(self.classes)} classes "
            "(images, masks, classes.txt)"
        ]
        lines += [f"left out: {text}" for text in self.left_out[:20]]
        if len(self.left_out) > 20:
            lines.append(f"and {len(self.left_out) - 20} more left out")
        return "\n".join(lines)


class FolderWriter:
    """Puts pictures and masks into a folder that is still under construction."""

    def __init__(self, folder: Path, class_count: int) -> None:
        self.folder = folder
        self.void = 255 if class_count <= 255 else 65535
        self._mask_type = np.uint8 if class_count <= 255 else np.uint16
        self._taken: dict[str, str] = {}

    def empty_mask(self, size: tuple[int, int], value: int) -> np.ndarray:
        """A mask [H, W] of one value, 8 bits, or 16 for more than 255 classes."""
        return np.full(size, value, dtype=self._mask_type)

    def add(self, name: str, picture: Path | bytes, mask: np.ndarray) -> None:
        """Copies a picture and writes its mask.

        Args:
            name: Path of the picture below the folder of pictures, with suffix.
            picture: The file, or its content.
            mask: Values [H, W].

        Raises:
            InputError: When another picture has that name, with this or another suffix, or the name leaves the
                folder.
        """
        place = safe_path(name)
        stem = place.with_suffix("").as_posix()
        if stem in self._taken:
            raise InputError(f"{name} and {self._taken[stem]}: two pictures would share the mask {stem}.png")
        self._taken[stem] = name
        image_file = self.folder / "images" / place
        mask_file = self.folder / "masks" / f"{stem}.png"
        for file in (image_file, mask_file):
            file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(picture, bytes):
            image_file.write_bytes(picture)
        else:
            shutil.copyfile(picture, image_file)
        Image.fromarray(mask).save(mask_file)


def safe_path(name: str) -> Path:
    """A relative path below a folder, from a name with either kind of slash.

    Raises:
        InputError: For an absolute path or one that leads upwards.
    """
    path = PureWindowsPath(name)
    if path.is_absolute() or path.drive or path.root or ".." in path.parts or not path.name:
        raise InputError(f"the picture name {name!r} is not a path below the folder of pictures")
    return Path(*path.parts)


@contextmanager
def folder_in_place(out: Path) -> Iterator[Path]:
    """A temporary folder beside ``out`` that becomes ``out`` when the block ends without an error.

    Raises:
        InputError: When ``out`` is there already and not empty, or cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: is there already; choose a new or empty folder")
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
    """One name a line; the line is the mask value."""
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def refuse_broken(broken: list[str]) -> None:
    """Raises InputError naming what cannot be drawn; silent for an empty list."""
    if broken:
        more = f"; and {len(broken) - 10} more" if len(broken) > 10 else ""
        raise InputError("; ".join(broken[:10]) + more)
