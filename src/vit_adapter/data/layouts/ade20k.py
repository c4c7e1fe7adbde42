"""ADE20K in the layout of ``ADEChallengeData2016``: 150 classes numbered from 1, 0 is ignored."""

from dataclasses import dataclass, replace
from pathlib import Path

from vit_adapter.config import class_names
from vit_adapter.config.class_names import colours_of, names_of

from ..class_files import read_class_file
from ..mapping import renamed
from .layout import Layout
from .official import OfficialDataset, numbered_from_one

# The text file first: the names in some copies of the CSV are cut at spaces.
CLASS_FILES = ("objectInfo150.txt", "objectInfo150.csv")


@dataclass(frozen=True)
class ADE20K(OfficialDataset):
    """ADE20K, whose archive may bring its own list of classes."""

    def find(self, root: Path) -> Layout:
        """As for every published data set; the names are those of ``objectInfo150.txt`` where it is there."""
        layout = super().find(root)
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
