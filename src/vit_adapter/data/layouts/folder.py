"""The plain folder: images and masks side by side, split by folders, by lists, or not at all."""

from itertools import product
from pathlib import Path

from vit_adapter.config import DataConfig, InputError, TaskName

from .beside import find_beside
from .folder_objects import OBJECT_FOLDERS, find_table, with_object_files, with_table
from .layout import SPLIT_NAMES, TEST_NAMES, Layout
from .lists import find_list, read_list
from .pairs import SplitPart, images_below, match_folders
from .split import split_by_name

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "JPEGImages", "img_dir")
MASK_FOLDERS = ("masks", "mask", "labels", "label", "annotations", "SegmentationClass", "ann_dir", "annots")
FORMS = (
    "images/train + masks/train, train/images + train/masks, images + masks, or lists train.txt and val.txt"
)


def find_folder(root: Path, config: DataConfig, channels: int, task: TaskName = "semantic") -> Layout:
    """Finds a plain folder: images and masks, see ``_find``, and objects beside them.

    Objects are in a folder ``instances`` (or ``instance``, ``inst``, ``objects``, ``instance_masks``,
    ``SegmentationObject``) that stands beside the folder of masks, in files of the same names. Or there are no masks,
    and a table (``objects.csv``, ``objects.json`` ...) in the root says of which class each number is.

    Raises:
        InputError: When none of these is there, or a folder without parts has too few pairs.
    """
    table = find_table(root)
    if table is None:
        return with_object_files(_find(root, config, channels, MASK_FOLDERS), MASK_FOLDERS)
    return with_table(_find(root, config, channels, (*OBJECT_FOLDERS, *MASK_FOLDERS)), table, config, task)


def _find(root: Path, config: DataConfig, channels: int, mask_folders: tuple[str, ...]) -> Layout:
    """Finds the parts of a plain folder, in this order:

    1. lists ``train.txt`` and ``val.txt`` in the root or in ``ImageSets/Segmentation`` (VOC);
    2. ``images/train`` + ``masks/train``, ``train/images`` + ``train/masks``, or ``train_images`` +
       ``train_masks``; ``val`` may be called ``valid`` or ``validation``, ``train`` also ``training``; a third part
       ``test`` (``testing``) is for measuring alone, also as ``test.txt`` beside lists;
    3. ``images`` + ``masks`` without parts: split by name, see ``split_by_name``;
    4. masks beside their images, see ``find_beside``, in ``train`` and ``valid`` or without parts.

    Images may also be in ``image``, ``imgs``, ``img``, ``img_dir`` or ``JPEGImages``, masks in ``mask``,
    ``labels``, ``label``, ``annotations``, ``annots``, ``ann_dir`` or ``SegmentationClass``.

    Raises:
        InputError: When none of these is there, or a folder without parts has too few pairs.
    """
    lists = {split: find_list(root, names) for split, names in SPLIT_NAMES.items()}
    if any(lists.values()):
        test = find_list(root, TEST_NAMES)
        wanted = lists if test is None else lists | {"test": test}
        parts = _by_lists(root, wanted, channels, config.skip_unlabelled, mask_folders)
        return Layout("folder", root, parts, test=parts.pop("test", None))
    folders = {split: _split_folders(root, names, mask_folders) for split, names in SPLIT_NAMES.items()}
    if any(folders.values()):
        parts = {}
        for split, found in folders.items():
            if found is None:
                parts[split] = SplitPart(problems=[f"{root}: has no {split} part, expected {FORMS}"])
            else:
                parts[split] = match_folders(*found, channels, skip_unlabelled=config.skip_unlabelled)
        test = _split_folders(root, TEST_NAMES, mask_folders)
        # Masks of test images are often kept back.
        third = None
        if test is not None and test[1].is_dir():
            third = match_folders(*test, channels, skip_unlabelled=config.skip_unlabelled)
        return Layout("folder", root, parts, test=third)
    whole = _whole_folders(root, mask_folders)
    if whole is not None:
        everything = match_folders(*whole, channels, skip_unlabelled=config.skip_unlabelled)
    else:
        beside = _beside(root, channels, config.skip_unlabelled)
        if not beside:
            raise InputError(f"{root}: holds no data set; expected {FORMS}; found {_listing(root)}")
        if "" not in beside:
            parts = {
                split: beside.get(split)
                or SplitPart(problems=[f"{root}: has no {split} part of images with masks beside"])
                for split in SPLIT_NAMES
            }
            return Layout("folder", root, parts, test=beside.get("test"))
        everything = beside[""]
    if not everything.pairs and everything.problems:
        return Layout(
            "folder", root, {split: SplitPart(problems=everything.problems) for split in SPLIT_NAMES}
        )
    sides = split_by_name(everything.pairs, config.validation_share, str(root))
    # Both sides carry what was wrong with the folder: opening either must say it.
    rest = everything.problems, everything.unlabelled, everything.own_results
    return Layout("folder", root, {split: SplitPart(pairs, *rest) for split, pairs in sides.items()})


def holds_masks(root: Path) -> bool:
    """Whether a plain folder of that root has a file of masks."""
    found = [_whole_folders(root), *(_split_folders(root, names) for names in SPLIT_NAMES.values())]
    return any(images_below(masks) for _, masks in filter(None, found)) or bool(_beside(root, 3, True))


def _beside(root: Path, channels: int, skip_unlabelled: bool) -> dict[str, SplitPart]:
    """Parts whose masks lie beside their images, or "" with the whole of the root."""
    parts: dict[str, SplitPart] = {}
    for split, names in {**SPLIT_NAMES, "test": TEST_NAMES}.items():
        place = next((root / name for name in names if (root / name).is_dir()), None)
        found = None if place is None else find_beside(place, channels, skip_unlabelled)
        if found is not None:
            parts[split] = found
    if parts:
        return parts
    whole = find_beside(root, channels, skip_unlabelled)
    return {} if whole is None else {"": whole}


def _by_lists(
    root: Path,
    lists: dict[str, Path | None],
    channels: int,
    skip_unlabelled: bool,
    mask_folders: tuple[str, ...],
) -> dict[str, SplitPart]:
    whole = _whole_folders(root, mask_folders)
    everything = (
        match_folders(*whole, channels, skip_unlabelled=skip_unlabelled) if whole is not None else None
    )
    parts = {}
    for split, path in lists.items():
        if path is None:
            parts[split] = SplitPart(
                problems=[f"{root}: has a list for one part, but none named {split}.txt"]
            )
        else:
            parts[split] = read_list(path, root, everything, skip_unlabelled)
    return parts


def _split_folders(
    root: Path, names: tuple[str, ...], mask_folders: tuple[str, ...] = MASK_FOLDERS
) -> tuple[Path, Path] | None:
    incomplete = None
    for name, images, masks in product(names, IMAGE_FOLDERS, mask_folders):
        for image_folder, mask_folder in (
            (root / images / name, root / masks / name),
            (root / name / images, root / name / masks),
            (root / f"{name}_{images}", root / f"{name}_{masks}"),
        ):
            if image_folder.is_dir() and mask_folder.is_dir():
                return image_folder, mask_folder
            if image_folder.is_dir() and incomplete is None:
                incomplete = image_folder, mask_folder
    return incomplete


def _whole_folders(root: Path, mask_folders: tuple[str, ...] = MASK_FOLDERS) -> tuple[Path, Path] | None:
    incomplete = None
    for images, masks in product(IMAGE_FOLDERS, mask_folders):
        if (root / images).is_dir():
            if (root / masks).is_dir():
                return root / images, root / masks
            incomplete = incomplete or (root / images, root / masks)
    return incomplete


def _listing(root: Path) -> str:
    names = sorted(
        path.name + "/" * path.is_dir() for path in root.iterdir() if not path.name.startswith(".")
    )
    return (
        ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        if names
        else "nothing"
    )
