"""The class list found in a data set."""

from pathlib import Path

from vit_adapter.config import InputError

from .class_files import CLASS_FILE_NAMES, ClassEntry, read_class_file
from .layouts.layout import SPLIT_NAMES


def find_class_file(root: Path) -> tuple[list[ClassEntry], str, str] | None:
    """The class list in the root, or the lists in its folders of training and validation images.

    Of several lists in one folder the first name in ``CLASS_FILE_NAMES`` counts. Lists of both parts have to agree.

    Returns:
        The entries, where they come from, and a remark on lists beside it ("": there are none); None: there
        is no list.

    Raises:
        InputError: A list cannot be used, or those of two parts differ.
    """
    found = _in_folder(root)
    if found is not None:
        return found
    parts = [root / name for names in SPLIT_NAMES.values() for name in names]
    lists = [found for part in parts if (found := _in_folder(part)) is not None]
    for entries, where, _ in lists[1:]:
        if entries != lists[0][0]:
            raise InputError(
                f"{where}: differs from {lists[0][1]}; say which one counts with --data.classes FILE"
            )
    return lists[0] if lists else None


def _in_folder(folder: Path) -> tuple[list[ClassEntry], str, str] | None:
    files = [folder / name for name in CLASS_FILE_NAMES if (folder / name).is_file()]
    if not files:
        return None
    entries = read_class_file(files[0])
    if len(files) == 1:
        return entries, str(files[0]), ""
    others = [file.name + ("" if _says(file, entries) else " (which differs)") for file in files[1:]]
    remark = f"{files[0]} is the class list; beside it and not used: {', '.join(others)}"
    return entries, str(files[0]), f"{remark}; --data.classes FILE chooses"


def _says(file: Path, entries: list[ClassEntry]) -> bool:
    try:
        return read_class_file(file) == entries
    except InputError:
        return False
