"""Data sets of boxes without masks: COCO JSON and YOLO texts, with the boxes of their files to fractions of a pixel."""

import json
from typing import Any

import numpy as np
import pytest
from folders import save_image

from vit_adapter.annotations import Annotation
from vit_adapter.config import AugmentationConfig, DataConfig, InputError, Normalization
from vit_adapter.data.dataset import offered_tasks, open_dataset
from vit_adapter.data.detection.published_transform import PublishedTransform
from vit_adapter.data.training_set import TrainingSet

SIZE = (40, 50)
OUTLINE = [[10, 5, 30, 5, 30, 25, 10, 25]]


def save_coco(root, annotations, size=SIZE):
    """Two images of the same annotations, one for each part."""
    for part, seed in (("train", 0), ("val", 1)):
        save_image(root / part / "a.png", seed, size)
        content = {
            "images": [{"id": 1, "file_name": "a.png", "height": size[0], "width": size[1]}],
            "categories": [{"id": 3, "name": "ant"}, {"id": 5, "name": "bee"}],
            "annotations": [
                {"id": number, "image_id": 1, "category_id": 3, "iscrowd": 0} | one
                for number, one in enumerate(annotations, start=1)
            ],
        }
        (root / f"instances_{part}.json").write_text(json.dumps(content))
    return DataConfig(root=str(root))


def objects_of(config, task: Any = "detection") -> Any:
    """The objects of the training image."""
    return open_dataset(config, "train", task=task).read(0).annotation.instances


def test_boxes_alone_are_those_of_the_file(tmp_path):
    """Fractions stay, also where a box reaches out of its image; one without a pixel is left out."""
    config = save_coco(
        tmp_path,
        [
            {"bbox": [10.25, 5.5, 20.5, 8]},
            {"bbox": [40.5, -2, 20, 10], "category_id": 5, "area": 60},
            {"bbox": [5, 5, 0, 3]},
            {"bbox": [0, 0, 50, 40], "iscrowd": 1},
        ],
    )
    assert offered_tasks(config) == ("detection",)
    found = objects_of(config)
    assert found.masks is None
    assert found.boxes.tolist() == [[10.25, 5.5, 30.75, 13.5], [40.5, -2, 60.5, 8], [0, 0, 50, 40]]
    assert found.areas.tolist() == [164, 60, 2000]
    assert found.classes.tolist() == [0, 1, 0]
    assert found.crowd.tolist() == [False, False, True]
    labels = open_dataset(config, "train", task="detection").read(0).labels
    assert (labels[:8, 41:] == 1).all()  # the class of the second box is drawn


@pytest.mark.parametrize("task", ["instance", "semantic", "panoptic"])
def test_boxes_are_not_enough_for_masks(tmp_path, task):
    config = save_coco(tmp_path, [{"bbox": [10, 5, 20, 8]}])
    with pytest.raises(
        InputError, match=rf"enough for detection, not for --task {task}; its objects are boxes"
    ):
        open_dataset(config, "train", task=task)


def test_some_boxes_and_some_outlines(tmp_path):
    """For boxes the outlines count for nothing; for masks the boxes are objects that cannot be drawn."""
    config = save_coco(tmp_path, [{"segmentation": OUTLINE}, {"bbox": [1, 2, 3, 4], "segmentation": []}])
    found = objects_of(config)
    assert found.masks is None
    assert found.boxes.tolist() == [[10, 5, 30, 25], [1, 2, 4, 6]]
    with pytest.raises(InputError, match="annotation 2: an empty segmentation"):
        objects_of(config, "instance")


def test_boxes_beside_outlines_are_those_of_the_file(tmp_path):
    """What a detector is measured by (COCO's boxes), not the smallest around the mask."""
    found = objects_of(
        save_coco(tmp_path, [{"segmentation": OUTLINE, "bbox": [9.5, 4.5, 21, 21]}]), "instance"
    )
    assert found.masks[0].box == (10, 5, 30, 25)
    assert found.boxes.tolist() == [[9.5, 4.5, 30.5, 25.5]]


@pytest.mark.parametrize("box", [[1, 2, 3], [1, 2, -3, 4], ["a", 2, 3, 4], [1, 2, float("inf"), 4]])
def test_boxes_that_are_none(tmp_path, box):
    with pytest.raises(InputError, match=r"annotation 1: the box .* expected left, top, width and height"):
        objects_of(save_coco(tmp_path, [{"bbox": box}, {"bbox": [1, 2, 3, 4]}]))


def test_what_training_looks_at(tmp_path):
    """By the published rule boxes below a pixel, and those outside of the image, teach nothing (behaviour 129)."""
    kept, thin, outside = [10.25, 5, 20.5, 8], [5, 5, 0.5, 9], [60, 5, 9, 9]
    config = save_coco(tmp_path, [{"bbox": kept}, {"bbox": thin}, {"bbox": outside}])
    dataset = open_dataset(config, "train", task="detection")
    sample = dataset.read(0)
    transform = PublishedTransform("1x", Normalization(), dataset.classes)
    wanted = Annotation(sample.labels, sample.annotation.instances)
    placed: Any = transform(sample.image, wanted, np.random.default_rng(0))
    assert len(placed.annotation.instances) == 1
    left, _, right, _ = placed.annotation.instances.boxes[0]
    assert right - left == pytest.approx(20.5 * placed.size[1] / SIZE[1], abs=1e-3)


def test_crops_move_boxes(tmp_path):
    config = save_coco(tmp_path, [{"bbox": [10.25, 5, 20.5, 8]}])
    dataset = open_dataset(config, "train", task="detection")
    settings = AugmentationConfig(crop=64, scale_range=(1, 1), flip=0, photometric=False)
    item: Any = TrainingSet(dataset, settings, Normalization(), 0, objects=True)[0, 0]
    assert item["instances"].masks is None
    assert item["instances"].boxes.tolist() == [[10.25, 5, 30.75, 13]]


def save_yolo(root, lines, names="names: [ant, bee]"):
    for part, seed in (("train", 0), ("valid", 1)):
        save_image(root / part / "images" / "a.png", seed, SIZE)
        place = root / part / "labels" / "a.txt"
        place.parent.mkdir(parents=True)
        place.write_text("\n".join(lines))
    (root / "data.yaml").write_text(names)
    return DataConfig(root=str(root))


def test_texts_of_yolo(tmp_path):
    config = save_yolo(tmp_path, ["0 0.5 0.75 0.41 0.2", "1 0.1 0.1 0.2 0.2"])
    assert offered_tasks(config) == ("detection",)
    found = objects_of(config)
    assert found.masks is None
    np.testing.assert_allclose(found.boxes, [[14.75, 26, 35.25, 34], [0, 0, 10, 8]], atol=1e-5)
    assert found.classes.tolist() == [0, 1]
    with pytest.raises(InputError, match="boxes without masks"):
        open_dataset(config, "train", task="instance")


def test_polygons_of_yolo(tmp_path):
    config = save_yolo(tmp_path, ["1 0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.5"])
    assert offered_tasks(config) == ("instance", "detection", "semantic")
    found = objects_of(config, "instance")
    assert found.masks[0].box == (5, 4, 25, 20)
    labels = open_dataset(config, "train").read(0).labels
    assert (labels[4:20, 5:25] == 2).all()  # background, ant, bee


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 0.5 0.5 0.1 0.1", "class '2', expected 0 to 1"),
        ("0 0.5 0.5 0.1", "3 numbers"),
        ("0 5 5 1 1", "coordinate 5"),
    ],
)
def test_lines_of_yolo_that_are_wrong(tmp_path, line, message):
    config = save_yolo(tmp_path, ["0 0.5 0.5 0.1 0.1", line])
    with pytest.raises(InputError, match=rf"a\.txt: line 2: .*{message}"):
        open_dataset(config, "train", task="detection")
