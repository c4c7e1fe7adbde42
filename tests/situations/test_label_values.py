"""Values in masks that are odd: slips, smoothing, ids that are too large, shifts; and images without a mask."""

import numpy as np
import pytest
from PIL import Image

from vit_adapter import InputError
from vit_adapter.config import DataConfig
from vit_adapter.data.check import check_dataset
from vit_adapter.data.dataset import open_dataset

from .making import BLUE, RED, TRAINING, colour_model, command, found_errors, halves, refusal, save_pairs

HEADING = "Odd values in masks"
TITLES = {
    128: "Masks without one labelled pixel",
    129: "One stray pixel makes a class",
    130: "Zero reduction and label maps",
    131: "Label maps that cannot be",
    132: "A class id that no mask format can hold",
    133: "Masks that were smoothed",
    134: "Some images have no mask",
    135: "A class that training masks do not hold",
}


def checked(capfd, *words) -> str:
    """What `data check` prints over input that training can begin with."""
    code, out, err = command(capfd, "data", "check", *words, "--sheet", "")
    assert code == 0, out + err
    return " ".join(out.split())


def dry_run(capfd, *words) -> str:
    """What `train --dry-run` prints."""
    code, out, err = command(capfd, "train", *words, *TRAINING, "--training.steps", 2, "--dry-run")
    assert code == 0, err
    return " ".join(out.split())


def test_s128_unlabelled_masks(tmp_path, capfd):
    """`data check` and `train` name masks all of whose pixels are ignored."""
    masks = {name: halves(0, 1) for name in "abcd"} | {"x": np.full((32, 32), 255, np.uint8)}
    folder = save_pairs(tmp_path, masks)
    words = f"1 of 5 mask has no labelled pixel, all of them ignored: {folder / 'masks/x.png'}"
    assert words in checked(capfd, folder)
    assert words in dry_run(capfd, "--data.root", folder)
    (folder / "masks/x.png").unlink()
    (folder / "images/x.png").unlink()
    assert "no labelled pixel" not in checked(capfd, folder)


def test_s129_one_stray_pixel(tmp_path, capfd):
    """A class of a few pixels in an image or two is named with pixels, images and file, as a question."""
    masks = {name: halves(0, 1, 64, 64) for name in "abcd"}
    masks["b"][3, 5] = 9
    folder = save_pairs(tmp_path, masks)
    words = f"class 'class 9' (mask value 9): 1 pixel in 1 image, {folder / 'masks/b.png'}: a slip?"
    assert words in checked(capfd, folder)
    assert words in dry_run(capfd, "--data.root", folder)
    masks["b"][3, 5] = 1
    save_pairs(tmp_path, masks)
    assert "a slip?" not in checked(capfd, folder)
    masks["b"][:8, :8] = 9
    save_pairs(tmp_path, masks)
    assert "a slip?" not in checked(capfd, folder)


def test_s130_no_zero_to_reduce(tmp_path, capfd):
    """With `--data.reduce_zero true` a line says so where no mask holds the 0 that is to be ignored."""
    folder = save_pairs(tmp_path, dict.fromkeys("abc", halves(1, 2)))
    words = "no mask holds the value 0, which --data.reduce_zero true ignores"
    assert words in checked(capfd, folder, "--data.reduce_zero", "true")
    assert words in dry_run(capfd, "--data.root", folder, "--data.reduce_zero", "true")
    assert words not in checked(capfd, folder)
    save_pairs(tmp_path, {"b": halves(0, 2)})
    assert words not in checked(capfd, folder, "--data.reduce_zero", "true")


def test_s130_order_of_map_and_reduction(tmp_path, capfd):
    """A label map takes the values as stored: with zero reduction 0 is void, and a map that names it is refused."""
    mask = np.repeat(np.array([0, 1, 2], np.uint8), 16)[None].repeat(48, 0)
    folder = save_pairs(tmp_path, dict.fromkeys("abc", mask))
    data = open_dataset(DataConfig(root=str(folder), reduce_zero=True, label_map={1: 0, 2: 1}), "train")
    assert data.read(0).labels[0, ::16].tolist() == [255, 0, 1]
    words = ["--data.reduce_zero", "true", "--data.label_map", "{0: 0, 1: 1}"]
    for line in (
        refusal(capfd, "train", "--data.root", folder, *TRAINING, *words),
        refusal(capfd, "data", "check", folder, *words),
    ):
        assert "--data.label_map: names the mask value 0, which --data.reduce_zero ignores" in line
        assert "as they are stored" in line
    data = open_dataset(
        DataConfig(root=str(folder), reduce_zero=True, label_map={0: 255, 1: 0, 2: 1}), "train"
    )
    assert data.read(0).labels[0, ::16].tolist() == [255, 0, 1]


@pytest.mark.parametrize(
    ("label_map", "words"),
    [
        ({-1: 0, 7: 1}, "the mask value -1, expected whole numbers from 0 on"),
        ({}, "no mask value becomes a class"),
        ({7: 0, 8: 2}, "class numbers [0, 2], expected 0..1 without gaps"),
    ],
)
def test_s131_maps_that_cannot_be(label_map, words, tmp_path):
    """What is wrong with a map is said of the map, not of a class list that nobody gave."""
    folder = save_pairs(tmp_path, dict.fromkeys("abc", halves(7, 8)))
    with pytest.raises(InputError, match=r"^--data\.label_map") as caught:
        open_dataset(DataConfig(root=str(folder), label_map=label_map), "train")
    assert words in str(caught.value)
    assert "class list" not in str(caught.value)


def large_ids(root):
    mask = np.repeat(np.array([7, 70000], np.int32), 16)[None].repeat(32, 0)
    return save_pairs(root, {"a": halves(7, 7)} | dict.fromkeys("bc", mask), ".tif")


def test_s132_id_of_70000(tmp_path, capfd):
    """The file with such a value is named, with the two ways out, and both of them work."""
    folder = large_ids(tmp_path)
    for text in (refusal(capfd, "train", "--data.root", folder, *TRAINING), found_errors(capfd, folder)):
        assert (
            f"{folder / 'masks/b.tif'}: holds the value 70000 in 512 pixels, class ids are 0..65535" in text
        )
        assert "--data.label_map" in text
        assert '--data.ignored_values "[70000]"' in text
        assert "class list" not in text
    data = open_dataset(DataConfig(root=str(folder), label_map={7: 0, 70000: 1}), "train")
    assert data.classes.ids == (7, 0)
    labels = {name: data.read(index).labels for index, name in enumerate(data.names)}
    assert (labels["b"] == halves(0, 1)).all()
    config = DataConfig(root=str(folder), ignored_values=[70000], one_class=True)
    assert open_dataset(config, "train").classes.ids == (7,)
    # The value of ignored pixels in results has to fit into a mask file.
    config = DataConfig(root=str(folder), ignore=70000, one_class=True)
    assert open_dataset(config, "train").classes.ignore_id == 255


def test_s132_with_a_class_list(tmp_path, capfd):
    """So is it where a class list was given."""
    folder = large_ids(tmp_path)
    words = ["--data.label_map", "{7: 0, 8: 1}"]
    for text in (
        refusal(capfd, "train", "--data.root", folder, *TRAINING, *words),
        found_errors(capfd, folder, *words),
    ):
        assert "b.tif: the mask value 70000 in 512 pixels is not a class" in text


TABLE = "id,name,color\n0,road,#ff0000\n1,sky,#0000ff\n"


def smoothed(array: np.ndarray) -> np.ndarray:
    """As programs resize images."""
    small = Image.fromarray(array)
    return np.asarray(small.resize((96, 96), Image.Resampling.BICUBIC))


def test_s133_one_line_for_each_file(tmp_path, capfd):
    """A smoothed colour mask is one line, with `--data.nearest_color true` as the way out; with it colours become the
    nearest of the table in `data check`, training and evaluation alike."""
    noise = np.random.default_rng(0).integers(0, 2, (32, 32))
    drawn = np.array([RED, BLUE], np.uint8)[noise]
    folder = save_pairs(
        tmp_path / "d", {"a": smoothed(drawn), "b": halves(RED, BLUE), "c": halves(RED, BLUE)}
    )
    (tmp_path / "c.csv").write_text(TABLE)
    words = [folder, "--data.classes", tmp_path / "c.csv"]
    out = found_errors(capfd, *words)
    lines = [line for line in out.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    line = refusal(capfd, "train", "--data.root", *words, *TRAINING)
    for text in (lines[0], line):
        assert "a.png" in text
        assert "colours in" in text
        assert "--data.nearest_color true" in text
        assert "add it to" not in text
        assert "further" not in text

    words += ["--data.nearest_color", "true"]
    checked(capfd, *words)
    config = DataConfig(root=str(folder), classes=str(tmp_path / "c.csv"), nearest_color=True)
    parts = [open_dataset(config, part) for part in ("train", "val")]
    labels = {part.names[i]: part.read(i).labels for part in parts for i in range(len(part))}
    expected = (smoothed(drawn)[..., 2].astype(int) >= smoothed(drawn)[..., 0]).astype(np.uint8)
    np.testing.assert_array_equal(labels["a"], expected)
    np.testing.assert_array_equal(labels["b"], halves(0, 1))
    assert (labels["a"] != 255).all()
    report = check_dataset(config)
    assert report.unknown_share == 0
    share = sum((label == 1).sum() for label in labels.values()) / sum(
        label.size for label in labels.values()
    )
    assert report.rows[1].share == pytest.approx(share)

    dry_run(capfd, "--data.root", *words)


def test_s133_evaluation(tmp_path):
    """Evaluation counts the same labels."""
    from vit_adapter.api import evaluate

    noise = np.random.default_rng(0).integers(0, 2, (32, 32))
    mask = smoothed(np.array([RED, BLUE], np.uint8)[noise])
    folder = save_pairs(tmp_path / "d", dict.fromkeys("abc", mask))
    (tmp_path / "c.csv").write_text(TABLE)
    config = DataConfig(root=str(folder), classes=str(tmp_path / "c.csv"), nearest_color=True)
    data = open_dataset(config, "val")
    result = evaluate(colour_model([RED, BLUE], classes=data.classes), config, quiet=True)
    ones = sum(int((data.read(index).labels == 1).sum()) for index in range(len(data)))
    assert result.matrix.label_area.tolist() == [96 * 96 * len(data) - ones, ones]
    assert result.void_pixels == 0


def test_s133_smoothed_binary_masks(tmp_path, capfd):
    """Greys of smoothed 0/255 masks are one line for each file, and 0 or 255 with the setting."""
    grey = smoothed(np.random.default_rng(0).integers(0, 2, (32, 32)).astype(np.uint8) * 255)
    folder = save_pairs(tmp_path, {"a": grey, "b": grey, "c": halves(0, 255)})
    words = [folder, "--data.binary", "true"]
    out = found_errors(capfd, *words)
    assert out.count("error: ") == 2
    assert "--data.nearest_color true" in out
    checked(capfd, *words, "--data.nearest_color", "true")
    data = open_dataset(DataConfig(root=str(folder), binary=True, nearest_color=True), "train")
    labels = {name: data.read(index).labels for index, name in enumerate(data.names)}
    for name in labels.keys() & {"a", "b"}:
        np.testing.assert_array_equal(labels[name], grey >= 128)


def test_s133_class_numbers_and_tables(tmp_path, capfd):
    """Smoothed class numbers are one line too; the setting alone, without colours, is refused."""
    grey = smoothed(np.random.default_rng(0).integers(0, 2, (32, 32)).astype(np.uint8) * 100)
    folder = save_pairs(tmp_path, {"a": grey, "b": halves(0, 100), "c": halves(0, 100)})
    words = [folder, "--data.label_map", "{0: 0, 100: 1}"]
    out = found_errors(capfd, *words)
    assert out.count("error: ") == 1
    assert "nearest neighbour" in out
    assert "--data.ignored_values" not in out
    line = refusal(capfd, "data", "check", *words, "--data.nearest_color", "true")
    assert "--data.nearest_color true: there are no colours" in line


def six_of_thirty(root):
    folder = save_pairs(root, {f"{n:02}": halves(0, 1) for n in range(30)})
    for n in range(6, 30):
        (folder / f"masks/{n:02}.png").unlink()
    return folder


def test_s134_six_masks_of_thirty(tmp_path, capfd):
    """Refused in one line with the number of images and the way out; with it the others are left out, and counted."""
    folder = six_of_thirty(tmp_path)
    for text in (refusal(capfd, "train", "--data.root", folder, *TRAINING), found_errors(capfd, folder)):
        assert "06.png: has no mask" in text
        assert "23 further of 30 images" in text
        assert "--data.skip_unlabelled true" in text
    words = ["--data.skip_unlabelled", "true"]
    assert "images without a mask, which are left out: 24" in checked(capfd, folder, *words)
    assert "which are left out: 24" in dry_run(capfd, "--data.root", folder, *words)
    config = DataConfig(root=str(folder), skip_unlabelled=True)
    assert sum(len(open_dataset(config, part)) for part in ("train", "val")) == 6
    (folder / "masks/zz.png").write_bytes((folder / "masks/00.png").read_bytes())
    assert "zz.png: belongs to no image" in found_errors(capfd, folder, *words)


def test_s134_lists_and_parts(tmp_path, capfd):
    """So it is with lists that name images without a mask, and with folders of parts."""
    folder = six_of_thirty(tmp_path / "lists")
    (folder / "train.txt").write_text("".join(f"{n:02}\n" for n in range(1, 9)))
    (folder / "val.txt").write_text("00\n")
    text = found_errors(capfd, folder)
    assert "train.txt: line 6: " in text
    assert "--data.skip_unlabelled true" in text
    config = DataConfig(root=str(folder), skip_unlabelled=True)
    assert [len(open_dataset(config, part)) for part in ("train", "val")] == [5, 1]

    parts = tmp_path / "parts"
    for part in ("train", "val"):
        save_pairs(parts / part, {f"{part}{n}": halves(0, 1) for n in range(4)})
        (parts / part / "masks" / f"{part}2.png").unlink()
    assert "--data.skip_unlabelled true" in refusal(capfd, "train", "--data.root", parts, *TRAINING)
    config = DataConfig(root=str(parts), skip_unlabelled=True)
    assert [len(open_dataset(config, part)) for part in ("train", "val")] == [3, 3]


def parts_folder(root, training: np.ndarray, validation: np.ndarray, count: int = 2):
    save_pairs(root / "train", {f"t{n}": training for n in range(count)})
    return save_pairs(root / "val", {f"v{n}": validation for n in range(2)}).parent


@pytest.mark.parametrize("weights", ["auto", "null"])
@pytest.mark.parametrize("count", [2, 70])
def test_s135_in_validation_only(weights, count, tmp_path, capfd):
    """`train` names classes that occur in validation only or nowhere, once, and prints no weight for them."""
    folder = parts_folder(tmp_path, halves(0, 1), halves(1, 2), count)
    words = [
        "--data.root",
        folder,
        "--data.classes",
        "[road, sky, car, boat]",
        "--training.class_weights",
        weights,
    ]
    out = dry_run(capfd, *words)
    assert out.count("classes that occur in validation only: car") == 1
    assert "boat" in out
    if weights == "auto":
        missing = "none (not in the training masks)"
        assert f"road 1.00, sky 1.00, car {missing}, boat {missing}" in out


def test_s135_weights_of_a_stray_pixel(tmp_path, capfd):
    """One stray pixel makes no weight of hundreds: automatic weights lie within 0.1 and 10."""
    mask = halves(0, 1, 256, 256)
    mask[0, 0] = 9
    folder = parts_folder(tmp_path, mask, halves(0, 1, 256, 256))
    out = dry_run(capfd, "--data.root", folder, "--training.class_weights", "auto")
    assert "class 0 1.00, class 1 1.00, class 9 10.00" in out
    assert "class 'class 9' (mask value 9): 2 pixels in 2 images" in out
