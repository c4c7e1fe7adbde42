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


def make_coco(root, outlines=True):
    """COCO JSON beside its images, boxes drawn as polygons, or boxes alone."""
    categories = [{"id": label + 1, "name": name} for label, name in enumerate(NAMES)]
    for part, numbers in parts().items():
        (root / part).mkdir(parents=True)
        images, annotations = [], []
        for number in numbers:
            image, objects = drawn(number)
            Image.fromarray(image).save(root / part / f"{number}.png")
            images.append({"id": number, "file_name": f"{number}.png", "height": SIDE, "width": SIDE})
            for label, left, top, right, bottom in objects:
                outline = [left, top, right, top, right, bottom, left, bottom]
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number,
                        "category_id": label + 1,
                        "area": (right - left) * (bottom - top),
                        **({"segmentation": [outline]} if outlines else {}),
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
    assert main(["data", "check", str(tmp_path / "data"), "--sheet", ""]) == 0
    found = follow(tmp_path / "data", tmp_path, "mask_rcnn", "--model.head.box_width=16")
    for one in found:
        left, top, width, height = one["bbox"]
        assert 0 <= left <= left + width <= SIDE
        assert 0 <= top <= top + height <= SIDE


def test_a_folder_of_yolo_texts(tmp_path):
    make_yolo(tmp_path / "data")
    assert main(["data", "check", str(tmp_path / "data"), "--sheet", ""]) == 0
    follow(tmp_path / "data", tmp_path, "atss", "--model.head.convolutions=1")


def test_boxes_without_outlines(tmp_path, capsys):
    """They train heads of boxes; heads of masks are refused in a line, before anything is built."""
    make_coco(tmp_path / "data", outlines=False)
    sheet = tmp_path / "sheet.png"
    assert main(["data", "check", str(tmp_path / "data"), "--sheet", str(sheet)]) == 0
    assert sheet.is_file()
    capsys.readouterr()
    words = ["train", "--data.root", str(tmp_path / "data"), *SMALL, "--training.steps=1"]
    assert main([*words, "--task=detection", "--model.head.kind=mask_rcnn"]) == 2
    assert "--model.head.masks false" in capsys.readouterr().err
    without = ["--model.head.masks=false", "--model.head.box_width=16"]
    assert main([*words, "--task=instance", "--model.head.kind=mask_rcnn", *without]) == 2
    assert "enough for detection" in capsys.readouterr().err
    assert main(["train", "--data.root", str(tmp_path / "data"), "--training.steps=1", "--quiet"]) == 2
    assert "boxes without masks" in capsys.readouterr().err
    follow(tmp_path / "data", tmp_path, "mask_rcnn", *without)


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


@pytest.mark.parametrize(
    ("head", "kind", "options"),
    [
        ("atss", "detection", ["--model.head.convolutions=1"]),
        ("mask_rcnn", "instance", ["--model.head.box_width=16"]),
        ("htc", "instance", ["--model.head.box_width=16", "--model.head.attention_heads=3"]),
    ],
)
def test_several_views_are_measured(tmp_path, capsys, head, kind, options):
    """Averaged, or believed for some sizes; windows of the views are refused."""
    make_coco(tmp_path / "data")
    run = tmp_path / "run"
    data = ["--data.root", str(tmp_path / "data")]
    words = [*data, "--training.steps=1", "--training.out", str(run), f"--task={kind}"]
    assert main(["train", *words, "--model.head.kind", head, *SMALL, *options]) == 0
    capsys.readouterr()
    several = ["eval", str(run), *data, "--evaluation.limit=1", "--quiet", "--protocol.flip=true"]
    assert main([*several, "--protocol.crop=64"]) == 2
    assert "--protocol.mode whole" in capsys.readouterr().err
    several += ["--protocol.mode=whole", "--protocol.scales=[0.5, 1]"]
    assert main([*several, "--out", str(tmp_path / "scores")]) == 0
    assert "AP50" in json.loads((tmp_path / "scores" / "metrics.json").read_text())
    assert main([*several, "--protocol.view_sizes=[[m, l], [s]]"]) == 0
    assert main([*several, "--protocol.view_sizes=[[s]]"]) == 2
    assert "view_sizes has 1 entries, expected 2" in capsys.readouterr().err
