"""The readers of published layouts, by the names of ``DataConfig.layout``."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vit_adapter.config import DataConfig, TaskName

from ..image_reading import ImageReading
from .ade20k import ADE20K_150
from .camvid import find_camvid, is_camvid
from .chase_db1 import CHASE_DB1
from .cityscapes import CITYSCAPES
from .coco_instances import find_coco_instances, is_coco_instances
from .coco_panoptic import find_coco_panoptic, is_coco_panoptic
from .coco_stuff import COCO_STUFF_10K, COCO_STUFF_164K
from .folder import holds_masks
from .layout import Layout
from .mapillary_vistas import MAPILLARY_VISTAS
from .official import OfficialDataset
from .pascal_context import PASCAL_CONTEXT_59, PASCAL_CONTEXT_60
from .potsdam import POTSDAM
from .yolo import find_yolo, is_yolo


@dataclass(frozen=True)
class Reader:
    """What finds a data set on disk.

    Attributes:
        recognises: Whether a folder certainly holds it.
        find: Its files and classes; raises InputError for a folder that is arranged otherwise.
    """

    recognises: Callable[[Path], bool]
    find: Callable[[Path, DataConfig, ImageReading, TaskName], Layout]


def _official(dataset: OfficialDataset) -> Reader:
    return Reader(dataset.recognises, lambda root, *_: dataset.find(root))


def _only_instances(root: Path) -> bool:
    """COCO instances, and no truth beside them that tells more or that somebody has prepared."""
    return is_coco_instances(root) and not is_coco_panoptic(root) and not holds_masks(root)


OFFICIAL: dict[str, OfficialDataset] = {
    dataset.name: dataset
    for dataset in (
        ADE20K_150,
        CITYSCAPES,
        COCO_STUFF_10K,
        COCO_STUFF_164K,
        PASCAL_CONTEXT_59,
        PASCAL_CONTEXT_60,
        MAPILLARY_VISTAS,
        POTSDAM,
        CHASE_DB1,
    )
}

READERS: dict[str, Reader] = {
    "camvid": Reader(is_camvid, lambda root, *_: find_camvid(root)),
    "coco_instances": Reader(_only_instances, find_coco_instances),
    "coco_panoptic": Reader(
        is_coco_panoptic, lambda root, config, *_: find_coco_panoptic(root, config.validation_share)
    ),
    "yolo": Reader(is_yolo, find_yolo),
    **{name: _official(dataset) for name, dataset in OFFICIAL.items()},
}
