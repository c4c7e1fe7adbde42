"""What a run takes from the number and the sizes of the objects in its data."""

import json
from pathlib import Path

from PIL import Image

from vit_adapter.api.object_settings import with_object_counts
from vit_adapter.config import (
    ATSSConfig,
    AugmentationConfig,
    DataConfig,
    HeadConfig,
    Mask2FormerConfig,
    MaskRCNNConfig,
    ModelConfig,
    RunConfig,
    SparseRCNNConfig,
)
from vit_adapter.data.dataset import open_dataset
from vit_adapter.data.object_counts import count_objects


def dots(root: Path, count: int, crowds: int = 3) -> Path:
    """Parts of two images of 40 x 80 pixels, of which the first has so many objects of a pixel and some crowds."""
    images = [{"id": number, "file_name": f"{number}.png", "height": 40, "width": 80} for number in range(2)]
    annotations = []
    for number in range(count + crowds):
        x, y = number % 70, number // 70
        annotations.append(
            {
                "id": number + 1,
                "image_id": 0,
                "category_id": 1,
                "bbox": [x, y, 1, 1],
                "area": 1,
                "iscrowd": int(number >= count),
                "segmentation": {"size": [40, 80], "counts": [40 * x + y, 1, 40 * 80 - 40 * x - y - 1]},
            }
        )
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "dot"}]}
    for part in ("train", "val"):
        (root / part / "images").mkdir(parents=True)
        (root / part / "annotations.json").write_text(json.dumps(content))
        for image in images:
            Image.new("RGB", (80, 40)).save(root / part / "images" / image["file_name"])
    return root


def test_counts_of_images_and_crops(tmp_path):
    dataset = open_dataset(DataConfig(root=str(dots(tmp_path, 230))), "train", task="instance")
    assert count_objects(dataset, 40) == (2, 230, 115, 1.0)  # a crop is half of the image
    assert count_objects(dataset, 512) == (2, 230, 230, 1.0)
    scenes = open_dataset(DataConfig(layout="scenes", scenes=(2, 1), scene_size=64), "train", task="instance")
    assert count_objects(scenes, 64) is None


def test_many_objects_raise_the_limit_and_too_few_queries_are_told(tmp_path):
    data = DataConfig(
        root=str(dots(tmp_path, 230)), augmentation=AugmentationConfig(crop=40), layout="coco_instances"
    )
    dataset = open_dataset(data, "train", task="instance")
    config = RunConfig(model=ModelConfig(head=Mask2FormerConfig()), data=data)
    changed, lines = with_object_counts(config, dataset)
    assert changed.protocol == {"objects": {"max_objects": 300}}
    assert len(lines) == 2
    assert "about 115 objects" in lines[0]
    assert "--model.head.queries 200" in lines[0]
    assert "300 objects" in lines[1]
    # What is named stays, and what is beside it.
    named = {"flip": False, "objects": {"max_objects": 7, "min_area": 2}}
    model = ModelConfig(head=Mask2FormerConfig(queries=120))
    config = RunConfig(model=model, data=data, protocol=named)
    assert with_object_counts(config, dataset) == (config, [])


def test_few_objects_change_nothing(tmp_path):
    data = DataConfig(root=str(dots(tmp_path, 100)), augmentation=AugmentationConfig(crop=40))
    config = RunConfig(model=ModelConfig(head=Mask2FormerConfig()), data=data)
    assert with_object_counts(config, open_dataset(data, "train", task="instance")) == (config, [])


def test_anchors_that_are_too_large_are_told(tmp_path):
    root = dots(tmp_path, 20)
    for part in ("train", "val"):
        path = root / part / "annotations.json"
        content = json.loads(path.read_text())
        for annotation in content["annotations"]:
            annotation |= {"bbox": [annotation["bbox"][0] / 7, 1, 16, 16], "segmentation": []}
        path.write_text(json.dumps(content))
    data = DataConfig(
        root=str(root),
        augmentation=AugmentationConfig(crop=40, scale_range=(0.5, 2.0)),
        layout="coco_instances",
    )
    dataset = open_dataset(data, "train", task="detection")

    def told(head: HeadConfig) -> list[str]:
        return with_object_counts(
            RunConfig(model=ModelConfig(head=head), data=data, task="detection"), dataset
        )[1]

    (line,) = told(MaskRCNNConfig())  # 4 pixels times 8
    assert "below 16 pixels" in line
    assert "the smallest anchors have 32: --model.head.anchor_scale 2.0" in line
    assert "smallest anchors have 64: --model.head.anchor_scale 1.0" in told(ATSSConfig())[0]
    assert told(MaskRCNNConfig(anchor_scale=2.0)) == []
    assert told(SparseRCNNConfig()) == []
