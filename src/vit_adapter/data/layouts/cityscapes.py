"""Cityscapes: 19 classes, from masks of train ids or of label ids; objects from masks of instance ids."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vit_adapter.annotations import run_lengths_of_ids
from vit_adapter.config import InputError, class_names
from vit_adapter.config.class_names import colours_of, names_of
from vit_adapter.images import Mask, read_mask

from ..found_objects import FoundObject
from .coco_panoptic import PANOPTIC_TASKS
from .layout import Layout
from .official import VOID, MaskForm, OfficialDataset, numbered

# Label id of each of the 19 classes in masks that no tool has renumbered; all other ids are ignored.
LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
LARGEST_LABEL_ID = 33

THINGS = (
    24,
    25,
    26,
    27,
    28,
    31,
    32,
    33,
)  # label ids: person, rider, car, truck, bus, train, motorcycle, bicycle
OBJECTS_OF_A_CLASS = 1000  # 26003 is object 3 of the label id 26; 26 alone is a group of them
INSTANCES = "_gtFine_instanceIds"


@dataclass(frozen=True)
class InstanceIds:
    """Reads the objects that go with a mask from the file of instance ids beside it.

    Attributes:
        ending: What follows the image's name in the mask's name.
        values: Label id of each thing to its mask value.
    """

    ending: str
    values: dict[int, int]

    def file_of(self, mask: Path) -> Path:
        """The file of instance ids."""
        return mask.with_name(mask.name.replace(f"{self.ending}.", f"{INSTANCES}."))

    def __call__(self, mask_file: Path, mask: Mask, max_pixels: int) -> list[FoundObject]:
        """The objects; a group, of which nobody drew the single ones, is a crowd.

        Raises:
            InputError: The file is not there, cannot be read, or is of another size.
        """
        file = self.file_of(mask_file)
        ids = read_mask(file, max_pixels=max_pixels).values
        if ids.shape != mask.values.shape[:2]:
            raise InputError(f"{file}: has another size than {mask_file}")
        ids = ids.astype(np.int64)
        label_ids = np.where(ids < OBJECTS_OF_A_CLASS, ids, ids // OBJECTS_OF_A_CLASS)
        ids = np.where(np.isin(label_ids, list(self.values)), ids, 0)
        return [
            FoundObject(
                f"object {number} of {file}",
                runs,
                self.values[number if number < OBJECTS_OF_A_CLASS else number // OBJECTS_OF_A_CLASS],
                number < OBJECTS_OF_A_CLASS,
            )
            for number, runs in run_lengths_of_ids(ids).items()
            if number
        ]


@dataclass(frozen=True)
class Cityscapes(OfficialDataset):
    """Cityscapes, whose archive may bring instance ids."""

    def find(self, root: Path) -> Layout:
        """As for every published data set; with objects where the files of instance ids are there."""
        layout = super().find(root)
        pairs = [pair for part in layout.parts.values() for pair in part.pairs[:1]]
        ending = next(
            (form.ending for form in self.forms if all(form.ending in p.mask.stem for p in pairs)), ""
        )
        value_of = {label_id: entry.id for label_id, entry in zip(LABEL_IDS, layout.entries or ())}
        reader = InstanceIds(ending, {one: value_of[one] or 0 for one in THINGS if one in value_of})
        if not pairs or not all(reader.file_of(pair.mask).is_file() for pair in pairs):
            return layout
        things = frozenset(reader.values.values())
        return replace(layout, tasks=PANOPTIC_TASKS, objects=reader, things=things)


CITYSCAPES = Cityscapes(
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
