"""Mapillary Vistas 1.2, read as the 19 classes of Cityscapes, as the published model was trained on it.

Training joins the training and the validation images (behaviour 92); the model is measured on Cityscapes.
"""

from vit_adapter.config import class_names
from vit_adapter.config.class_names import colours_of, names_of

from .official import MaskForm, OfficialDataset

# Class of Cityscapes to the numbers among Mapillary's 66 that become it; the others are ignored.
SOURCE_IDS: dict[int, tuple[int, ...]] = {
    0: (13, 24, 41),  # road; general lane marking, manhole
    1: (2, 15),  # sidewalk; curb
    2: (17,),
    3: (6,),
    4: (3,),
    5: (45, 47),  # pole; utility pole
    6: (48,),
    7: (50,),
    8: (30,),
    9: (29,),
    10: (27,),
    11: (19,),
    12: (20, 21, 22),  # rider: of bicycle, motorcycle, other
    13: (55,),
    14: (61,),
    15: (54,),
    16: (58,),
    17: (57,),
    18: (52,),
}
CLASS_COUNT = 66
UNLABELED = 65
# No mask of version 1.2 holds more than 65; the published reader made such values road (behaviour 92).
LABEL_MAP = {value: label for label, values in SOURCE_IDS.items() for value in values} | dict.fromkeys(
    range(CLASS_COUNT, 256), 0
)

FORM = MaskForm(
    tuple(min(values) for values in SOURCE_IDS.values()),
    void_id=UNLABELED,
    ignored=frozenset(range(CLASS_COUNT)) - LABEL_MAP.keys(),
    label_map=LABEL_MAP,
)

MAPILLARY_VISTAS = OfficialDataset(
    name="mapillary_vistas",
    title="Mapillary Vistas as Cityscapes",
    classes=names_of(class_names.CITYSCAPES),
    palette=colours_of(class_names.CITYSCAPES),
    arrangements=(
        {"train": ("training/images", "training/labels"), "val": ("validation/images", "validation/labels")},
        # Version 2.0 brings the labels of 1.2 in a folder of their own.
        {
            "train": ("training/images", "training/v1.2/labels"),
            "val": ("validation/images", "validation/v1.2/labels"),
        },
    ),
    forms=(FORM,),
    inner=("Mapillary", "mapillary_vistas"),
    marks=(
        "config_v1.2.json",
        "config_v2.0.json",
        "training/instances",
        "training/v1.2",
        "training/panoptic",
    ),
    joined=True,
    advice="get Mapillary Vistas (version 1.2, or 2.0 with its v1.2 labels) from "
    "https://www.mapillary.com/dataset/vistas (registration) and unpack it into one folder",
)
