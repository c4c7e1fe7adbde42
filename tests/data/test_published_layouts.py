"""Published data sets in their official folders: found, read, checked, and refused with what is to be done."""

import json
import pickle
import shutil
from typing import get_args

import numpy as np
import pytest
from folders import save_image, save_mask
from miniatures import MINIATURES, coco_panoptic, coco_stuff164k, mapillary, pascal_context, pattern, potsdam
from PIL import Image

from vit_adapter.config import DataConfig, InputError
from vit_adapter.config.data import LayoutName
from vit_adapter.data.check import check_dataset
from vit_adapter.data.dataset import open_dataset
from vit_adapter.data.layouts.readers import OFFICIAL, READERS
from vit_adapter.data.source import find_layout
from vit_adapter.tasks import SemanticResult


def _open(root, split="train", **options):
    return open_dataset(DataConfig(root=str(root), **options), split)


def _refusal(root, split="train", **options):
    with pytest.raises(InputError) as caught:
        _open(root, split, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_layout_has_a_reader():
    assert {*READERS, "auto", "folder", "scenes"} == set(get_args(LayoutName))


@pytest.mark.parametrize("name", MINIATURES)
def test_miniature(name, tmp_path):
    make, layout, classes, labels, counts = MINIATURES[name]
    make(tmp_path)
    for split, count in zip(("train", "val"), counts):
        dataset = _open(tmp_path, split, layout=layout)
        assert len(dataset) == len(set(dataset.names)) == count
        assert len(dataset.classes) == classes
        for index in range(count):
            sample = pickle.loads(pickle.dumps(dataset)).read(index)  # as a worker process has it
            assert sample.image.shape == (12, 16, 3)
            assert (sample.labels == pattern(labels)).all()
    assert dataset.classes.colours is not None
    report = check_dataset(DataConfig(root=str(tmp_path), layout=layout))
    assert report.ok, [finding.text for finding in report.findings]
    assert tuple(report.image_counts.values()) == counts
    assert not report.unknown_share


@pytest.mark.parametrize("name", [name for name in MINIATURES if "pascal" not in name])
def test_recognised(name, tmp_path):
    """The folder itself, and the one above where the data set's folder has its usual name."""
    make, layout, *_ = MINIATURES[name]
    for number, inner in enumerate(("", *(OFFICIAL[layout].inner if layout in OFFICIAL else ()))):
        root = tmp_path / str(number)
        make(root / inner)
        assert find_layout(DataConfig(root=str(root))).name == layout


def test_pascal_context_asks_which(tmp_path):
    pascal_context(tmp_path)
    message = _refusal(tmp_path)
    assert "--data.layout pascal_context_59 or --data.layout pascal_context_60" in message


@pytest.mark.parametrize("layout", [name for name in READERS if name != "camvid"])
def test_a_folder_that_is_arranged_otherwise(layout, tmp_path):
    """One line that says where the data set is and how to arrange it."""
    save_image(tmp_path / "photos/a.jpg")
    message = _refusal(tmp_path, layout=layout)
    assert "is not arranged like" in message
    assert "; get " in message
    assert "http" in message


@pytest.mark.parametrize("split", ["train", "val"])
def test_masks_that_are_not_prepared(split, tmp_path):
    coco_stuff164k(tmp_path)
    stuff = tmp_path / "coco_stuff10k"
    for part in ("train2014", "test2014"):
        save_image(stuff / f"images/{part}/a.jpg")
        (stuff / f"annotations/{part}").mkdir(parents=True)
        (stuff / f"annotations/{part}/a.mat").write_bytes(b"x")
    message = _refusal(stuff, split, layout="coco_stuff10k")
    assert "needs masks *_labelTrainIds.png" in message
    assert "coco_stuff10k.py" in message


def test_one_missing_mask_is_named(tmp_path):
    """The form with most masks is meant, and the missing one is said."""
    MINIATURES["cityscapes"][0](tmp_path)
    mask = next((tmp_path / "gtFine/train/ulm").glob("*labelTrainIds.png"))
    mask.unlink()
    message = _refusal(tmp_path)
    assert "leftImg8bit.png: has no mask, expected" in message
    assert mask.name in message
    assert len(_open(tmp_path, "val")) == 1


def test_only_the_validation_part(tmp_path):
    """Enough to measure a model."""
    MINIATURES["cityscapes"][0](tmp_path)
    shutil.rmtree(tmp_path / "leftImg8bit/train")
    shutil.rmtree(tmp_path / "gtFine/train")
    assert len(_open(tmp_path, "val")) == 1
    assert "leftImg8bit/train: holds no images" in _refusal(tmp_path)


def test_missing_list(tmp_path):
    pascal_context(tmp_path)
    (tmp_path / "ImageSets/SegmentationContext/val.txt").unlink()
    message = _refusal(tmp_path, "val", layout="pascal_context_59")
    assert "val.txt: there is no such list; get VOCtrainval" in message


def test_labels_go_back_to_label_ids(tmp_path):
    """Predictions for the Cityscapes server: 7 is road, whatever the labels are."""
    MINIATURES["cityscapes_label_ids"][0](tmp_path)
    dataset = _open(tmp_path)
    table, image = dataset.classes, np.zeros((1, 3, 3), np.uint8)
    labels = np.array([[0, 18, 255]])
    result = SemanticResult(labels=labels, class_names=table.names, image=image, ids=table.ids)
    assert result.own_ids().tolist() == [[7, 33, 255]]


def test_values_outside_the_classes_are_named(tmp_path):
    coco_stuff164k(tmp_path, "", (0, 11))  # COCO's number 12 is no class
    with pytest.raises(InputError, match="mask value 11 in"):
        _open(tmp_path).read(0)


class TestSettings:
    def test_names_of_a_recipe_keep_the_mask_values(self, tmp_path):
        MINIATURES["cityscapes_label_ids"][0](tmp_path)
        dataset = _open(tmp_path, classes=[f"name {number}" for number in range(19)])
        assert dataset.classes.names[18] == "name 18"
        assert (dataset.read(0).labels == pattern([0, 5, 18, 255])).all()

    def test_another_number_of_classes_is_refused(self, tmp_path):
        MINIATURES["cityscapes"][0](tmp_path)
        assert "names 2 classes, but the masks hold the 19 classes of Cityscapes" in _refusal(
            tmp_path, classes=["a", "b"]
        )

    def test_classes_may_be_merged(self, tmp_path):
        MINIATURES["cityscapes"][0](tmp_path)
        label_map = {value: int(value > 4) for value in range(19)}
        dataset = _open(tmp_path, classes=["flat", "rest"], label_map=label_map)
        assert (dataset.read(0).labels == pattern([0, 1, 1, 255])).all()

    def test_reduction_of_zero_is_the_data_sets_own(self, tmp_path):
        MINIATURES["cityscapes"][0](tmp_path)
        assert "set it to false" in _refusal(tmp_path, reduce_zero=True)
        MINIATURES["potsdam"][0](tmp_path / "p")
        assert (_open(tmp_path / "p", reduce_zero=True).read(0).labels == pattern([0, 1, 5, 255])).all()

    def test_another_ignored_value_changes_no_class(self, tmp_path):
        mapillary(tmp_path)
        labels = _open(tmp_path, ignore=5).read(0).labels
        assert (labels == pattern(MINIATURES["mapillary"][3])).all()

    def test_own_data_in_similar_folders_stays_own(self, tmp_path):
        potsdam(tmp_path)
        (tmp_path / "classes.txt").write_text("".join(f"own {number}\n" for number in range(7)))
        dataset = _open(tmp_path)
        assert dataset.classes.names[0] == "own 0"
        assert (dataset.read(0).labels == pattern([1, 2, 6, 0])).all()
        assert _open(tmp_path, layout="potsdam", classes=None).classes.names[0] == "impervious_surface"


class TestMapillary:
    def test_values_above_65_are_road_as_published(self, tmp_path):
        mapillary(tmp_path)
        save_mask(tmp_path / "training/labels/x2-Q.png", pattern([13, 66, 255, 1]))
        dataset = _open(tmp_path)
        assert (dataset.read(dataset.names.index("x2-Q")).labels == pattern([0, 0, 0, 255])).all()

    def test_the_check_says_that_training_uses_both_parts(self, tmp_path):
        mapillary(tmp_path)
        texts = [finding.text for finding in check_dataset(DataConfig(root=str(tmp_path))).findings]
        assert any("training uses the validation part too" in text for text in texts)
        assert not any("same file" in text for text in texts)


class TestPanoptic:
    def test_unlisted_segment(self, tmp_path):
        coco_panoptic(tmp_path)
        file = tmp_path / "annotations/panoptic_val2017/000000000139.png"
        values = np.asarray(Image.open(file)).copy()
        values[0, 0] = (1, 1, 1)
        Image.fromarray(values).save(file)
        assert "000000000139.png: the segment 65793 in 1 pixels is not in the JSON" in _refusal(
            tmp_path, "val"
        )

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (
                lambda c: c["annotations"][0].pop("segments_info"),
                "has no image, file_name or segments_info",
            ),
            (lambda c: c["annotations"][0]["segments_info"][0].pop("id"), "segment without id"),
            (lambda c: c["annotations"][0]["segments_info"][0].update(category_id=5), "the category 5"),
            (lambda c: c["categories"][0].update(id="x"), "has the id 'x'"),
            (lambda c: c["categories"].pop(), "other categories"),
            (lambda c: c["images"][0].update(file_name="nothere.jpg"), "nothere.jpg: there is no such file"),
        ],
    )
    def test_broken_json(self, change, message, tmp_path):
        coco_panoptic(tmp_path)
        file = tmp_path / "annotations/panoptic_val2017.json"
        content = json.loads(file.read_text())
        change(content)
        file.write_text(json.dumps(content))
        assert message in _refusal(tmp_path, "val")

    def test_too_many_pixels(self, tmp_path):
        coco_panoptic(tmp_path)
        assert "192" in _refusal(tmp_path, max_pixels=100)

    def test_real_sample(self, data_root):
        """COCO's own sample: areas of the segments, summed by category, are pixel counts of the labels."""
        root = data_root / "coco"
        content = json.loads((root / "sample_data/panoptic_examples.json").read_text())
        seen = 0
        for split in ("train", "val"):
            dataset = _open(root, split)
            assert len(dataset.classes) == 133
            assert dataset.classes.ids[79:81] == (90, 92)
            for index, name in enumerate(dataset.names):
                (annotation,) = [item for item in content["annotations"] if item["image_id"] == int(name)]
                areas = dict.fromkeys(dataset.classes.ids, 0)
                for segment in annotation["segments_info"]:
                    areas[segment["category_id"]] += segment["area"]
                labels = dataset.read(index).labels
                assert np.bincount(labels.ravel(), minlength=133)[:133].tolist() == list(areas.values())
                seen += 1
        assert seen == 2


def test_real_coco_stuff(data_root, tmp_path):
    """Masks as published: label = position of COCO's number among those in use."""
    (tmp_path / "images").mkdir()
    (tmp_path / "annotations").mkdir()
    for split in ("train", "val"):
        shutil.copytree(data_root / f"coco_stuff/{split}_img", tmp_path / f"images/{split}2017")
        shutil.copytree(data_root / f"coco_stuff/{split}_label", tmp_path / f"annotations/{split}2017")
    dataset = _open(tmp_path, "val")
    assert (len(dataset), len(_open(tmp_path))) == (8, 13)
    unused = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91}
    for index in range(len(dataset)):
        stored = np.asarray(Image.open(dataset.pairs[index].mask)).astype(int)
        below = np.array([sum(number < value + 1 for number in unused) for value in range(256)])
        assert (dataset.read(index).labels == np.where(stored == 255, 255, stored - below[stored])).all()
    assert "grass" in dataset.classes.names
