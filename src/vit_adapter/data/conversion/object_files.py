"""Objects of a converted data set: numbers at every pixel, and whole shapes as COCO JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vit_adapter.annotations import RunLengths

from .painting import DrawnObject
from .report import BACKGROUND_NAMES

LARGEST_NUMBER = 65535


class ObjectFiles:
    """Writes ``instances/NAME.png`` for each image, and ``coco.json`` for each part.

    The maps hold what is seen of each object where objects overlap, as label maps do, and go with them
    (``--task panoptic`` and ``instance``). The JSON has the whole of each object (``--data.layout coco_instances``).
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder, self._names = folder, names
        self._images: dict[str, list[dict[str, Any]]] = {}
        self._objects: dict[str, list[dict[str, Any]]] = {}
        self._maps: list[Path] = []

    def add(
        self, name: str, size: tuple[int, int], drawn: Sequence[DrawnObject], owner: np.ndarray, part: str
    ) -> None:
        """Takes the objects of an image.

        Args:
            name: Path of the image below the folder of images.
            size: (height, width) in pixels.
            drawn: Its shapes.
            owner: [H, W], the number of the shape that is seen at each pixel, from 1; 0: none.
            part: Folder of its part; "": there are none.
        """
        images = self._images.setdefault(part, [])
        images.append({"id": len(images) + 1, "file_name": name, "height": size[0], "width": size[1]})
        groups: dict[Any, list[int]] = {}
        for index, item in enumerate(drawn):
            if item.counts:
                groups.setdefault(index if item.group is None else item.group, []).append(index)
        numbers = np.zeros(len(drawn) + 1, np.int64)
        number = 0
        for members in groups.values():
            first = drawn[members[0]]
            mask = np.logical_or.reduce([drawn[index].shape for index in members])
            if not mask.any():
                continue
            if not first.crowd:
                number += 1
                numbers[[index + 1 for index in members]] = number
            self._tell(part, images[-1]["id"], first, RunLengths.from_mask(mask))
        file = (self._folder / part / "instances" / name).with_suffix(".png")
        file.parent.mkdir(parents=True, exist_ok=True)
        _number_image(numbers[owner], number).save(file)
        self._maps.append(file)

    def _tell(self, part: str, image: int, item: DrawnObject, mask: RunLengths) -> None:
        left, top, right, bottom = mask.box
        objects = self._objects.setdefault(part, [])
        objects.append(
            {
                "id": len(objects) + 1,
                "image_id": image,
                "category_id": item.value,
                "segmentation": {"size": list(mask.size), "counts": mask.compressed()},
                "area": mask.area,
                "bbox": [left, top, right - left, bottom - top],
                "iscrowd": int(item.crowd),
            }
        )

    def write(self) -> bool:
        """Writes the JSON of each part; without a single object the maps go, too. Returns whether there is one."""
        if not self._objects:
            for file in self._maps:
                file.unlink()
            for part in self._images:
                _remove_folders(self._folder / part / "instances")
            return False
        categories = [
            {"id": value, "name": name}
            for value, name in enumerate(self._names)
            if name.lower() not in BACKGROUND_NAMES
        ]
        for part, images in self._images.items():
            content = {
                "images": images,
                "categories": categories,
                "annotations": self._objects.get(part, []),
            }
            text = json.dumps(content, ensure_ascii=False)
            (self._folder / part / "coco.json").write_text(text, encoding="utf-8")
        return True


def _number_image(numbers: np.ndarray, largest: int) -> Image.Image:
    if largest <= LARGEST_NUMBER:
        return Image.fromarray(numbers.astype(np.uint8 if largest <= 255 else np.uint16))
    return Image.fromarray(
        np.stack([numbers >> 16, numbers >> 8 & 255, numbers & 255], axis=-1).astype(np.uint8)
    )


def _remove_folders(folder: Path) -> None:
    for place in sorted(folder.rglob("*"), reverse=True):
        place.rmdir()
    folder.rmdir()
