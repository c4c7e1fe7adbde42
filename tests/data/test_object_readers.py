"""Objects as data sets of every layout have them: classes, masks, crowds; labels as without them."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from folders import save_image, save_mask
from miniatures import SIZE, ade20k, cityscapes, cityscapes_label_ids, coco_panoptic
from PIL import Image
from rich.console import Console

from vit_adapter.annotations import Instances
from vit_adapter.config import AugmentationConfig, DataConfig, InputError, Normalization
from vit_adapter.data.check import check_dataset
from vit_adapter.data.dataset import offered_tasks, open_dataset
from vit_adapter.data.scenes import render_scene
from vit_adapter.data.training_set import TrainingSet

ALL_TASKS = ("panoptic", "instance", "detection", "semantic")


def opened(root: Path, task="panoptic", split="train", **settings):
    return open_dataset(DataConfig(root=str(root), **settings), split, task=task)


def told(dataset, index=0) -> list[tuple[str, int, bool]]:
    """(class, pixels, crowd) of each object; boxes and areas are checked to be those of the masks."""
    instances = dataset.read(index).annotation.instances
    assert isinstance(instances, Instances)
    masks = [mask.mask() for mask in instances.masks]
    for box, mask in zip(instances.boxes, masks, strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert box.tolist() == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    names = dataset.classes.names
    return [
        (names[kind], int(mask.sum()), bool(crowd))
        for kind, mask, crowd in zip(instances.classes, masks, instances.crowd, strict=True)
    ]


@pytest.mark.parametrize(
    ("name", "objects", "images"), [("nuclei", (14064, 4850), (349, 90)), ("coco128", (508, 113), (68, 17))]
)
def test_real_sets_are_read_as_they_are(name, objects, images):
    place = Path(os.environ.get("VIT_ADAPTER_DATA", "/nowhere")) / name
    if not place.is_dir():
        pytest.skip(f"VIT_ADAPTER_DATA has no folder {name}")
    assert offered_tasks(DataConfig(root=str(place))) == ("instance", "detection", "semantic")
    for split, count, many in zip(("train", "val"), objects, images):
        dataset = opened(place, "instance", split)
        assert len(dataset) == many
        assert dataset.remarks == []
        if name == "coco128":
            assert len(dataset.classes) == 80
            assert dataset.classes.ids[11] == 13  # 12 is one of the gaps
        content = json.loads((place / split / "annotations.json").read_text())
        areas = sorted(annotation["area"] for annotation in content["annotations"])
        if split == "train":  # one of both parts is enough for every mask
            continue
        found = [dataset.read(index).annotation.instances for index in range(many)]
        assert sum(map(len, found)) == count
        assert sorted(mask.area for one in found for mask in one.masks) == areas


def test_coco_panoptic_keeps_its_objects(tmp_path):
    coco_panoptic(tmp_path)
    assert offered_tasks(DataConfig(root=str(tmp_path))) == ALL_TASKS
    dataset = opened(tmp_path)
    assert sorted(told(dataset)) == [("person", 48, False), ("person", 48, True)]
    np.testing.assert_array_equal(dataset.read(0).labels, opened(tmp_path, "semantic").read(0).labels)
    things = opened(tmp_path, "instance")
    assert things.classes.names == ("person",)
    assert things.classes.ids == (1,)
    assert set(np.unique(things.read(0).labels)) == {0, 255}
    merged = opened(tmp_path, label_map={1: 1, 92: 0, 200: 0}, classes=["stuff", "person"])
    assert merged.classes.is_thing == (False, True)
    with pytest.raises(InputError, match="the class 'all' is made of things and of others"):
        opened(tmp_path, label_map={1: 1, 92: 1, 200: 0}, classes=["rug", "all"])


@pytest.mark.parametrize(("make", "car"), [(cityscapes, 13), (cityscapes_label_ids, 26)])
def test_cityscapes_instance_ids(tmp_path, make, car):
    """S80: a number below 1000 is a group, of which nobody drew the single ones."""
    make(tmp_path)
    file = tmp_path / "gtFine/train/aachen/aachen_000000_000019_gtFine_instanceIds.png"
    ids = np.full(SIZE, 7, np.uint16)
    ids[:2], ids[2:5], ids[5:6], ids[6:7] = 26001, 26002, 26, 24000
    save_mask(file, ids)
    ending = "labelIds" if car == 26 else "labelTrainIds"
    save_mask(file.with_name(file.name.replace("instanceIds", ending)), np.full(SIZE, car))
    assert offered_tasks(DataConfig(root=str(tmp_path))) == ALL_TASKS
    dataset = opened(tmp_path)
    expected = [("car", 16, True), ("car", 32, False), ("car", 48, False), ("person", 16, False)]
    assert sorted(told(dataset)) == sorted(expected)
    assert (dataset.read(0).labels == 13).all()  # the group stays "car" for the semantic part
    assert sum(dataset.classes.is_thing) == 8
    assert opened(tmp_path, "instance").classes.names == tuple(dataset.classes.names[11:])
    file.unlink()
    with pytest.raises(InputError, match="not for --task panoptic"):
        opened(tmp_path)


def test_ade20k_with_objects(tmp_path):
    ade20k(tmp_path)
    for mask in sorted((tmp_path / "annotations").rglob("*.png")):
        colours = np.zeros((*SIZE, 3), np.uint8)
        colours[:3] = 1, 1, 9  # the first class of objects is bed
        colours[3:5] = 1, 2, 9
        colours[5:6] = 100, 1, 9
        save_mask(tmp_path / "annotations_instance" / mask.relative_to(tmp_path / "annotations"), colours)
    assert offered_tasks(DataConfig(root=str(tmp_path))) == ALL_TASKS
    dataset = opened(tmp_path)
    assert sum(dataset.classes.is_thing) == 100
    assert told(dataset) == [("bed", 48, False), ("bed", 32, False), ("flag", 16, False)]
    assert len(opened(tmp_path, "instance").classes) == 100


def test_ade20k_as_other_tools_write_it(tmp_path):
    """``ade20k_panoptic_train.json``: category ids begin at 0, which is no void there."""
    ade20k(tmp_path)
    categories = [{"id": n, "name": name, "isthing": n} for n, name in enumerate(("wall", "bed"))]
    for split, part in (("train", "training"), ("val", "validation")):
        images, annotations = [], []
        for number, image in enumerate(sorted((tmp_path / "images" / part).glob("*.jpg"))):
            colours = np.zeros((*SIZE, 3), np.uint8)
            colours[:4], colours[4:9] = (1, 0, 0), (0, 2, 0)
            save_mask(tmp_path / f"ade20k_panoptic_{split}" / f"{image.stem}.png", colours)
            segments = [
                {"id": 1, "category_id": 0, "iscrowd": 0},
                {"id": 512, "category_id": 1, "iscrowd": 0},
            ]
            images.append({"id": number, "file_name": image.name})
            annotations.append(
                {"image_id": number, "file_name": f"{image.stem}.png", "segments_info": segments}
            )
        content = {"images": images, "annotations": annotations, "categories": categories}
        (tmp_path / f"ade20k_panoptic_{split}.json").write_text(json.dumps(content))
    dataset = opened(tmp_path, layout="coco_panoptic")
    assert told(dataset) == [("bed", 80, False)]
    assert dataset.read(0).labels[:, 0].tolist() == [0] * 4 + [1] * 5 + [255] * 3


def plain_folder(root: Path, masks="masks", objects="instances") -> None:
    """Classes 0 to 2; two objects of class 1, one of class 2, and a column of class 2 without an object."""
    for part in ("train", "val"):
        for number in range(2):
            save_image(root / "images" / part / f"{number}.png", number, (8, 10))
            labels, ids = np.zeros((8, 10), np.uint8), np.zeros((8, 10), np.uint16)
            labels[:2], labels[4:6, :5], labels[:, 9] = 1, 2, 2
            ids[0, :9], ids[1, :9], ids[4:6, :5] = 300, 4, 65000
            save_mask(root / masks / part / f"{number}.png", labels)
            save_mask(root / objects / part / f"{number}.png", ids)


@pytest.mark.parametrize("folders", [("masks", "instances"), ("SegmentationClass", "SegmentationObject")])
def test_plain_folder_with_object_numbers(tmp_path, folders):
    """Numbers of 16 bits; things are the classes with objects; the rest of a thing is a crowd."""
    plain_folder(tmp_path, *folders)
    assert offered_tasks(DataConfig(root=str(tmp_path))) == ALL_TASKS
    dataset = opened(tmp_path)
    assert dataset.classes.is_thing == (False, True, True)
    assert sorted(told(dataset)) == [
        ("class 1", 9, False), ("class 1", 9, False), ("class 2", 8, True), ("class 2", 10, False),
    ]  # fmt: skip
    assert opened(tmp_path, "semantic").classes.is_thing is None
    assert opened(tmp_path, "instance").classes.names == ("class 1", "class 2")
    source = TrainingSet(dataset, AugmentationConfig(crop=16), Normalization(), 0, objects=True)
    assert 1 <= len(source[0, 0]["instances"].classes) <= 4


def test_the_class_list_says_which_are_things(tmp_path):
    plain_folder(tmp_path)
    (tmp_path / "classes.csv").write_text("id,name,thing\n0,ground,0\n1,cat,1\n2,grass,no\n")
    dataset = opened(tmp_path)
    assert dataset.classes.is_thing == (False, True, False)
    assert told(dataset) == [("cat", 9, False), ("cat", 9, False)]
    assert opened(tmp_path, "semantic").classes.is_thing == (False, True, False)


def test_an_object_over_two_classes(tmp_path):
    """S80: named with file, number and both classes."""
    plain_folder(tmp_path)
    file = tmp_path / "instances/val/1.png"
    ids = np.array(Image.open(file))
    ids[3] = 300
    save_mask(file, ids)
    with pytest.raises(InputError, match=r"instances/val/1\.png: object 300 .*'class 0' and 'class 1'"):
        opened(tmp_path)


def test_a_mask_without_its_objects(tmp_path):
    plain_folder(tmp_path)
    (tmp_path / "instances/val/1.png").unlink()
    assert len(opened(tmp_path, "semantic")) == 2
    with pytest.raises(InputError, match=r"masks/val/1\.png: has no file of objects"):
        opened(tmp_path)


@pytest.mark.parametrize("form", ["csv", "json"])
@pytest.mark.parametrize("bits", [16, 24])
def test_numbers_and_a_table(tmp_path, form, bits):
    """No masks: a file of numbers an image, and a table that says of which class each number is."""
    large = 70_000 if bits == 24 else 700
    for name in ("a", "b", "c"):
        save_image(tmp_path / "images" / f"{name}.png", ord(name), (8, 10))
        ids = np.zeros((8, 10), np.int64)
        ids[0], ids[2:4] = 5, large
        packed = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1)
        save_mask(tmp_path / "instances" / f"{name}.png", packed if bits == 24 else ids.astype(np.uint16))
    rows = [(f"{name}.png", number, kind) for name in "abc" for number, kind in ((5, "cat"), (large, "dog"))]
    if form == "csv":
        lines = [
            "image,id,class,crowd",
            *(f"{image},{number},{kind},{int(kind == 'dog')}" for image, number, kind in rows),
        ]
        (tmp_path / "objects.csv").write_text("\n".join(lines) + "\n")
    else:
        content = {name: {"5": "cat", str(large): {"class": "dog", "crowd": 1}} for name in ("a", "b", "c")}
        (tmp_path / "objects.json").write_text(json.dumps(content))
    assert offered_tasks(DataConfig(root=str(tmp_path))) == ("instance", "detection", "semantic")
    dataset = opened(tmp_path, "instance")
    assert told(dataset) == [("cat", 10, False), ("dog", 20, True)]
    semantic = opened(tmp_path, "semantic")
    assert semantic.classes.names == ("background", "cat", "dog")
    assert np.bincount(semantic.read(0).labels.ravel()).tolist() == [50, 10, 20]
    table = tmp_path / f"objects.{form}"
    table.write_text(table.read_text().replace("5", "6"))
    with pytest.raises(InputError, match=r"the segment 5 in 10 pixels is not in .*objects"):
        opened(tmp_path, "instance").read(0)


def test_the_check_counts_objects(tmp_path):
    """Counts by class and part, areas, objects an image, cut objects, overlaps, images without an object."""
    squares = [(4, 4, 8), (8, 4, 8), (0, 12, 4)]  # left, top, side: two overlap, one touches the border
    for part, shown in (("train", squares), ("val", squares[:1])):
        images = [save_image(tmp_path / part / "images" / f"{n}.png", n, (24, 24)) for n in range(2)]
        content = {
            "images": [
                {"id": n, "file_name": image.name, "height": 24, "width": 24}
                for n, image in enumerate(images)
            ],
            "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
            "annotations": [
                {
                    "id": n,
                    "image_id": 0,
                    "category_id": 1,
                    "segmentation": [[x, y, x + a, y, x + a, y + a, x, y + a]],
                    "iscrowd": 0,
                }
                for n, (x, y, a) in enumerate(shown)
            ],
        }
        (tmp_path / part / "annotations.json").write_text(json.dumps(content))
    report = check_dataset(DataConfig(root=str(tmp_path)))
    assert report.ok
    cat, dog = report.object_rows
    assert (cat.name, cat.train, cat.val, cat.crowds) == ("cat", 3, 1, 0)
    assert (cat.smallest, cat.median, cat.largest) == (16, 64, 64)
    assert (dog.train, dog.val, dog.largest) == (0, 0, 0)
    assert report.objects_per_image == (0.5, 3)
    assert report.tasks == ("instance", "semantic")
    notes = [finding.text for finding in report.findings]
    assert "images without an object: 2 of 4" in notes
    assert "objects cut by the border of their image: 1 of 4 (25.0%)" in notes
    assert "pixels of two objects or more: 32 (18.2% of those of objects)" in notes
    output = io.StringIO()
    report.print(Console(file=output, width=120))
    assert "objects an image: median 0.5, at most 3" in output.getvalue()
    assert "enough for --task instance, semantic" in output.getvalue()


def test_the_check_of_scenes_counts_objects():
    report = check_dataset(DataConfig(layout="scenes", scenes=(3, 1), scene_size=64))
    counted = {row.name: row.train for row in report.object_rows}
    expected = [render_scene(index, (64, 64)).segments() for index in range(3)]
    for label, name in ((5, "car"), (6, "person")):
        assert counted[name] == sum(one.class_index == label for segments in expected for one in segments)
