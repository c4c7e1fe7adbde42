"""CamVid in the SegNet layout: 480x360 street scenes, 11 classes, void 11."""

from pathlib import Path

from ..class_files import ClassEntry
from .layout import Layout
from .lists import read_list
from .pairs import SplitPart, match_folders

VOID = 11

# Names and colours of the SegNet repository.
CAMVID_CLASSES = (
    ClassEntry("Sky", 0, (128, 128, 128)),
    ClassEntry("Building", 1, (128, 0, 0)),
    ClassEntry("Pole", 2, (192, 192, 128)),
    ClassEntry("Road", 3, (128, 64, 128)),
    ClassEntry("Pavement", 4, (60, 40, 222)),
    ClassEntry("Tree", 5, (128, 128, 0)),
    ClassEntry("SignSymbol", 6, (192, 128, 128)),
    ClassEntry("Fence", 7, (64, 64, 128)),
    ClassEntry("Car", 8, (64, 0, 128)),
    ClassEntry("Pedestrian", 9, (64, 64, 0)),
    ClassEntry("Bicyclist", 10, (0, 128, 192)),
)


def is_camvid(root: Path) -> bool:
    """``train`` and ``trainannot`` are what no other layout has."""
    return (root / "train").is_dir() and (root / "trainannot").is_dir()


def find_camvid(root: Path) -> Layout:
    """``train`` + ``trainannot``, ``val`` + ``valannot``, and ``test`` + ``testannot`` where they are there.

    The lists ``train.txt``, ``val.txt`` and ``test.txt`` choose among them where they are there and name files that
    are (the published ones hold absolute paths of another machine, whose last two parts count).
    """
    parts = {}
    third = (root / "test").is_dir() and (root / "testannot").is_dir()
    for split in ("train", "val", "test") if third else ("train", "val"):
        path = root / f"{split}.txt"
        listed = read_list(path, root, None) if path.is_file() else SplitPart()
        parts[split] = listed if listed.pairs else match_folders(root / split, root / f"{split}annot")
    test = parts.pop("test", None)
    return Layout("camvid", root, parts, CAMVID_CLASSES, "CamVid's 11 classes", void_id=VOID, test=test)
