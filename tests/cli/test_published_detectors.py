"""A file of a published detector: loaded by its recipe's name, measured, and converted to a model folder."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from vit_adapter.api import build, load
from vit_adapter.cli.main import main
from vit_adapter.config.class_names import COCO_IDS, COCO_PANOPTIC, COCO_THINGS, names_of
from vit_adapter.weights.official import to_official

pytestmark = [pytest.mark.cli, pytest.mark.slow]

NAME = "mask_rcnn_deit_adapter_tiny_fpn_3x_coco"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A model of random weights in official form."""
    path = tmp_path_factory.mktemp("published") / "detector.pth"
    torch.manual_seed(0)
    torch.save({"state_dict": to_official(build(NAME).state_dict())}, path)
    return path


def make_coco(root):
    """One image with one object, and the categories of COCO."""
    names = names_of(COCO_PANOPTIC)[:COCO_THINGS]
    categories = [{"id": number, "name": name} for number, name in zip(COCO_IDS, names, strict=False)]
    for part in ("train", "val"):
        (root / f"{part}2017").mkdir(parents=True)
        image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(image).save(root / f"{part}2017" / "1.png")
        thing = {
            "id": 1,
            "image_id": 1,
            "category_id": 18,
            "bbox": [10, 10, 20, 20],
            "area": 400,
            "iscrowd": 0,
        }
        thing["segmentation"] = [[10, 10, 30, 10, 30, 30, 10, 30]]
        images = [{"id": 1, "file_name": "1.png", "height": 64, "width": 64}]
        content = {"images": images, "annotations": [thing], "categories": categories}
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations" / f"instances_{part}2017.json").write_text(json.dumps(content))


def test_a_published_detector(file, tmp_path, capsys):
    model = load(NAME, file)
    assert model.task_name == "instance"
    assert model.protocol.resizes == ((1333, 800),)
    stored = torch.load(file, weights_only=True)["state_dict"]
    assert to_official(model.state_dict()).keys() == stored.keys()

    make_coco(tmp_path / "coco")
    words = ["eval", NAME, "--checkpoint", str(file), "--data.root", str(tmp_path / "coco"), "--quiet"]
    assert main([*words, "--protocol.resizes=[[64, 64]]", "--out", str(tmp_path / "scores")]) == 0
    assert "AP50" in json.loads((tmp_path / "scores" / "metrics.json").read_text())

    assert main(["convert", str(file), "--recipe", NAME, "-o", str(tmp_path / "folder")]) == 0
    assert load(tmp_path / "folder").num_classes == 80
