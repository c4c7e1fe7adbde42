"""Which mask belongs to which image."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from vit_adapter.config.own_files import read_mark
from vit_adapter.images import arrays_remark, walk_images

WITHOUT_THEM = "--data.skip_unlabelled true leaves out images without a mask"


@dataclass(frozen=True)
class Pair:
    """An image and its mask.

    Attributes:
        name: Path of the image below its folder, without suffix, with "/" between parts.
        image: The image's file.
        mask: The mask's file.
    """

    name: str
    image: Path
    mask: Path


@dataclass
class SplitPart:
    """One side of a split.

    Attributes:
        pairs: Images with their masks, sorted by name (by list, where there is one).
        problems: One line each on files that belong nowhere.
        unlabelled: Images without a mask, also where they are no problem.
        own_results: Sheets, overlays and label maps of this tool among the images, which are left out.
    """

    pairs: list[Pair] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unlabelled: list[Path] = field(default_factory=list)
    own_results: list[Path] = field(default_factory=list)


def match_folders(
    image_folder: Path,
    mask_folder: Path,
    channels: int = 3,
    *,
    image_ending: str = "",
    mask_ending: str = "",
    skip_unlabelled: bool | None = None,
) -> SplitPart:
    """Pairs of two folders and their sub-folders: same place, same name, any suffix.

    Where no name fits, masks may have one common addition at the end (``a.jpg`` with ``a_mask.png``). Hidden files and
    folders are left out, and results of this tool that no mask goes with. Problems are: images without mask, masks
    without image, two images or two masks of one name.

    Args:
        image_folder: The images.
        mask_folder: The masks.
        channels: Channels of the images; with more than three, ``.npy`` files are images too.
        image_ending: What every image has at the end of its name, before the suffix; other files are left out.
        mask_ending: The same of masks.
        skip_unlabelled: Images without a mask are no problem; None: they are, and no setting changes it.
    """
    part = SplitPart()
    images = _by_key(image_folder, channels, "images", part.problems, image_ending)
    masks = _by_key(mask_folder, 0, "masks", part.problems, mask_ending)
    if not mask_ending and images and masks and not images.keys() & masks.keys():
        masks = _without_common_ending(masks, list(images))
    if not images or not masks:
        return part  # what is missing is said once, not for every file of the other side
    lonely = sorted(images.keys() - masks.keys())
    part.own_results, part.unlabelled = own_apart(images[key] for key in lonely)
    left_out = set(part.own_results)
    lonely = [key for key in lonely if images[key] not in left_out]
    if lonely and not skip_unlabelled:
        expected = f"{mask_folder / lonely[0]}{mask_ending}.png (or another suffix)"
        verb = "has" if len(lonely) == 2 else "have"
        more = f", nor {verb} {len(lonely) - 1} further of {len(images)} images" if len(lonely) > 1 else ""
        advice = "" if skip_unlabelled is None else f"; {WITHOUT_THEM}"
        part.problems.append(f"{images[lonely[0]]}: has no mask, expected {expected}{more}{advice}")
    for key in sorted(images.keys() | masks.keys()):
        if key not in masks:
            continue
        if key not in images:
            part.problems.append(
                f"{masks[key]}: belongs to no image, expected {image_folder / key}{image_ending}.jpg "
                "(or another suffix)"
            )
        else:
            part.pairs.append(Pair(key, images[key], masks[key]))
    return part


def join_parts(first: SplitPart, second: SplitPart) -> SplitPart:
    """Two parts as one; names that occur in both get a number."""
    taken = {pair.name for pair in first.pairs}
    others = [replace(pair, name=f"{pair.name}-2") if pair.name in taken else pair for pair in second.pairs]
    problems = first.problems + [problem for problem in second.problems if problem not in first.problems]
    return SplitPart(
        first.pairs + others,
        problems,
        first.unlabelled + second.unlabelled,
        first.own_results + second.own_results,
    )


def own_apart(images: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Results of this tool, and the others."""
    own: list[Path] = []
    others: list[Path] = []
    for image in images:
        (others if read_mark(image) is None else own).append(image)
    return own, others


def images_below(folder: Path, channels: int = 3, problems: list[str] | None = None) -> list[Path]:
    """Images of a folder and its sub-folders, sorted; empty when there are none.

    Args:
        folder: The folder; one that is not there holds none.
        channels: Channels of the images.
        problems: Takes one line for each folder that cannot be read; None: the first one is an error.
    """
    return walk_images(folder, channels, problems) if folder.is_dir() else []


def key_of(path: Path, folder: Path) -> str:
    """Place and name of a file below a folder without suffix.

    Normalised: the same letter may be stored as one or as two characters, by different systems.
    """
    return unicodedata.normalize("NFC", path.relative_to(folder).with_suffix("").as_posix())


def _by_key(folder: Path, channels: int, what: str, problems: list[str], ending: str = "") -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in images_below(folder, channels, problems):
        key = key_of(path, folder)
        if not key.endswith(ending):
            continue
        key = key.removesuffix(ending)
        if key in found:
            problems.append(f"{found[key]} and {path}: two {what} of one name, which one is meant?")
        else:
            found[key] = path
    if not found:
        arrays = arrays_remark(folder.rglob("*"), channels) if what == "images" else ""
        problems.append(f"{folder}: holds no {what}" + (f" named *{ending}.png" if ending else "") + arrays)
    return found


def _without_common_ending(masks: dict[str, Path], names: Iterable[str]) -> dict[str, Path]:
    """Masks by the image's name where each is an image's name plus one and the same ending."""
    first = min(masks)
    owners = [name for name in names if first.startswith(name)]
    ending = first[len(max(owners, key=len)) :] if owners else ""
    if not ending or not all(key.endswith(ending) for key in masks):
        return masks
    return {key.removesuffix(ending): path for key, path in masks.items()}
