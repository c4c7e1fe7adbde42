"""PASCAL Context on the images of VOC 2010: 59 classes, or 60 with the background."""

from dataclasses import replace

from vit_adapter.config import class_names
from vit_adapter.config.class_names import colours_of, names_of

from .official import OfficialDataset, numbered, numbered_from_one

PASCAL_CONTEXT_60 = OfficialDataset(
    name="pascal_context_60",
    title="PASCAL Context",
    classes=names_of(class_names.PASCAL_CONTEXT),
    palette=colours_of(class_names.PASCAL_CONTEXT),
    arrangements=(
        {
            "train": ("JPEGImages", "SegmentationClassContext"),
            "val": ("JPEGImages", "SegmentationClassContext"),
        },
    ),
    forms=(numbered(60),),
    inner=("VOC2010", "VOCdevkit/VOC2010"),
    lists={
        "train": "ImageSets/SegmentationContext/train.txt",
        "val": "ImageSets/SegmentationContext/val.txt",
    },
    advice="get VOCtrainval_03-May-2010.tar (http://host.robots.ox.ac.uk/pascal/VOC/voc2010) and trainval_merged.json "
    "(https://codalabuser.blob.core.windows.net/public/trainval_merged.json), run MMSegmentation's "
    "tools/convert_datasets/pascal_context.py, and give the folder VOCdevkit/VOC2010",
)

PASCAL_CONTEXT_59 = replace(
    PASCAL_CONTEXT_60,
    name="pascal_context_59",
    classes=PASCAL_CONTEXT_60.classes[1:],
    palette=PASCAL_CONTEXT_60.palette[1:],
    forms=(numbered_from_one(59),),
)
