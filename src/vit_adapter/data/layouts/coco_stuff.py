"""COCO-Stuff with its 171 classes: 10K (numbered from 1) and 164K (numbered from 0)."""

from vit_adapter.config import class_names
from vit_adapter.config.class_names import colours_of, names_of

from .official import MaskForm, OfficialDataset, numbered, numbered_from_one

# Numbers among COCO's 1..182 that no image has; the 171 others in ascending order are the classes.
UNUSED_COCO_IDS = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91})
COCO_IDS = tuple(number for number in range(1, 183) if number not in UNUSED_COCO_IDS)
PREPARED = "_labelTrainIds"

COCO_STUFF_10K = OfficialDataset(
    name="coco_stuff10k",
    title="COCO-Stuff 10K",
    classes=names_of(class_names.COCO_STUFF),
    palette=colours_of(class_names.COCO_STUFF),
    arrangements=(
        {
            "train": ("images/train2014", "annotations/train2014"),
            "val": ("images/test2014", "annotations/test2014"),
        },
    ),
    forms=(numbered_from_one(171, PREPARED),),
    inner=("coco_stuff10k",),
    advice="get cocostuff-10k-v1.1.zip from https://github.com/nightrome/cocostuff10k and run MMSegmentation's "
    "tools/convert_datasets/coco_stuff10k.py on it",
)

COCO_STUFF_164K = OfficialDataset(
    name="coco_stuff164k",
    title="COCO-Stuff 164K",
    classes=names_of(class_names.COCO_STUFF),
    palette=colours_of(class_names.COCO_STUFF),
    arrangements=(
        {
            "train": ("images/train2017", "annotations/train2017"),
            "val": ("images/val2017", "annotations/val2017"),
        },
    ),
    forms=(
        numbered(171, PREPARED),
        # As published: COCO's numbers minus 1.
        MaskForm(tuple(number - 1 for number in COCO_IDS)),
    ),
    inner=("coco_stuff164k",),
    advice="get train2017.zip and val2017.zip from https://cocodataset.org and stuffthingmaps_trainval2017.zip from "
    "https://github.com/nightrome/cocostuff, and unpack the images into images, the masks into annotations",
)
