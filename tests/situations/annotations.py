"""COCO and labelme files that situations share."""

import json

import numpy as np
from PIL import Image

from vit_adapter.images import read_mask

SQUARE = [0, 0, 0, 10, 10, 10, 10, 0]


def save_photo(path, size=(16, 16), seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)).save(path)


def save_coco(root, objects, images=("a.png",), categories=("cat", "dog"), **more):
    """Objects are (image number from 1, category number from 1, polygon, further fields)."""
    content = {
        "images": [{"id": n, "file_name": name} for n, name in enumerate(images, start=1)],
        "categories": [{"id": n, "name": name} for n, name in enumerate(categories, start=1)],
        "annotations": [
            {"id": 100 + n, "image_id": image, "category_id": category, "segmentation": [polygon], **fields}
            for n, (image, category, polygon, fields) in enumerate(objects)
        ],
        **more,
    }
    root.mkdir(parents=True, exist_ok=True)
    (root / "c.json").write_text(json.dumps(content))
    return root / "c.json"


def save_labelme(folder, name, shapes, image=None, **more):
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "shapes": [
            {"label": label, "shape_type": kind, "points": points, **fields}
            for label, kind, points, fields in shapes
        ],
        "imagePath": image or f"{name}.png",
        "imageData": None,
        **more,
    }
    (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def converted_mask(root, name="a"):
    return read_mask(root / "out" / "masks" / f"{name}.png").values
