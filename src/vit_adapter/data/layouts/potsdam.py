"""ISPRS Potsdam in tiles of 512 pixels: 6 classes numbered from 1, 0 is ignored."""

from vit_adapter.config import class_names
from vit_adapter.config.class_names import colours_of, names_of

from .official import OfficialDataset, numbered_from_one

POTSDAM = OfficialDataset(
    name="potsdam",
    title="ISPRS Potsdam",
    classes=names_of(class_names.POTSDAM),
    palette=colours_of(class_names.POTSDAM),
    arrangements=({"train": ("img_dir/train", "ann_dir/train"), "val": ("img_dir/val", "ann_dir/val")},),
    forms=(numbered_from_one(6),),
    inner=("potsdam",),
    mask_names=r"\d_\d{1,2}(_\d+){4}",  # row and column of the image, corners of the tile
    advice="get 2_Ortho_RGB.zip and 5_Labels_all_noBoundary.zip from "
    "https://www.isprs.org/education/benchmarks/UrbanSemLab and run MMSegmentation's tools/convert_datasets/potsdam.py",
)
