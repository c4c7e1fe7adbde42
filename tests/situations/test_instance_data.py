"""Instance and panoptic data: what their files say, and what they say wrongly."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from vit_adapter.annotations import Annotation, RunLengths
from vit_adapter.annotations.submission import object_entries
from vit_adapter.config import AugmentationConfig, DataConfig, InputError, Normalization
from vit_adapter.data.check import check_dataset
from vit_adapter.data.dataset import offered_tasks, open_dataset
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.metrics.instances import InstanceEvaluator

HEADING = "Objects as files describe them"
TITLES = {
    301: "A COCO file whose images have another size, or are not there",
    302: "Truth that is not enough for what is asked",
    303: "A category that is called background",
}
SQUARE = [0, 0, 0, 10, 10, 10, 10, 0]


def coco(root: Path, objects, size=(16, 16), images=2, categories=((1, "cat"), (2, "dog"))) -> Path:
    """Training part of ``objects``: (image from 1, category, segmentation, further fields); validation is like it."""
    for part in ("train", "val"):
        for number in range(1, images + 1):
            path = root / part / "images" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
            Image.fromarray(noise).save(path)
        content = {
            "images": [
                {"id": n, "file_name": f"{n}.png", "height": size[0], "width": size[1]}
                for n in range(1, images + 1)
            ],
            "categories": [{"id": number, "name": name} for number, name in categories],
            "annotations": [
                {"id": 100 + n, "image_id": image, "category_id": category, "segmentation": shape, **more}
                for n, (image, category, shape, more) in enumerate(objects)
            ],
        }
        (root / part / "annotations.json").write_text(json.dumps(content))
    return root


def opened(root, task="instance", split="train", **settings):
    return open_dataset(DataConfig(root=str(root), **settings), split, task=task)


def perfect_ap(dataset) -> float:
    """AP of predictions that are the truth, with a score of 0.9."""
    evaluator = InstanceEvaluator(len(dataset.classes))
    for index in range(len(dataset)):
        truth = dataset.read(index).annotation
        found = replace(truth.instances, scores=np.full(len(truth.instances), 0.9), crowd=None, areas=None)
        evaluator.update(Annotation(instances=found), truth)
    return evaluator.scores()["AP"]


@pytest.mark.parametrize("count", [1, 2])
def test_s35_annotation_number_0(tmp_path, count):
    """Annotation ids are for messages only, so that 0 is one as any other: perfect predictions have an AP of 1."""
    shapes = [[SQUARE], [[0, 12, 4, 12, 4, 16, 0, 16]]]
    coco(tmp_path, [(1, 1, shapes[n], {"id": n}) for n in range(count)], images=1)
    assert perfect_ap(opened(tmp_path)) == pytest.approx(1)


def test_s36_annotation_numbers_that_repeat(tmp_path, capsys):
    """Every entry is an object, whatever its number; the check notes a number that occurs twice."""
    coco(
        tmp_path / "one", [(1, 1, [SQUARE], {"id": 5}), (1, 1, [[0, 12, 4, 12, 4, 16]], {"id": 5})], images=1
    )
    coco(tmp_path / "two", [(image, 1, [SQUARE], {"id": 1}) for image in (1, 2)])
    for name, counts in (("one", [2]), ("two", [1, 1])):
        dataset = opened(tmp_path / name)
        source = TrainingSet(
            dataset, AugmentationConfig(crop=32, scale_range=(1, 1)), Normalization(), 0, objects=True
        )
        assert [len(source[0, index]["instances"].classes) for index in range(len(dataset))] == counts
        assert perfect_ap(dataset) == pytest.approx(1)
    notes = " ".join(found.text for found in check_dataset(DataConfig(root=str(tmp_path / "one"))).findings)
    assert "annotations.json: the annotation id 5 occurs twice; all objects are kept" in notes


def test_s73_category_numbers_with_gaps(tmp_path):
    """Classes are as many as categories, and results bear the categories' own numbers."""
    coco(tmp_path, [(1, 7, [SQUARE], {}), (2, 90, [SQUARE], {})], categories=((90, "dog"), (7, "cat")))
    dataset = opened(tmp_path)
    assert dataset.classes.names == ("cat", "dog")
    assert dataset.classes.ids == (7, 90)
    assert perfect_ap(dataset) == pytest.approx(1)
    written = [
        entry["category_id"]
        for index in range(2)
        for entry in object_entries(index, dataset.read(index).annotation.instances, dataset.classes.ids)
    ]
    assert written == [7, 90]


def test_s74_crowd_flag_missing_and_crowds_in_training(tmp_path):
    """Without `iscrowd` an object is no crowd, without `area` that of its mask counts. A crowd is marked as one."""
    coco(tmp_path / "a", [(1, 1, [SQUARE], {})], images=1)
    dataset = opened(tmp_path / "a")
    objects = dataset.read(0).annotation.instances
    assert (objects.crowd.tolist(), objects.areas.tolist()) == ([False], [100])
    assert perfect_ap(dataset) == pytest.approx(1)
    shapes = [
        (1, 1, [SQUARE], {"area": 99.5}),
        (1, 1, {"size": [16, 16], "counts": [192, 64]}, {"iscrowd": 1}),
    ]
    coco(tmp_path / "b", shapes, images=1)
    dataset = opened(tmp_path / "b")
    assert dataset.read(0).annotation.instances.areas.tolist() == [99.5, 64]
    plain = AugmentationConfig(crop=16, scale_range=(1, 1), flip=0, photometric=False)
    tensors = TrainingSet(dataset, plain, Normalization(), 0, objects=True)[0, 0]["instances"]
    assert tensors.crowd.tolist() == [False, True]
    assert [int(mask.sum()) for mask in tensors.masks] == [100, 64]


def panoptic(root: Path, listed: list[int], drawn=(70000, 112, 256)) -> Path:
    """One image a part, three rows of segments."""
    for part in ("train", "val"):
        ids = np.zeros((8, 10), np.int64)
        for row, number in enumerate(drawn):
            ids[row] = number
        (root / "annotations" / f"panoptic_{part}2017").mkdir(parents=True)
        (root / f"{part}2017").mkdir()
        colours = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1).astype(np.uint8)
        Image.fromarray(colours).save(root / "annotations" / f"panoptic_{part}2017" / "1.png")
        Image.fromarray(np.zeros((8, 10, 3), np.uint8)).save(root / f"{part}2017" / "1.png")
        segments = [{"id": number, "category_id": 1 + n % 2} for n, number in enumerate(listed)]
        content = {
            "images": [{"id": 1, "file_name": "1.png"}],
            "annotations": [{"image_id": 1, "file_name": "1.png", "segments_info": segments}],
            "categories": [
                {"id": 1, "name": "car", "isthing": 1},
                {"id": 2, "name": "person", "isthing": 1},
            ],
        }
        (root / "annotations" / f"panoptic_{part}2017.json").write_text(json.dumps(content))
    return root


def test_s75_panoptic_ids_beyond_two_bytes(tmp_path):
    """Ids of three bytes stay apart; a segment that is only in the JSON or only in the PNG is named with its file."""
    dataset = opened(panoptic(tmp_path / "a", [70000, 112, 256]), "panoptic")
    objects = dataset.read(0).annotation.instances
    assert [mask.area for mask in objects.masks] == [10, 10, 10]
    assert sorted(int(mask.mask()[:, 0].argmax()) for mask in objects.masks) == [0, 1, 2]
    with pytest.raises(InputError, match=r"1\.png: the segment 300, which .* lists, is in no pixel"):
        opened(panoptic(tmp_path / "b", [70000, 112, 256, 300]), "panoptic")
    with pytest.raises(InputError, match=r"1\.png: the segment 256 in 10 pixels is not in the JSON"):
        opened(panoptic(tmp_path / "c", [70000, 112]), "panoptic")


BROKEN = [
    ([[1, 1, 5, 5]], "a polygon of 2 points"),
    ([[]], "a polygon of 0 points"),
    ([], "an empty segmentation"),
    ([1, 1, 5, 1, 5, 5], "a flat list of numbers"),
    ([[1, 1, 5, 1, 5]], "a polygon of 5 numbers"),
    ([[1, 1, 5, float("nan"), 5, 5]], "a polygon with the coordinate nan"),
]


def test_s76_shapes_that_are_not_polygons(tmp_path):
    """Each is named by file and number, together; with `--data.skip_broken` they are left out, counted, and the good
    object stays. What lies outside the image is cut off."""
    good = (1, 1, [[-5, 2, 4, 2, 4, 6, -5, 6]], {})
    coco(tmp_path, [good, *((1, 1, shape, {}) for shape, _ in BROKEN)], images=1)
    with pytest.raises(InputError) as caught:
        opened(tmp_path)
    for number, (_, reason) in enumerate(BROKEN, start=101):
        assert f"train/annotations.json: annotation {number}: {reason}" in str(caught.value)
    assert str(caught.value).endswith("--data.skip_broken true leaves such objects out")
    objects = opened(tmp_path, skip_broken=True).read(0).annotation.instances
    assert [mask.area for mask in objects.masks] == [16]
    config = DataConfig(root=str(tmp_path), skip_broken=True)
    notes = " ".join(found.text for found in check_dataset(config).findings)
    assert "objects that cannot be drawn are left out: " in notes
    assert "and 5 more" in notes


def test_s77_holes_and_parts(tmp_path):
    """Two polygons are one object. Run-lengths have holes; polygons cannot cut any, as COCO defines it."""
    squares = [[x, 0, x, 10, x + 10, 10, x + 10, 0] for x in (0, 20)]
    ring = np.zeros((320, 320), bool)
    ring[:300, :300] = True
    ring[100:200, 100:200] = False
    runs = {"size": [320, 320], "counts": RunLengths.from_mask(ring).compressed()}
    outline = [[0, 0, 300, 0, 300, 300, 0, 300], [100, 100, 200, 100, 200, 200, 100, 200]]
    coco(tmp_path, [(n, 1, shape, {}) for n, shape in enumerate((squares, runs, outline), 1)], (320, 320), 3)
    found = [opened(tmp_path).read(index).annotation.instances for index in range(3)]
    assert [len(objects) for objects in found] == [1, 1, 1]
    assert [objects.masks[0].area for objects in found] == [200, 80_000, 90_000]
    assert found[0].boxes.tolist() == [[0, 0, 30, 10]]
    (entry,) = object_entries(1, found[1], (1, 2))
    assert RunLengths.read(entry["segmentation"]["counts"], (320, 320)).area == 80_000


def test_s78_run_length_order_and_size(tmp_path):
    """Runs go down the columns, sizes are (height, width); a wrong one is named with both sizes and the number."""
    coco(tmp_path / "a", [(1, 1, {"size": [3, 4], "counts": [1, 2, 9]}, {})], (3, 4), 1)
    sample = opened(tmp_path / "a").read(0)
    assert np.argwhere(sample.annotation.instances.masks[0].mask()).tolist() == [[1, 0], [2, 0]]
    assert np.argwhere(sample.labels == 0).tolist() == [[1, 0], [2, 0]]
    coco(tmp_path / "b", [(1, 1, {"size": [4, 3], "counts": [1, 2, 9]}, {})], (3, 4), 1)
    with pytest.raises(InputError, match=r"annotation 100: run lengths for the size \[4, 3\].* has \[3, 4\]"):
        opened(tmp_path / "b")
    assert RunLengths.from_mask(np.arange(96).reshape(8, 12) % 3).area == 64  # every value but 0 is inside


@pytest.mark.parametrize(("side", "area"), [(9, 81), (10, 100)])
def test_s79_area_of_a_drawn_polygon(tmp_path, side, area):
    """One rule for objects, and for label maps that are made of them: COCO's."""
    coco(tmp_path, [(1, 1, [[0, 0, 0, side, side, side, side, 0]], {})], images=1)
    assert opened(tmp_path).read(0).annotation.instances.masks[0].area == area
    assert (opened(tmp_path, "semantic").read(0).labels == 1).sum() == area


def test_s80_thing_pixels_without_an_instance(tmp_path):
    """Pixels of a thing without an object are a crowd in a plain folder, and the check counts them by file; an object
    over two classes is refused with file, number and both classes, and with the task that does without objects."""
    for part in ("train", "val"):
        labels, ids = np.zeros((8, 10), np.uint8), np.zeros((8, 10), np.uint16)
        labels[:4], ids[:2] = 1, 26001
        for folder, values in (
            ("masks", labels),
            ("instances", ids),
            ("images", np.zeros((8, 10, 3), np.uint8)),
        ):
            (tmp_path / folder / part).mkdir(parents=True)
            Image.fromarray(values).save(tmp_path / folder / part / "a.png")
    sample = opened(tmp_path, "panoptic").read(0)
    objects = sample.annotation.instances
    assert [mask.area for mask in objects.masks] == [20, 20]
    assert objects.crowd.tolist() == [False, True]
    assert (sample.labels == 1).sum() == 40
    told = [found.text for found in check_dataset(DataConfig(root=str(tmp_path))).findings]
    assert any(
        "train/a.png: 20 pixels of things belong to no object; they count as a crowd" in line for line in told
    )
    ids[3:6] = 7
    Image.fromarray(ids).save(tmp_path / "instances/val/a.png")
    with pytest.raises(
        InputError, match=r"val/a\.png: object 7 .*'class 0' and 'class 1'; .*--task semantic"
    ):
        opened(tmp_path, "panoptic")
    report = check_dataset(DataConfig(root=str(tmp_path)))
    assert report.wrong_objects
    console = Console(file=io.StringIO(), width=200)
    report.print(console)
    assert console.file.getvalue().endswith("except with --task semantic, which goes without objects\n")
    Image.fromarray(np.zeros((9, 10), np.uint8)).save(tmp_path / "masks/val/a.png")
    assert not check_dataset(DataConfig(root=str(tmp_path))).wrong_objects


def test_s301_images_of_another_size_or_missing(tmp_path):
    """Both are named before training, with the JSON and both sizes."""
    coco(tmp_path, [(1, 1, [SQUARE], {})])
    Image.fromarray(np.zeros((8, 12, 3), np.uint8)).save(tmp_path / "train/images/1.png")
    with pytest.raises(InputError, match=r"1\.png: 12x8 pixels .* but its annotations are for 16x16"):
        opened(tmp_path).read(0)
    (tmp_path / "train/images/2.png").unlink()
    with pytest.raises(
        InputError, match=r"2\.png: there is no such image, named by .*train/annotations\.json"
    ):
        opened(tmp_path)


def test_s302_truth_that_is_not_enough(tmp_path):
    """What a data set is enough for is said: objects alone are no panoptic truth, masks alone no objects."""
    coco(tmp_path, [(1, 1, [SQUARE], {})])
    assert offered_tasks(DataConfig(root=str(tmp_path))) == ("instance", "detection", "semantic")
    with pytest.raises(InputError, match="enough for instance, semantic, not for --task panoptic"):
        opened(tmp_path, "panoptic")


def test_s303_a_category_called_background(tmp_path):
    """It is no class of objects, and the rest of the image in label maps."""
    coco(tmp_path, [(1, 1, [SQUARE], {})], categories=((0, "_background_"), (1, "cat")))
    instance, semantic = opened(tmp_path), opened(tmp_path, "semantic")
    assert instance.classes.names == ("cat",)
    assert semantic.classes.names == ("_background_", "cat")
    assert semantic.classes.ids == (0, 1)
    assert np.bincount(semantic.read(0).labels.ravel()).tolist() == [156, 100]
