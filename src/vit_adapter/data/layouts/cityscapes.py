"""Cityscapes: 19 classes, from masks of train ids or of label ids."""

from vit_adapter.config import class_names
from vit_adapter.config.class_names import colours_of, names_of

from .official import VOID, MaskForm, OfficialDataset, numbered

# Label id of each of the 19 classes in masks that no tool has renumbered; all other ids are ignored.
LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
LARGEST_LABEL_ID = 33

CITYSCAPES = OfficialDataset(
    name="cityscapes",
    title="Cityscapes",
    classes=names_of(class_names.CITYSCAPES),
    palette=colours_of(class_names.CITYSCAPES),
    arrangements=(
        {
            "train": ("leftImg8bit/train", "gtFine/train"),
            "val": ("leftImg8bit/val", "gtFine/val"),
        },
    ),
    forms=(
        numbered(19, "_gtFine_labelTrainIds"),
        MaskForm(
            LABEL_IDS,
            "_gtFine_labelIds",
            # -1, the licence plate, is 255 in a file of 8 bits.
            ignored=frozenset({*range(LARGEST_LABEL_ID + 1), VOID} - set(LABEL_IDS)),
        ),
    ),
    image_ending="_leftImg8bit",
    inner=("cityscapes",),
    advice="get leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip from https://www.cityscapes-dataset.com "
    "(registration) and unpack both into one folder",
)
