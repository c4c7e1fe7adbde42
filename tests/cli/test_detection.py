"""Boxes of two classes as a new user has them: a folder is made, checked, trained on, measured and applied."""

import json

import numpy as np
import pytest
import yaml
from PIL import Image

from vit_adapter.cli.main import main

pytestmark = [pytest.mark.cli, pytest.mark.slow]

SIDE = 96
NAMES = ("disc", "bar")
SMALL = [
    "--model.vit.name=vit_tiny_patch16_224",
    "--model.vit.pretrained=false",
    "--model.vit.options={depth: 4, embed_dim: 48, num_heads: 3}",
    "--model.head.channels=16",
    "--training.batch_size=2",
    "--training.warmup_steps=0",
    "--data.workers=0",
    "--quiet",
]


def drawn(number):
    """An image with one object of each class: (class, left, top, right, bottom)."""
    draws = np.random.default_rng(number)
    image = draws.integers(0, 60, (SIDE, SIDE, 3), dtype=np.uint8)
    objects = []
    for label, (width, height) in enumerate(((20, 20), (36, 10))):
        left, top = (int(draws.integers(0, SIDE - side)) for side in (width, height))
        image[top : top + height, left : left + width] = (250, 40, 40) if label else (40, 40, 250)
        objects.append((label, left, top, left + width, top + height))
    return image, objects


def parts():
    return {"train": range(8), "val": range(8, 12)}


def make_coco(root):
    """COCO JSON beside its images, boxes drawn as polygons."""
    categories = [{"id": label + 1, "name": name} for label, name in enumerate(NAMES)]
    for part, numbers in parts().items():
        (root / part).mkdir(parents=True)
        images, annotations = [], []
        for number in numbers:
            image, objects = drawn(number)
            Image.fromarray(image).save(root / part / f"{number}.png")
            images.append({"id": number, "file_name": f"{number}.png", "height": SIDE, "width": SIDE})
            for label, left, top, right, bottom in objects:
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number,
                        "category_id": label + 1,
                        "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
                        "area": (right - left) * (bottom - top),
                        "bbox": [left, top, right - left, bottom - top],
                        "iscrowd": 0,
                    }
                )
        content = {"images": images, "annotations": annotations, "categories": categories}
        (root / f"instances_{part}.json").write_text(json.dumps(content))


def make_yolo(root):
    """YOLO's texts: class, centre, width and height in shares of the image."""
    for part, numbers in parts().items():
        (root / "images" / part).mkdir(parents=True)
        (root / "labels" / part).mkdir(parents=True)
        for number in numbers:
            image, objects = drawn(number)
            Image.fromarray(image).save(root / "images" / part / f"{number}.png")
            lines = [
                f"{label} {(x1 + x2) / 2 / SIDE} {(y1 + y2) / 2 / SIDE} {(x2 - x1) / SIDE} {(y2 - y1) / SIDE}"
                for label, x1, y1, x2, y2 in objects
            ]
            (root / "labels" / part / f"{number}.txt").write_text("\n".join(lines))
    described = {"train": "images/train", "val": "images/val", "names": dict(enumerate(NAMES))}
    (root / "data.yaml").write_text(yaml.safe_dump(described))


def follow(data, tmp_path, head, *more):
    """Trains two steps, measures and predicts; gives what was found in an image."""
    run, found = tmp_path / "run", tmp_path / "found"
    image = next(data.rglob("8.png"))
    words = ["--data.root", str(data), "--training.steps=2", "--training.out", str(run)]
    assert main(["train", *words, "--task=detection", "--model.head.kind", head, *SMALL, *more]) == 0
    assert (
        main(["eval", str(run), "--data.root", str(data), "--out", str(tmp_path / "scores"), "--quiet"]) == 0
    )
    assert "AP50" in json.loads((tmp_path / "scores" / "metrics.json").read_text())
    assert main(["predict", str(run), str(image), "--out", str(found), "--score-threshold=0"]) == 0
    table = json.loads((found / "8_objects.json").read_text())
    assert [one["name"] for one in table["categories"]] == list(NAMES)
    return table["annotations"]


def test_a_folder_of_coco_json(tmp_path):
    make_coco(tmp_path / "data")
    assert main(["data", "check", str(tmp_path / "data")]) == 0
    found = follow(tmp_path / "data", tmp_path, "mask_rcnn", "--model.head.box_width=16")
    for one in found:
        left, top, width, height = one["bbox"]
        assert 0 <= left <= left + width <= SIDE
        assert 0 <= top <= top + height <= SIDE


def test_a_folder_of_yolo_texts(tmp_path):
    make_yolo(tmp_path / "yolo")
    assert main(["data", "convert", str(tmp_path / "yolo"), "--out", str(tmp_path / "data")]) == 0
    follow(tmp_path / "data", tmp_path, "atss", "--model.head.convolutions=1")


def test_a_published_recipe_trains_with_its_own_transforms(tmp_path, capsys):
    make_coco(tmp_path / "data")
    run = tmp_path / "run"
    words = ["atss_deit_adapter_small_fpn_3x_coco", "--data.root", str(tmp_path / "data")]
    words += ["--training.steps=2", "--training.milestones=[]", "--training.out", str(run)]
    words += ["--model.vit.window_sizes=null", "--model.head.convolutions=1", f"--data.classes={list(NAMES)}"]
    assert main(["train", *words, *SMALL]) == 0
    settings = yaml.safe_load((run / "config.yaml").read_text())
    assert settings["data"]["augmentation"]["pipeline"] == "3x"
    assert settings["training"]["order"] == "shapes"
    assert (run / "best" / "model.safetensors").is_file()


def test_several_views_are_refused_for_boxes(tmp_path, capsys):
    make_coco(tmp_path / "data")
    run = tmp_path / "run"
    words = ["--data.root", str(tmp_path / "data"), "--training.steps=1", "--training.out", str(run)]
    small = [*SMALL, "--model.head.convolutions=1"]
    assert main(["train", *words, "--task=detection", "--model.head.kind=atss", *small]) == 0
    capsys.readouterr()
    assert (
        main(["eval", str(run), "--data.root", str(tmp_path / "data"), "--evaluation.tta=true", "--quiet"])
        == 2
    )
    assert "objects are found in one view" in capsys.readouterr().err
