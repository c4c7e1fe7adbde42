"""ADE20K in the layout of ``ADEChallengeData2016``: 150 classes numbered from 1, 0 is ignored."""

from pathlib import Path

from .class_files import ClassEntry, read_class_file
from .layout import Layout
from .pairs import match_folders, pictures_below

FOLDER = "ADEChallengeData2016"
# The text file first: the names in some copies of the CSV are cut at blanks.
CLASS_FILES = ("objectInfo150.txt", "objectInfo150.csv")
CLASS_COUNT = 150


def ade20k_root(root: Path) -> Path:
    """The folder itself, or the official folder in it."""
    return root / FOLDER if (root / FOLDER).is_dir() else root


def is_ade20k(root: Path) -> bool:
    """The two folders, and a name that is ADE20K's: of the folder, of its class list, or of its masks."""
    root = ade20k_root(root)
    annotations = root / "annotations"
    if not ((annotations / "training").is_dir() or (annotations / "validation").is_dir()):
        return False
    if root.name == FOLDER or any((root / name).is_file() for name in CLASS_FILES):
        return True
    return any(path.name.startswith("ADE_") for path in pictures_below(annotations)[:1])


def find_ade20k(root: Path) -> Layout:
    """``images/training`` + ``annotations/training`` and the same with ``validation``.

    Mask value k is class k - 1, 0 is ignored (FACTS 24). The names are those of ``objectInfo150.txt`` where it
    is there, otherwise "class 1" to "class 150"; ``--data.classes`` comes before both.
    """
    root = ade20k_root(root)
    parts = {
        split: match_folders(root / "images" / folder, root / "annotations" / folder)
        for split, folder in (("train", "training"), ("val", "validation"))
    }
    for name in CLASS_FILES:
        if (root / name).is_file():
            entries, origin = read_class_file(root / name), str(root / name)
            break
    else:
        entries = [ClassEntry(f"class {number}", number) for number in range(1, CLASS_COUNT + 1)]
        origin = f"ADE20K's {CLASS_COUNT} classes"
    return Layout("ade20k", root, parts, entries, origin, void_id=0, reduce_zero=True)
