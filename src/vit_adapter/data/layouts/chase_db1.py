"""CHASE DB1: vessels of the retina, as its first expert drew them."""

from vit_adapter.config import class_names
from vit_adapter.config.class_names import colours_of, names_of

from .official import OfficialDataset, numbered

CHASE_DB1 = OfficialDataset(
    name="chase_db1",
    title="CHASE DB1",
    classes=names_of(class_names.CHASE_DB1),
    palette=colours_of(class_names.CHASE_DB1),
    arrangements=(
        {
            "train": ("images/training", "annotations/training"),
            "val": ("images/validation", "annotations/validation"),
        },
    ),
    # The maps of the second expert (_2ndHO) are in the same folder and are not read.
    forms=(numbered(2, "_1stHO"),),
    inner=("CHASE_DB1",),
    mask_names=".*_(1stHO|2ndHO)",
    advice="get CHASEDB1.zip from https://blogs.kingston.ac.uk/retinal/chasedb1 and run MMSegmentation's "
    "tools/convert_datasets/chase_db1.py on it",
)
