"""Which mask belongs to which picture."""

import glob
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from vit_adapter.config import InputError
from vit_adapter.images import list_images


@dataclass(frozen=True)
class Pair:
    """A picture and its mask.

    Attributes:
        name: Path of the picture below its folder, without suffix, with "/" between parts.
        image: The picture's file.
        mask: The mask's file.
    """

    name: str
    image: Path
    mask: Path


@dataclass
class Part:
    """One side of a split.

    Attributes:
        pairs: Pictures with their masks, sorted by name (by list, where there is one).
        problems: One line each on files that fit nowhere.
    """

    pairs: list[Pair] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def match_folders(image_folder: Path, mask_folder: Path, channels: int = 3) -> Part:
    """Pairs of two folders and their sub-folders: same place, same name, any suffix.

    Where no name fits, masks may have one common addition at the end (``a.jpg`` with ``a_mask.png``). Hidden
    files and folders are left out. Problems are: pictures without mask, masks without picture, two pictures or
    two masks of one name.

    Args:
        image_folder: The pictures.
        mask_folder: The masks.
        channels: Channels of the pictures; with more than three, ``.npy`` files are pictures too.
    """
    part = Part()
    images = _by_key(image_folder, channels, "pictures", part.problems)
    masks = _by_key(mask_folder, 0, "masks", part.problems)
    if images and masks and not images.keys() & masks.keys():
        masks = _without_common_ending(masks, list(images))
    for key in sorted(images.keys() | masks.keys()):
        if key not in masks:
            part.problems.append(
                f"{images[key]}: has no mask, expected {mask_folder / key}.png (or another suffix)"
            )
        elif key not in images:
            part.problems.append(
                f"{masks[key]}: belongs to no picture, expected {image_folder / key}.jpg (or another suffix)"
            )
        else:
            part.pairs.append(Pair(key, images[key], masks[key]))
    return part


def pictures_below(folder: Path, channels: int = 3) -> list[Path]:
    """Pictures of a folder and its sub-folders, sorted; empty when there are none."""
    try:
        return list_images(f"{glob.escape(str(folder))}/**/*", channels)
    except InputError:
        return []


def key_of(path: Path, folder: Path) -> str:
    """Place and name of a file below a folder without suffix.

    Normalised: the same letter may be stored as one or as two characters, by different systems.
    """
    return unicodedata.normalize("NFC", path.relative_to(folder).with_suffix("").as_posix())


def _by_key(folder: Path, channels: int, what: str, problems: list[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in pictures_below(folder, channels):
        key = key_of(path, folder)
        if key in found:
            problems.append(f"{found[key]} and {path}: two {what} of one name, which one is meant?")
        else:
            found[key] = path
    if not found:
        problems.append(f"{folder}: holds no {what}")
    return found


def _without_common_ending(masks: dict[str, Path], names: Iterable[str]) -> dict[str, Path]:
    """Masks by the picture's name where each is a picture's name plus one and the same ending."""
    first = min(masks)
    owners = [name for name in names if first.startswith(name)]
    ending = first[len(max(owners, key=len)) :] if owners else ""
    if not ending or not all(key.endswith(ending) for key in masks):
        return masks
    return {key.removesuffix(ending): path for key, path in masks.items()}
