"""The official folders of published data sets in miniature: names as the publishers write them, noise for images."""

import json
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from folders import save_image, save_mask
from PIL import Image

SIZE = (12, 16)


def pattern(values: Iterable[int]) -> np.ndarray:
    """A mask [12, 16] in which every value stands in a column or more."""
    values = list(values)
    columns = np.resize(np.array(values), SIZE[1])
    return np.repeat(columns[None], SIZE[0], axis=0)


def _save(root: Path, images: str, masks: str, names: str, values: Iterable[int], **options) -> None:
    for name in names.split():
        save_image(root / images.replace("*", name), zlib.crc32(name.encode()), SIZE)
        save_mask(root / masks.replace("*", name), pattern(values), **options)


def ade20k(root: Path) -> None:
    for split, part in (("training", "train"), ("validation", "val")):
        names = f"ADE_{part}_00000001 ADE_{part}_00000002"
        _save(root, f"images/{split}/*.jpg", f"annotations/{split}/*.png", names, (1, 2, 150, 0))


def cityscapes(root: Path, ending: str = "labelTrainIds", values: Iterable[int] = (0, 5, 18, 255)) -> None:
    for split, city, number in (("train", "aachen", 0), ("train", "ulm", 1), ("val", "lindau", 2)):
        stem = f"{split}/{city}/{city}_00000{number}_000019"
        _save(root, "leftImg8bit/*_leftImg8bit.png", f"gtFine/*_gtFine_{ending}.png", stem, values)
        # What lies beside them in the archive and is not to be read.
        save_mask(root / f"gtFine/{stem}_gtFine_color.png", np.zeros((*SIZE, 3)))
        save_mask(root / f"gtFine/{stem}_gtFine_instanceIds.png", pattern([26001]).astype(np.uint16))
        (root / f"gtFine/{stem}_gtFine_polygons.json").write_text("{}")


def cityscapes_label_ids(root: Path) -> None:
    cityscapes(root, "labelIds", (7, 17, 33, 0))


def coco_stuff10k(root: Path) -> None:
    for split in ("train2014", "test2014"):
        names = f"COCO_{split}_000000000077 COCO_{split}_000000000081"
        places = f"images/{split}/*.jpg", f"annotations/{split}/*_labelTrainIds.png"
        _save(root, *places, names, (1, 6, 171, 0))


def coco_stuff164k(
    root: Path, ending: str = "_labelTrainIds", values: Iterable[int] = (0, 11, 170, 255)
) -> None:
    for split, names in (("train2017", "000000000009 000000000025"), ("val2017", "000000000139")):
        _save(root, f"images/{split}/*.jpg", f"annotations/{split}/*{ending}.png", names, values)


def coco_stuff164k_published(root: Path) -> None:
    coco_stuff164k(root, "", (0, 12, 181, 255))


def pascal_context(root: Path) -> None:
    names = {"train": "2008_000002 2008_000003", "val": "2008_000007"}
    for split, words in names.items():
        # The preparation saves masks with a palette, whose order says nothing.
        palette = [(i * 7 % 256, i, 3) for i in range(256)]
        places = "JPEGImages/*.jpg", "SegmentationClassContext/*.png"
        _save(root, *places, words, (0, 1, 6, 59), palette=palette)
        lists = root / "ImageSets/SegmentationContext"
        lists.mkdir(parents=True, exist_ok=True)
        (lists / f"{split}.txt").write_text("\n".join(words.split()) + "\n")
    save_image(root / "JPEGImages/2007_000027.jpg")  # an image of VOC without context


def mapillary(root: Path, labels: str = "labels") -> None:
    palette = [(i, 255 - i, 3) for i in range(66)]
    for split, names in (("training", "-0a_b x2-Q"), ("validation", "z_9")):
        places = f"{split}/images/*.jpg", f"{split}/{labels}/*.png"
        _save(root, *places, names, (13, 24, 41, 2, 21, 45, 52, 65, 0, 64), palette=palette)
        save_mask(root / f"{split}/instances/z_9.png", pattern([3328]).astype(np.uint16))
    (root / "config_v1.2.json").write_text("{}")


def mapillary_2(root: Path) -> None:
    mapillary(root, "v1.2/labels")
    save_mask(root / "training/v2.0/labels/x2-Q.png", pattern([110]))


def potsdam(root: Path) -> None:
    for split, names in (
        ("train", "2_10_0_0_512_512 2_10_0_512_512_1024 6_9_5488_5488_6000_6000"),
        ("val", "5_15_0_0_512_512"),
    ):
        _save(root, f"img_dir/{split}/*.png", f"ann_dir/{split}/*.png", names, (1, 2, 6, 0))


def chase_db1(root: Path) -> None:
    for split, names in (("training", "Image_01L Image_01R"), ("validation", "Image_11L")):
        _save(root, f"images/{split}/*.png", f"annotations/{split}/*_1stHO.png", names, (0, 1))
        for name in names.split():
            save_mask(root / f"annotations/{split}/{name}_2ndHO.png", pattern([1]))


def coco_panoptic(root: Path) -> None:
    categories = [
        {"id": 200, "name": "rug-merged", "isthing": 0, "color": [250, 141, 255]},
        {"id": 1, "name": "person", "isthing": 1, "color": [220, 20, 60]},
        {"id": 92, "name": "banner", "isthing": 0, "color": [255, 255, 128]},
    ]
    for split, names in (("train2017", ["000000000009", "000000000025"]), ("val2017", ["000000000139"])):
        content: dict = {"images": [], "annotations": [], "categories": categories}
        for number, name in enumerate(names):
            save_image(root / split / f"{name}.jpg", number, SIZE)
            ids = pattern([70_000 + number, 300, 7, 0])
            colours = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1).astype(np.uint8)
            file = root / "annotations" / f"panoptic_{split}" / f"{name}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(colours).save(file)
            segments = [
                {"id": 70_000 + number, "category_id": 1, "iscrowd": 0},
                {"id": 300, "category_id": 200, "iscrowd": 0},
                {"id": 7, "category_id": 1, "iscrowd": 1},
            ]
            content["images"].append({"id": int(name), "file_name": f"{name}.jpg"})
            content["annotations"].append(
                {"image_id": int(name), "file_name": f"{name}.png", "segments_info": segments}
            )
        (root / "annotations" / f"panoptic_{split}.json").write_text(json.dumps(content))


# Name of the miniature: maker, layout, number of classes, labels of the values in its masks, images of both parts.
MINIATURES: dict[str, tuple[Callable[[Path], None], str, int, list[int], tuple[int, int]]] = {
    "ade20k": (ade20k, "ade20k", 150, [0, 1, 149, 255], (2, 2)),
    "cityscapes": (cityscapes, "cityscapes", 19, [0, 5, 18, 255], (2, 1)),
    "cityscapes_label_ids": (cityscapes_label_ids, "cityscapes", 19, [0, 5, 18, 255], (2, 1)),
    "coco_stuff10k": (coco_stuff10k, "coco_stuff10k", 171, [0, 5, 170, 255], (2, 2)),
    "coco_stuff164k": (coco_stuff164k, "coco_stuff164k", 171, [0, 11, 170, 255], (2, 1)),
    "coco_stuff164k_published": (coco_stuff164k_published, "coco_stuff164k", 171, [0, 11, 170, 255], (2, 1)),
    "pascal_context_59": (pascal_context, "pascal_context_59", 59, [255, 0, 5, 58], (2, 1)),
    "pascal_context_60": (pascal_context, "pascal_context_60", 60, [0, 1, 6, 59], (2, 1)),
    "mapillary": (mapillary, "mapillary_vistas", 19, [0, 0, 0, 1, 12, 5, 18, 255, 255, 255], (3, 1)),
    "mapillary_2": (mapillary_2, "mapillary_vistas", 19, [0, 0, 0, 1, 12, 5, 18, 255, 255, 255], (3, 1)),
    "potsdam": (potsdam, "potsdam", 6, [0, 1, 5, 255], (3, 1)),
    "chase_db1": (chase_db1, "chase_db1", 2, [0, 1], (2, 1)),
    "coco_panoptic": (coco_panoptic, "coco_panoptic", 3, [0, 2, 0, 255], (2, 1)),
}
