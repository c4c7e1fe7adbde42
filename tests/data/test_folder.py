"""Folders of images and masks: every form, every mistake, opened as a person would."""

import os
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from folders import make_pairs, save_image, save_mask, two_classes
from PIL import Image

from vit_adapter.config import DataConfig, InputError
from vit_adapter.data.dataset import open_dataset
from vit_adapter.data.layouts.pairs import Pair
from vit_adapter.data.layouts.split import name_fraction, split_by_name
from vit_adapter.images import UnreadableImageError

MASK = two_classes()
TEN = {f"p{index}": MASK for index in range(10)}


def _open(root, split="train", **options):
    return open_dataset(DataConfig(root=str(root), **options), split)


def _refusal(root, split="train", **options):
    with pytest.raises(InputError) as caught:
        _open(root, split, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestForms:
    @pytest.mark.parametrize(
        ("images", "masks"),
        [
            ("images/{}", "masks/{}"),
            ("{}/images", "{}/masks"),
            ("{}_images", "{}_masks"),
            ("img_dir/{}", "ann_dir/{}"),
            ("images/{}", "labels/{}"),
            ("images/{}", "annotations/{}"),
        ],
    )
    @pytest.mark.parametrize(
        ("train", "val"), [("train", "val"), ("training", "validation"), ("train", "valid")]
    )
    def test_split_folders(self, tmp_path, images, masks, train, val):
        make_pairs(tmp_path, {"a": MASK, "b": MASK}, images.format(train), masks.format(train))
        make_pairs(tmp_path, {"c": MASK}, images.format(val), masks.format(val))
        assert _open(tmp_path).names == ["a", "b"]
        dataset = _open(tmp_path, "val")
        assert dataset.names == ["c"]
        sample = dataset.read(0)
        assert sample.image.shape == (16, 24, 3)
        assert (sample.labels == MASK).all()
        assert dataset.classes.names == ("class 0", "class 1")

    @pytest.mark.parametrize("place", ["", "ImageSets/Segmentation"])
    @pytest.mark.parametrize(
        ("images", "masks", "line"),
        [
            ("images", "masks", "{}"),
            ("JPEGImages", "SegmentationClass", "{}"),
            ("images", "masks", "images/{}.png"),
            ("images", "masks", "images/{}.png masks/{}.png"),
            ("photos", "truth", "photos/{}.png\ttruth/{}.png"),
            ("photos", "truth", "/elsewhere/photos/{}.png /elsewhere/truth/{}.png"),
        ],
    )
    def test_lists(self, tmp_path, place, images, masks, line):
        names = ["x 1", "y", "z"]  # a blank inside a name must not part a line
        make_pairs(tmp_path, dict.fromkeys(names, MASK), images, masks)
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "train.txt").write_text(
            "\n".join(line.replace("{}", n) for n in names[:2]) + "\n\n"
        )
        (tmp_path / place / "val.txt").write_text(line.replace("{}", "z"))
        assert _open(tmp_path).names == names[:2]
        assert _open(tmp_path, "val").read(0).name == "z"

    def test_lists_with_letters_stored_in_two_ways(self, tmp_path):
        make_pairs(tmp_path, dict.fromkeys([unicodedata.normalize("NFC", "фото ä"), "b"], MASK))
        (tmp_path / "train.txt").write_text(unicodedata.normalize("NFD", "фото ä"), encoding="utf-8-sig")
        assert _open(tmp_path).names == [unicodedata.normalize("NFC", "фото ä")]

    def test_list_with_a_name_that_is_not_there(self, tmp_path):
        make_pairs(tmp_path, {"a": MASK, "b": MASK})
        (tmp_path / "train.txt").write_text("a\nnothere\n")
        assert "train.txt: line 2 names no image with a mask: 'nothere'" in _refusal(tmp_path)
        assert "none named val.txt" in _refusal(tmp_path, "val")

    def test_sub_folders(self, tmp_path):
        make_pairs(tmp_path, {"town/a": MASK, "city/a": MASK}, "images/train", "masks/train")
        make_pairs(tmp_path, {"town/b": MASK}, "images/val", "masks/val")
        assert _open(tmp_path).names == ["city/a", "town/a"]

    def test_common_ending_of_masks(self, tmp_path):
        for name in ("a", "ab"):
            save_image(tmp_path / f"images/train/{name}.jpg")
            save_mask(tmp_path / f"masks/train/{name}_mask.png", MASK)
        assert _open(tmp_path).names == ["a", "ab"]

    def test_letters_stored_in_two_ways(self, tmp_path):
        """S17: one system writes ä as one character, another as two."""
        save_image(tmp_path / "images/train" / (unicodedata.normalize("NFD", "täst 図") + ".jpg"))
        save_mask(tmp_path / "masks/train" / (unicodedata.normalize("NFC", "täst 図") + ".png"), MASK)
        assert _open(tmp_path).names == [unicodedata.normalize("NFC", "täst 図")]

    def test_files_that_systems_add(self, tmp_path):
        """S18: three pairs, whatever lies beside them."""
        make_pairs(tmp_path, dict.fromkeys("abc", MASK), "images/train", "masks/train")
        for folder in (tmp_path / "images/train", tmp_path / "masks/train"):
            (folder / "._a.jpg").write_bytes(bytes(4096))
            for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
                (folder / name).write_bytes(b"x")
            (folder / ".ipynb_checkpoints").mkdir()
            shutil.copy(folder / "a.png", folder / ".ipynb_checkpoints" / "a.png")
        assert _open(tmp_path).names == ["a", "b", "c"]


class TestSplitByName:
    def test_two_pairs_give_one_and_one(self, tmp_path):
        make_pairs(tmp_path, {"a": MASK, "b": MASK})
        assert len(_open(tmp_path)) == len(_open(tmp_path, "val")) == 1

    def test_one_pair_is_refused(self, tmp_path):
        make_pairs(tmp_path, {"a": MASK})
        assert "1 image with mask cannot be split" in _refusal(tmp_path)

    def test_an_added_file_moves_nobody(self):
        pairs = [Pair(f"n{i}", Path(f"n{i}.jpg"), Path(f"n{i}.png")) for i in range(40)]
        before = {pair.name for pair in split_by_name(pairs[:-1], 0.2, "x")["val"]}
        after = {pair.name for pair in split_by_name(pairs, 0.2, "x")["val"]}
        assert after - {"n39"} == before
        assert 4 <= len(before) <= 12

    def test_same_on_every_machine(self):
        """A recorded value: the split of published results must not change with a version."""
        assert name_fraction("täst 図/фото 1") == pytest.approx(0.83503245, abs=1e-8)

    @pytest.mark.parametrize("share", [0, 1, -0.1])
    def test_shares_outside_are_refused(self, tmp_path, share):
        make_pairs(tmp_path, TEN)
        assert "validation_share" in _refusal(tmp_path, validation_share=share)


class TestMistakes:
    def test_missing_folder(self, tmp_path):
        assert "nowhere: there is no such folder" in _refusal(tmp_path / "nowhere")
        assert "names no folder" in _refusal("")

    def test_empty_folder(self, tmp_path):
        message = _refusal(tmp_path)
        assert "holds no data set; expected images/train + masks/train" in message
        assert message.endswith("found nothing")

    def test_missing_validation_part(self, tmp_path):
        make_pairs(tmp_path, {"a": MASK}, "images/train", "masks/train")
        assert "has no val part" in _refusal(tmp_path, "val")

    def test_missing_masks_folder(self, tmp_path):
        save_image(tmp_path / "images/train/a.png")
        assert "masks/train: holds no masks" in _refusal(tmp_path)

    def test_empty_part(self, tmp_path):
        make_pairs(tmp_path, {"a": MASK}, "images/train", "masks/train")
        for name in ("images/val", "masks/val"):
            (tmp_path / name).mkdir()
        assert "images/val: holds no images" in _refusal(tmp_path, "val")

    def test_image_without_mask_and_mask_without_image(self, tmp_path):
        make_pairs(tmp_path, TEN)
        save_image(tmp_path / "images/lonely.jpg")
        assert "lonely.jpg: has no mask" in _refusal(tmp_path)
        (tmp_path / "images/lonely.jpg").unlink()
        save_mask(tmp_path / "masks/widow.png", MASK)
        assert "widow.png: belongs to no image" in _refusal(tmp_path, "val")

    def test_same_stem_two_suffixes(self, tmp_path):
        """S08: the message names both images."""
        make_pairs(tmp_path, TEN)
        save_image(tmp_path / "images/p3.jpg")
        message = _refusal(tmp_path)
        assert "p3.jpg" in message
        assert "p3.png" in message

    def test_other_size(self, tmp_path):
        make_pairs(tmp_path, TEN)
        for name in TEN:
            save_mask(tmp_path / f"masks/{name}.png", MASK.T)
        with pytest.raises(InputError, match=r"16x24 pixels \(width x height\), but its image .* has 24x16"):
            _open(tmp_path).read(0)

    def test_sizes_are_compared_as_displayed(self, tmp_path):
        """S12: a photo stored lying down fits a mask drawn upright."""
        make_pairs(tmp_path, {"b": MASK, "c": MASK})
        for name in ("b", "c"):
            exif = Image.Exif()
            exif[0x0112] = 6
            Image.fromarray(np.zeros((16, 24, 3), np.uint8)).save(tmp_path / f"images/{name}.png", exif=exif)
            save_mask(tmp_path / f"masks/{name}.png", MASK.T)
        sample = _open(tmp_path).read(0)
        assert sample.image.shape[:2] == sample.labels.shape == (24, 16)

    def test_label_outside_the_classes(self, tmp_path):
        make_pairs(tmp_path, {**TEN, "bad": MASK * 5})
        with pytest.raises(InputError, match=r"bad\.png: the mask value 5 in 192 pixels"):
            _read_everything(tmp_path, classes=["road", "sky"])

    def test_all_void(self, tmp_path):
        make_pairs(tmp_path, dict.fromkeys("abcd", np.full((4, 4), 255)))
        assert "all pixels of all 4 masks are ignored" in _refusal(tmp_path, classes=["road", "sky"])

    def test_one_class_only(self, tmp_path):
        """S10: the loss would be exactly 0."""
        make_pairs(tmp_path, dict.fromkeys("abcd", MASK * 255))
        assert '--data.classes "[background, road]"' in _refusal(tmp_path, classes=["road"])
        make_pairs(tmp_path, dict.fromkeys("abcd", np.where(MASK, 255, 1)))
        assert '--data.classes "[background, road]"' in _refusal(tmp_path, classes=["road"])

    def test_damaged_image_may_be_skipped_but_not_a_mask(self, tmp_path):
        make_pairs(tmp_path, TEN)
        for name in TEN:
            (tmp_path / f"images/{name}.png").write_bytes(b"")
        dataset = _open(tmp_path)
        with pytest.raises(UnreadableImageError, match="empty file"):
            dataset.read(0)
        make_pairs(tmp_path, TEN)
        dataset = _open(tmp_path)
        dataset.pairs[0].mask.write_bytes(b"")
        with pytest.raises(InputError, match="empty file") as caught:
            dataset.read(0)
        assert not isinstance(caught.value, UnreadableImageError)

    def test_unknown_split_and_class_file(self, tmp_path):
        make_pairs(tmp_path, TEN)
        assert "'dev'" in _refusal(tmp_path, "dev")
        assert "there is no file 'nofile.txt'" in _refusal(tmp_path, classes="nofile.txt")


def _read_everything(root, **options):
    for split in ("train", "val"):
        dataset = _open(root, split, **options)
        for index in range(len(dataset)):
            dataset.read(index)


class TestBinaryMasks:
    """S02: 0 and 255, with one stray 0/1 mask among them."""

    @pytest.fixture
    def root(self, tmp_path):
        mask = np.zeros((64, 64), np.uint8)
        mask[:, :16] = 1
        masks = {f"m{index}": mask * 255 for index in range(5)}
        return make_pairs(tmp_path, {**masks, "stray": mask})

    @pytest.mark.parametrize("options", [{}, {"classes": ["background", "road"]}])
    def test_refused_by_default(self, root, options):
        message = _refusal(root, **options)
        assert "m0.png" in message
        assert "255" in message
        assert "--data.binary true" in message

    def test_share_is_a_quarter_with_the_setting(self, root):
        total = np.zeros(2)
        for split in ("train", "val"):
            dataset = _open(root, split, binary=True)
            for index in range(len(dataset)):
                total += np.bincount(dataset.read(index).labels.ravel(), minlength=2)
        assert total.tolist() == [6 * 64 * 48, 6 * 64 * 16]
        assert _open(root, binary=True).classes.ids == (0, 255)

    def test_a_void_rim_is_not_taken_for_it(self, tmp_path):
        mask = two_classes()
        mask[:, 11:13] = 255
        make_pairs(tmp_path, {"a": mask, "b": mask, "c": np.where(mask == 1, 0, mask)})
        assert _open(tmp_path).classes.ids == (0, 1)

    def test_saying_that_255_is_void_is_enough(self, root):
        assert _open(root, ignored_values=[255]).classes.ids == (0, 1)


class TestPalettes:
    """S01."""

    def test_palettes_that_disagree(self, tmp_path):
        colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
        make_pairs(tmp_path, {"a": MASK, "b": MASK})
        save_mask(tmp_path / "masks/a.png", MASK, colours)
        save_mask(tmp_path / "masks/b.png", 1 - MASK, [colours[1], colours[0]])
        message = _refusal(tmp_path)
        assert "a.png" in message
        assert "b.png: palette index 0 is the colour (0, 200, 0), but (200, 0, 0) in" in message
        table = "name,r,g,b\nroad,200,0,0\nsky,0,200,0\ncar,0,0,200\n"
        (tmp_path / "table.csv").write_text(table)
        for split in ("train", "val"):
            assert (_open(tmp_path, split, classes="table.csv").read(0).labels == MASK).all()

    def test_a_file_that_the_sample_left_out_is_found_when_read(self, tmp_path, monkeypatch):
        monkeypatch.setattr("vit_adapter.data.dataset.SAMPLE", 2)
        colours = [(200, 0, 0), (0, 200, 0)]
        make_pairs(tmp_path, TEN)
        for name in TEN:
            save_mask(tmp_path / f"masks/{name}.png", MASK, colours)
        dataset = _open(tmp_path, classes=["a", "b"])
        last = dataset.pairs[-1].mask
        save_mask(last, MASK, colours[::-1])
        with pytest.raises(InputError, match="palette index 0"):
            dataset.read(len(dataset) - 1)

    def test_coloured_masks_without_a_table(self, tmp_path):
        """S11: file, colour and setting."""
        make_pairs(tmp_path, dict.fromkeys("ab", np.array([(0, 0, 0), (250, 50, 83)], np.uint8)[MASK]))
        message = _refusal(tmp_path)
        assert "a.png: the mask colour " in message
        assert "--data.classes FILE" in message

    def test_cvat_export(self, tmp_path):
        """S11: the label map in the root is the colour table."""
        colours = np.array([(0, 0, 0), (250, 50, 83)], np.uint8)[MASK]
        make_pairs(tmp_path, {"1": colours, "2": colours}, "JPEGImages", "SegmentationClass")
        (tmp_path / "labelmap.txt").write_text(
            "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncar:250,50,83::\n"
        )
        dataset = _open(tmp_path)
        assert dataset.classes.names == ("background", "car")
        assert (dataset.read(0).labels == MASK).all()


class TestClasses:
    @pytest.mark.slow
    def test_found_values_in_ascending_order(self, tmp_path):
        """S50: neither the hash seed of Python nor the order of creation matters."""
        masks = {"b": MASK * 40, "a": MASK * 7, "c": np.where(MASK, 3, 40)}
        make_pairs(tmp_path / "one", masks)
        make_pairs(tmp_path / "two", dict(reversed(masks.items())))
        code = (
            "import sys; from vit_adapter.config import DataConfig; "
            "from vit_adapter.data.dataset import open_dataset; "
            "print(open_dataset(DataConfig(root=sys.argv[1]), 'train').classes)"
        )
        seen = set()
        for seed, root in (("0", "one"), ("1", "two")):
            environment = {**os.environ, "PYTHONHASHSEED": seed}
            command = [sys.executable, "-c", code, str(tmp_path / root)]
            seen.add(
                subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout
            )
        assert len(seen) == 1
        assert "ids=(0, 3, 7, 40)" in seen.pop()

    def test_class_file_in_the_root(self, tmp_path):
        make_pairs(tmp_path, dict.fromkeys("ab", MASK * 7))
        (tmp_path / "classes.json").write_text('{"0": "road", "7": "sky"}')
        dataset = _open(tmp_path)
        assert dataset.classes.names == ("road", "sky")
        assert (dataset.read(0).labels == MASK).all()

    def test_list_of_the_command_line(self, tmp_path):
        """S65: what is typed after --data.classes arrives as text where YAML sees more than texts."""
        make_pairs(tmp_path, dict.fromkeys("ab", MASK))
        assert _open(tmp_path, classes="[no, 010]").classes.names == ("no", "010")
        assert "'no' occurs twice" in _refusal(tmp_path, classes="[no, no]")

    def test_300_classes(self, tmp_path):
        """S09: three real classes, none of them void."""
        values = np.repeat(np.array([[254, 255, 256]], np.uint16), 3, axis=0)
        for name in "ab":
            save_image(tmp_path / f"images/{name}.png", size=(3, 3))
            save_mask(tmp_path / f"masks/{name}.png", values)
        labels = _open(tmp_path, classes=[f"n{index}" for index in range(300)]).read(0).labels
        assert labels.dtype == np.uint16
        assert (labels == values).all()


class TestRealData:
    def test_camvid(self, data_root):
        for split, count in (("train", 367), ("val", 101)):
            dataset = _open(data_root / "camvid", split)
            assert len(dataset) == count
            sample = dataset.read(0)
            assert sample.image.shape == (360, 480, 3)
            assert set(np.unique(sample.labels)) <= {*range(11), 255}
        assert dataset.classes.names[3] == "Road"
        assert dataset.classes.ignore_id == 11

    @pytest.mark.parametrize("inner", ["", "ADEChallengeData2016"])
    def test_ade20k(self, data_root, inner):
        dataset = _open(data_root / "ade20k" / inner, "val")
        assert dataset.names == ["ADE_val_00000001", "ADE_val_00000002", "ADE_val_00000003"]
        assert len(dataset.classes) == 150
        stored = np.asarray(Image.open(dataset.pairs[0].mask)).astype(int)
        assert (dataset.read(0).labels == np.where(stored == 0, 255, stored - 1)).all()
        assert dataset.classes.ids == tuple(range(1, 151))

    def test_ade20k_with_names_of_the_recipe(self, data_root):
        names = [f"name {index}" for index in range(149)] + ["flag "]
        dataset = _open(data_root / "ade20k", "val", classes=names)
        assert dataset.classes.names[149] == "flag"
        assert dataset.classes.ids[0] == 1

    def test_voc(self, data_root):
        dataset = _open(data_root / "voc")
        assert dataset.classes.names[0] == "_background_"
        assert len(dataset.classes) == 21
        stored = np.asarray(Image.open(dataset.pairs[0].mask))
        assert (dataset.read(0).labels == stored).all()

    def test_coco_stuff(self, data_root):
        dataset = _open(data_root / "coco_stuff")
        assert (len(dataset), len(_open(data_root / "coco_stuff", "val"))) == (13, 8)
        stored = np.asarray(Image.open(dataset.pairs[3].mask))
        labels = dataset.read(3).labels
        ids = np.array([*dataset.classes.ids, *[0] * (255 - len(dataset.classes)), 255])
        assert (ids[labels] == stored).all()


@pytest.mark.slow
def test_names_outside_ascii_under_the_c_locale(tmp_path):
    """S17: pairs are found, and messages can be printed, with or without lists."""
    root = make_pairs(tmp_path / "täst 図", {"фото 1": MASK, "фото 2": MASK})
    code = (
        "import sys; from vit_adapter.config import DataConfig; "
        "from vit_adapter.data.check import check_dataset; from vit_adapter.data.dataset import open_dataset; "
        "config = DataConfig(root=sys.argv[1]); "
        "print(len(open_dataset(config, 'train')) + len(open_dataset(config, 'val'))); "
        "report = check_dataset(config); report.print(); sys.exit(not report.ok)"
    )
    environment = {**os.environ, "PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONIOENCODING": ""}
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code, str(root)], env=environment, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        assert done.stdout.startswith(b"2\n")
        (root / "train.txt").write_text("фото 1", encoding="utf-8")
        (root / "val.txt").write_text("фото 2", encoding="utf-8")


def test_scenes():
    dataset = open_dataset(DataConfig(layout="scenes", scenes=(5, 3), scene_size=64), "val")
    assert len(dataset) == len(dataset.names) == 3
    sample = dataset.read(2)
    assert sample.image.shape == (64, 64, 3)
    assert sample.labels.max() < len(dataset.classes)
    with pytest.raises(IndexError):
        dataset.read(3)


@pytest.mark.parametrize("channels", [4, 6])
def test_more_than_three_channels(tmp_path, channels):
    """NPY images with as many channels as mean values."""
    values = np.random.default_rng(0).integers(0, 4000, (16, 24, channels)).astype(np.uint16)
    for name in "ab":
        make_pairs(tmp_path, {name: MASK})
        (tmp_path / f"images/{name}.png").unlink()
        np.save(tmp_path / f"images/{name}.npy", values)
    sample = _open(tmp_path, mean=[0.0] * channels, std=[1.0] * channels).read(0)
    assert (sample.image == values).all()
