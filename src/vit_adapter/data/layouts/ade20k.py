"""ADE20K in the layout of ``ADEChallengeData2016``: 150 classes numbered from 1, 0 is ignored; 100 are things."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vit_adapter.annotations import run_lengths_of_ids
from vit_adapter.config import InputError, class_names
from vit_adapter.config.class_names import colours_of, names_of
from vit_adapter.images import Mask, read_mask

from ..class_files import read_class_file
from ..found_objects import FoundObject
from ..mapping import renamed
from .coco_panoptic import PANOPTIC_TASKS
from .layout import Layout
from .official import OfficialDataset, numbered_from_one

# The text file first: the names in some copies of the CSV are cut at spaces.
CLASS_FILES = ("objectInfo150.txt", "objectInfo150.csv")


# Labels of the 50 classes that are stuff; the others are the 100 classes of ``annotations_instance``, in this order.
STUFF = frozenset(
    {
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        9,
        11,
        13,
        16,
        17,
        21,
        25,
        26,
        28,
        29,
        34,
        40,
        46,
        48,
        51,
        52,
        54,
        59,
        60,
        61,
        63,
        68,
        77,
    }
    | {79, 84, 91, 94, 96, 99, 100, 101, 105, 106, 109, 113, 114, 117, 122, 128, 131, 140, 141, 145}
)
THINGS = tuple(label for label in range(150) if label not in STUFF)
INSTANCES = "annotations_instance"


@dataclass(frozen=True)
class InstanceColours:
    """Reads the objects that go with a mask: red is the class, 1 to 100, green the number of the object, 0 none.

    Attributes:
        masks: Folder of the masks.
        instances: Folder of the files of objects, of the same names.
    """

    masks: Path
    instances: Path

    def file_of(self, mask: Path) -> Path:
        """The file of objects."""
        return (self.instances / mask.relative_to(self.masks)).with_suffix(".png")

    def __call__(self, mask_file: Path, mask: Mask, max_pixels: int) -> list[FoundObject]:
        """The objects.

        Raises:
            InputError: The file is not there, cannot be read, is of another size, or has an unknown class.
        """
        file = self.file_of(mask_file)
        colours = read_mask(file, max_pixels=max_pixels).colours()
        if colours is None or colours.shape[:2] != mask.values.shape[:2]:
            raise InputError(f"{file}: expected RGB of the size of {mask_file}")
        kinds = colours[..., 0].astype(np.int64)
        if kinds.max(initial=0) > len(THINGS):
            raise InputError(f"{file}: the class {kinds.max()} (red), expected 0 to {len(THINGS)}")
        return [
            FoundObject(f"object {number % 256} of {file}", runs, THINGS[number // 256 - 1] + 1)
            for number, runs in run_lengths_of_ids(kinds * 256 + colours[..., 1]).items()
            if number >= 256
        ]


@dataclass(frozen=True)
class ADE20K(OfficialDataset):
    """ADE20K, whose archive may bring its own list of classes."""

    def find(self, root: Path) -> Layout:
        """As for every published data set; the names are those of ``objectInfo150.txt`` where it is there."""
        layout = super().find(root)
        reader = InstanceColours(layout.root / "annotations", layout.root / INSTANCES)
        pairs = [pair for part in layout.parts.values() for pair in part.pairs[:1]]
        if pairs and all(reader.file_of(pair.mask).is_file() for pair in pairs):
            things = frozenset(label + 1 for label in THINGS)
            layout = replace(layout, tasks=PANOPTIC_TASKS, objects=reader, things=things)
        for name in CLASS_FILES:
            if (layout.root / name).is_file():
                entries = renamed(layout.entries or (), read_class_file(layout.root / name))
                return replace(layout, entries=entries, entries_from=str(layout.root / name))
        return layout


ADE20K_150 = ADE20K(
    name="ade20k",
    title="ADE20K",
    classes=names_of(class_names.ADE20K),
    palette=colours_of(class_names.ADE20K),
    arrangements=(
        {
            "train": ("images/training", "annotations/training"),
            "val": ("images/validation", "annotations/validation"),
        },
    ),
    forms=(numbered_from_one(150),),
    inner=("ADEChallengeData2016",),
    marks=CLASS_FILES,
    mask_names="ADE_.*",
    advice="get ADEChallengeData2016.zip of the Scene Parsing benchmark (http://sceneparsing.csail.mit.edu), unpack "
    "it and give the folder ADEChallengeData2016",
)
