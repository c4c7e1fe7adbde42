"""Labels and masks: what a mask value means, and where pixels without a class come from."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from vit_adapter import InputError
from vit_adapter.annotations import Annotation
from vit_adapter.api import evaluate, predict
from vit_adapter.config import AugmentationConfig, DataConfig, InferenceConfig, Normalization
from vit_adapter.data.dataset import open_dataset
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.data.transforms import TrainingTransform
from vit_adapter.heads.mask2former.targets import targets_of
from vit_adapter.images import Mask

from .making import (
    BLUE,
    GREEN,
    RED,
    TRAINING,
    TRAINING_MASK2FORMER,
    colour_model,
    command,
    found_errors,
    halves,
    refusal,
    save_pairs,
    varied_model,
)

ROAD, SKY, CAR = (128, 64, 128), (70, 130, 180), (0, 0, 142)
COLOUR_TABLE = "name,r,g,b\nroad,128,64,128\nsky,70,130,180\ncar,0,0,142\n"


def all_labels(config: DataConfig) -> dict[str, np.ndarray]:
    """Labels of every image of both parts, by name."""
    parts = [open_dataset(config, part) for part in ("train", "val")]
    return {part.names[i]: part.read(i).labels for part in parts for i in range(len(part))}


def mostly(colour, *others) -> np.ndarray:
    """An RGB mask of one colour with bars of others."""
    mask = np.empty((32, 32, 3), np.uint8)
    mask[:] = colour
    for position, other in enumerate(others):
        mask[:, 4 * position : 4 * position + 4 - position] = other
    return mask


def adaptive(mask: np.ndarray) -> Image.Image:
    """Mode P with the most frequent colour first."""
    colours, indices, counts = np.unique(mask.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(-counts)
    photo = Image.fromarray(np.argsort(order)[indices].reshape(mask.shape[:2]).astype(np.uint8))
    photo.putpalette(colours[order].ravel().tolist())
    return photo


def test_s01_palettes_that_disagree_inside_one_folder(tmp_path, capfd):
    """Refused, naming both files, the index and its two colours; with a colour table both decode alike."""
    drawn = {"a": mostly(ROAD, SKY, CAR), "b": mostly(SKY, ROAD, CAR)}
    folder = save_pairs(tmp_path, {name: adaptive(mask) for name, mask in drawn.items()})
    stored = {name: Image.open(folder / "masks" / f"{name}.png") for name in drawn}
    first = {name: tuple(photo.getpalette()[:3]) for name, photo in stored.items()}
    assert first["a"] != first["b"]  # the situation
    for line in (found_errors(capfd, folder), refusal(capfd, "train", "--data.root", folder, *TRAINING)):
        for part in ("a.png", "b.png", "index 0", str(first["a"]), str(first["b"]), "--data.classes"):
            assert part in line

    (tmp_path / "colours.csv").write_text(COLOUR_TABLE)
    code, out, _ = command(
        capfd, "data", "check", folder, "--data.classes", tmp_path / "colours.csv", "--sheet", ""
    )
    assert code == 0, out
    config = DataConfig(root=str(folder), classes=str(tmp_path / "colours.csv"))
    from_palettes = all_labels(config)
    from_colours = all_labels(
        DataConfig(root=str(save_pairs(tmp_path / "rgb", drawn)), classes=config.classes)
    )
    for name, mask in drawn.items():
        np.testing.assert_array_equal(from_palettes[name], from_colours[name])
        expected = (mask == SKY).all(-1) + 2 * (mask == CAR).all(-1)
        np.testing.assert_array_equal(from_palettes[name], expected)


def test_s01_palettes_that_agree(tmp_path, capfd):
    """A folder of VOC masks with one palette is read by index, without a word: 0, 1, 2 and 255."""
    voc = np.zeros((256, 3), np.uint8)
    voc[[1, 2, 255]] = (128, 0, 0), (0, 128, 0), (224, 224, 192)
    mask = Image.fromarray(np.array([[0, 1], [2, 255]], np.uint8).repeat(8, 0).repeat(8, 1))
    mask.putpalette(voc.ravel().tolist())
    folder = save_pairs(tmp_path, dict.fromkeys("abc", mask))
    code, out, err = command(capfd, "data", "check", folder, "--sheet", "")
    assert code == 0
    assert "palette index" not in out + err
    labels = all_labels(DataConfig(root=str(folder)))
    assert all(label[::8, ::8].tolist() == [[0, 1], [2, 255]] for label in labels.values())


def binary_folder(tmp_path, codings):
    """Masks whose foreground is a quarter, written as one number or another."""
    masks = {}
    for number, value in enumerate(codings):
        masks[str(number)] = np.zeros((64, 64), np.uint8)
        masks[str(number)][:, :16] = value
    return save_pairs(tmp_path, masks)


@pytest.mark.parametrize("codings", [[255, 255, 255, 255, 255, 1], [255] * 6, [1, 1, 1, 1, 1, 255]])
def test_s02_masks_of_0_and_255(codings, tmp_path, capfd):
    """Refused, naming a file, 255 and `--data.binary true`; with it, 1 and 255 both are class 1 in any mixture."""
    folder = binary_folder(tmp_path, codings)
    line = found_errors(capfd, folder)
    assert f"{codings.index(255)}.png" in line
    assert "255 is read as ignored" in line
    assert "--data.binary true" in line
    assert "--data.binary true" in refusal(capfd, "train", "--data.root", folder, *TRAINING)
    labels = np.stack(list(all_labels(DataConfig(root=str(folder), binary=True)).values()))
    assert (labels == 1).mean() == 0.25
    assert set(np.unique(labels)) == {0, 1}


@pytest.mark.parametrize("classes", [None, ["background", "object"]])
def test_s02_every_mask_either_empty_or_full(classes, tmp_path, capfd):
    """Refused too where no single mask holds both 0 and 255."""
    folder = save_pairs(tmp_path, {str(n): np.full((64, 64), 255 * (n % 2), np.uint8) for n in range(6)})
    words = [] if classes is None else ["--data.classes", "[background, object]"]
    assert "--data.binary true" in found_errors(capfd, folder, *words)
    labels = all_labels(DataConfig(root=str(folder), classes=classes, binary=True))
    assert np.mean(list(labels.values())) == 0.5


def test_s02_masks_of_1_and_255(tmp_path, capfd):
    """Where every pixel that counts is of one class, `data check` warns and says how ignored pixels become a class."""
    folder = save_pairs(tmp_path, dict.fromkeys("abc", halves(1, 255)))
    words = ["data", "check", folder, "--sheet", "", "--data.classes", "[background, road]"]
    code, out, _ = command(capfd, *words)
    assert code == 0
    assert "every pixel that counts is 'road'" in out
    assert "--data.label_map" in out
    _, out, _ = command(capfd, *words, "--data.label_map", "{1: 1, 255: 0}")
    assert "every pixel" not in out
    assert out.count("50.00%") == 2


def test_s03_masks_that_count_from_1(tmp_path, capfd):
    """Values 1..K under K names are refused with `--data.reduce_zero true`, which shifts all of them by one."""
    mask = np.array([[1, 2], [3, 3]], np.uint8).repeat(16, 0).repeat(16, 1)
    folder = save_pairs(tmp_path, dict.fromkeys("abc", mask))
    line = found_errors(capfd, folder, "--data.classes", "[x, y, z]")
    assert "value 3" in line
    assert "--data.reduce_zero true if masks count from 1" in line
    for labels in all_labels(
        DataConfig(root=str(folder), classes=["x", "y", "z"], reduce_zero=True)
    ).values():
        np.testing.assert_array_equal(labels, mask - 1)


@pytest.mark.parametrize(
    ("label_map", "stored", "expected"),
    [({0: 1, 1: 0}, [0, 1], [1, 0]), ({7: 0, 0: 1, 1: 2}, [7, 0, 1], [0, 1, 2])],
)
def test_s03_swapping_ids(label_map, stored, expected, tmp_path):
    """All ids are exchanged at once, and what was passed in stays as it was."""
    mask = np.tile(np.repeat(np.array(stored, np.uint8), 8), (16, 1))
    folder = save_pairs(tmp_path, {"a": mask, "b": mask})
    given = dict(label_map)
    labels = all_labels(DataConfig(root=str(folder), label_map=given))
    for label in labels.values():
        np.testing.assert_array_equal(label, np.tile(np.repeat(expected, 8), (16, 1)))
    assert given == label_map
    mapping = open_dataset(DataConfig(root=str(folder), label_map=given), "train").mapping
    array = mask.copy()
    np.testing.assert_array_equal(mapping.encode(Mask(array), "a"), label)
    np.testing.assert_array_equal(array, mask)


@pytest.mark.parametrize(("missing", "setting"), [(-9999.0, "-9999"), (np.nan, "nan")])
def test_s04_floating_point_mask_with_a_no_data_value(missing, setting, tmp_path, capfd):
    """Refused, naming file, value and `--data.no_data`; with it these pixels are ignored."""
    mask = np.array(
        [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, missing, missing], [2, 2, missing, missing]], np.float32
    )
    folder = save_pairs(tmp_path, {"a": mask, "b": mask}, ".tif")
    line = found_errors(capfd, folder)
    assert "a.tif" in line
    assert f"value {missing}" in line
    assert f"--data.no_data {missing}" in line
    code, out, err = command(capfd, "data", "check", folder, f"--data.no_data={setting}", "--sheet", "")
    assert code == 0, out + err
    assert "25.00%" in out
    no_data = "nan" if setting == "nan" else float(setting)
    for label in all_labels(DataConfig(root=str(folder), no_data=no_data)).values():
        assert label[::2, ::2].tolist() == [[0, 1], [2, 255]]


def test_s04_whole_floating_point_numbers(tmp_path, capfd):
    """Masks of whole floating-point numbers are accepted; 0.5 is refused with file and value."""
    mask = np.array([[0.0, 1.0], [2.0, 2.0]], np.float32)
    folder = save_pairs(tmp_path, {"a": mask, "b": mask}, ".tif")
    assert all(
        label.tolist() == [[0, 1], [2, 2]] for label in all_labels(DataConfig(root=str(folder))).values()
    )
    mask[1, 1] = 0.5
    save_pairs(tmp_path, {"a": mask, "b": mask}, ".tif")
    line = found_errors(capfd, folder)
    assert "a.tif" in line
    assert "0.5" in line


def transformed(image, labels, augmentation: AugmentationConfig, draws: int):
    """Labels after the training transforms, one draw after the other."""
    transform = TrainingTransform(augmentation, Normalization(), 255)
    for seed in range(draws):
        pixels, annotation = transform(image, Annotation(labels), np.random.default_rng(seed))
        yield pixels, annotation.labels


def test_s05_resizing_invents_no_class():
    """Labels are resized by taking a stored pixel, never a mean of two."""
    labels, image = halves(0, 7, 40, 48), np.zeros((40, 48, 3), np.uint8)
    seen = set()
    for _, changed in transformed(image, labels, AugmentationConfig(crop=64), 200):
        seen |= set(np.unique(changed).tolist())
    assert seen == {0, 7, 255}


@pytest.mark.parametrize(
    "augmentation",
    [
        AugmentationConfig(crop=64, scale_range=(1, 1)),
        AugmentationConfig(crop=64, scale_range=(0.5, 2.0), flip=1.0),
        AugmentationConfig(crop=64, base_size=(30, 60), category_max_ratio=1),
    ],
)
def test_s06_padding_is_ignored(augmentation):
    """What a crop has outside the image is ignored, never class 0, and counts pixel by pixel."""
    white = Normalization((0, 0, 0), (255, 255, 255))
    transform = TrainingTransform(augmentation, white, 255)
    image, labels = np.full((40, 40, 3), 255, np.uint8), np.full((40, 40), 3, np.uint8)
    padded = 0
    for seed in range(50):
        seen, annotation = transform(image, Annotation(labels), np.random.default_rng(seed))
        changed = annotation.labels
        assert set(np.unique(changed)) <= {3, 255}
        if not augmentation.photometric:
            np.testing.assert_array_equal(changed == 255, seen[..., 0] == 0)
        padded += int((changed == 255).sum())
        inside = np.argwhere(changed == 3).max(axis=0) + 1
        assert (changed == 255).sum() == 64 * 64 - inside.prod()
    if augmentation.scale_range == (1, 1):
        assert padded == 50 * (64 * 64 - 40 * 40)


def test_s07_labels_as_bytes_as_longs_as_fractions():
    """Whole numbers of every type give the same loss; fractions are a TypeError with type and largest value."""
    model = varied_model()
    images = torch.randn(1, 3, 32, 32)
    labels = torch.arange(3).repeat_interleave(11)[:32].expand(1, 32, 32)
    results = []
    for kind in (torch.uint8, torch.int16, torch.int32, torch.int64):
        model.zero_grad()
        torch.manual_seed(0)
        loss = model.loss(images, labels.to(kind))["loss"]
        loss.backward()
        results.append((loss.detach(), model.head.classifier.weight.grad.clone()))
    for loss, gradient in results[1:]:
        assert torch.equal(loss, results[0][0])
        assert torch.equal(gradient, results[0][1])
    with pytest.raises(TypeError, match=r"torch\.float32.*largest.*0\.00784"):
        model.loss(images, labels.float() / 255)
    with pytest.raises(TypeError, match=r"torch\.float32.*largest.* 2"):
        model.loss(images, labels.float())


def test_s08_same_stem_two_suffixes(tmp_path, capfd):
    """Training refuses two images of one name, naming both; prediction writes two label files."""
    folder = save_pairs(tmp_path / "data", {"a": halves(0, 1), "b": halves(0, 1)})
    photos = folder / "images"
    Image.new("RGB", (32, 32), BLUE).save(photos / "a.png")
    Image.new("RGB", (32, 32), RED).save(photos / "a.jpg")
    for line in (found_errors(capfd, folder), refusal(capfd, "train", "--data.root", folder, *TRAINING)):
        assert str(photos / "a.jpg") in line
        assert str(photos / "a.png") in line

    model = colour_model([RED, BLUE])
    assert predict(model, [photos / "a.jpg", photos / "a.png"], tmp_path / "o", quiet=True) == []
    written = {path.name: np.asarray(Image.open(path)) for path in (tmp_path / "o").glob("*_labels.png")}
    assert sorted(written) == ["a_jpg_labels.png", "a_png_labels.png"]
    assert (written["a_jpg_labels.png"] == 0).all()
    assert (written["a_png_labels.png"] == 1).all()


def test_s08_stems_that_differ_in_capital_letters_only(tmp_path):
    """Results get names that stay apart on systems where A.png and a.png are one file."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("A.png", "a.jpg", "a_jpg.png"):
        Image.new("RGB", (32, 32), RED).save(photos / name)
    assert predict(colour_model([RED, BLUE]), [photos], tmp_path / "o", quiet=True) == []
    written = {path.name.casefold() for path in (tmp_path / "o").glob("*_labels.png")}
    assert len(written) == 3


def test_s09_more_than_255_classes(tmp_path, capfd):
    """With more than 255 classes 255 is a class; labels, scores and the label file have 16 bits."""
    (tmp_path / "classes.txt").write_text("".join(f"class {number}\n" for number in range(300)))
    mask = np.repeat(np.array([254, 255, 256], np.uint16), 16)[None].repeat(48, 0)
    folder = save_pairs(tmp_path / "data", {"1": mask, "2": mask})
    colours = {254: RED, 255: GREEN, 256: BLUE}
    drawn = np.array([colours[value] for value in mask[0]], np.uint8)[None].repeat(48, 0)
    for name in "12":
        Image.fromarray(drawn).save(folder / "images" / f"{name}.png")
    config = DataConfig(root=str(folder), classes=str(tmp_path / "classes.txt"))
    code, out, _ = command(capfd, "data", "check", folder, "--data.classes", config.classes, "--sheet", "")
    assert code == 0
    assert out.count("33.33%") == 3

    training = open_dataset(config, "train")
    plain = AugmentationConfig(crop=48, scale_range=(1, 1), flip=0, photometric=False)
    item = TrainingSet(training, plain, Normalization(), 0)[0, 0]
    np.testing.assert_array_equal(item["labels"].numpy(), mask)

    table = [(-9999, 0, 0)] * 300
    for number, colour in colours.items():
        table[number] = colour
    model = colour_model(table, classes=training.classes)
    result = evaluate(model, config, quiet=True)
    assert result.matrix.counts.diagonal()[254:257].tolist() == [768] * 3
    assert result.matrix.counts.sum() == 3 * 768
    predict(model, [folder / "images" / "1.png"], tmp_path / "o", quiet=True)
    written = Image.open(tmp_path / "o" / "1_labels.png")
    assert written.mode == "I;16"
    np.testing.assert_array_equal(np.asarray(written), mask)


@pytest.mark.parametrize("values", [(0, 255), (1, 255)])
@pytest.mark.parametrize("settings", [["--data.classes", "[road]"], []])
def test_s10_one_class_only(values, settings, tmp_path, capfd):
    """UperNet refuses a single class and advises to name the rest too, or Mask2Former."""
    folder = save_pairs(tmp_path, dict.fromkeys("abc", halves(*values)))
    # A list of names alone would give road the value 0.
    more = ["--data.ignored_values", "[255]"] if values == (0, 255) else ["--data.label_map", "{1: 0}"]
    line = refusal(capfd, "train", "--data.root", folder, *settings, *more, *TRAINING)
    for part in ("'road'" if settings else "'class 0'", "[background, ", "--model.head mask2former"):
        assert part in line
    line = refusal(capfd, "train", "--data.root", folder, *settings, *TRAINING)
    assert "[background, road]" in line if settings else "class 1" in line or "--data.binary true" in line


def test_s10_one_class_in_python():
    """A model of one class with a head that needs two is refused where it is made."""
    with pytest.raises(InputError, match=r"single class \('class 0'\).*\[background, class 0\].*mask2former"):
        varied_model(classes=1)
    assert varied_model("mask2former", classes=1).predict(halves(RED, BLUE)).labels.shape == (32, 32)


@pytest.mark.parametrize(
    ("values", "settings", "road", "nothing"),
    [
        ((0, 255), {"classes": ["road"], "ignored_values": [255]}, 0, 255),
        ((255, 0), {"classes": ["road"], "binary": True}, 255, 0),
        ((1, 0), {"classes": ["road"], "binary": True}, 1, 0),
        ((1, 255), {}, 1, 255),
        ((1, 255), {"classes": ["road"], "reduce_zero": True}, 1, 255),
    ],
)
def test_s10_one_class_for_mask2former(values, settings, road, nothing, tmp_path):
    """Mask2Former takes one class: its targets hold the road, and what no mask claims is nothing there."""
    folder = save_pairs(tmp_path / "data", dict.fromkeys("abc", halves(*values, 64, 64)))
    config = DataConfig(root=str(folder), one_class=True, **settings)
    data = open_dataset(config, "train")
    assert len(data.classes) == 1
    np.testing.assert_array_equal(data.read(0).labels, halves(0, 255, 64, 64))
    (target,) = targets_of(torch.from_numpy(data.read(0).labels.astype(np.int64))[None], 1, 255)
    assert target.classes.tolist() == [0]
    assert target.masks.sum() == 64 * 32

    for name in "abc":  # the stand-in finds red, and nothing else
        Image.fromarray(halves(RED, BLUE, 64, 64)).save(folder / "images" / f"{name}.png")
    for protocol in (
        InferenceConfig(crop=64, stride=42),
        InferenceConfig(crop=64, stride=42, flip=True, scales=(1.0, 2.0)),
    ):
        model = colour_model([RED], protocol, classes=data.classes, sums=True)
        result = model.predict(halves(RED, BLUE, 64, 64))
        np.testing.assert_array_equal(result.labels, halves(0, 255, 64, 64))
        assert result.scores.min() < 0.01 < 0.99 < result.scores.max()
    predict(model, [folder / "images" / "a.png"], tmp_path / "o", quiet=True)
    written = np.asarray(Image.open(tmp_path / "o" / "a_labels.png"))
    np.testing.assert_array_equal(written, halves(road, nothing, 64, 64))

    result = evaluate(model, replace(config, one_class=False), out=tmp_path / "measured", quiet=True)
    assert result.scores.mIoU == 1
    Image.fromarray(halves(RED, RED, 64, 64)).save(folder / "images" / "a.png")
    Image.fromarray(halves(RED, RED, 64, 64)).save(folder / "images" / "b.png")
    Image.fromarray(halves(RED, RED, 64, 64)).save(folder / "images" / "c.png")
    result = evaluate(model, config, quiet=True)
    assert result.class_names == ("road" if settings else "class 1", "(nothing there)")
    assert result.scores.iou.tolist() == [0.5, 0]  # road everywhere is no success


@pytest.mark.slow
def test_s10_one_class_from_training_to_measuring(tmp_path, capfd):
    """Training, prediction and evaluation of Mask2Former with the one class road, by commands."""
    folder = save_pairs(tmp_path / "data", dict.fromkeys("abc", halves(255, 0, 64, 64)))
    data = ["--data.root", folder, "--data.classes", "[road]", "--data.binary", "true"]
    code, out, err = command(
        capfd,
        "train",
        *data,
        *TRAINING_MASK2FORMER,
        "--training.steps",
        2,
        "--out",
        tmp_path / "run",
    )
    assert code == 0, err
    words = ["--device", "cpu", "--quiet", "--out", tmp_path / "o"]
    code, _, err = command(capfd, "predict", tmp_path / "run", folder / "images" / "a.png", *words)
    assert code == 0, err
    assert set(np.unique(np.asarray(Image.open(tmp_path / "o" / "a_labels.png")))) <= {0, 255}
    code, out, err = command(capfd, "eval", tmp_path / "run", *data, "--quiet")
    assert code == 0, err
    assert "road" in out
    assert "(nothing there)" in out


def test_s11_cvat_export_as_it_comes_out_of_the_zip(tmp_path, capfd):
    """`labelmap.txt` is found and its colours are read; a colour one off is refused with colour, file and pixels."""
    drawing = halves(0, 1)
    colours = np.array([[0, 0, 0], [250, 50, 83]], np.uint8)
    for name in ("JPEGImages", "SegmentationClass", "SegmentationObject", "ImageSets/Segmentation"):
        (tmp_path / name).mkdir(parents=True)
    for number in (1, 2):
        Image.new("RGB", (32, 32)).save(tmp_path / "JPEGImages" / f"{number}.jpg")
        for name in ("SegmentationClass", "SegmentationObject"):
            Image.fromarray(colours[drawing]).save(tmp_path / name / f"{number}.png")
    (tmp_path / "ImageSets/Segmentation/default.txt").write_text("1\n2\n")
    label_map = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncar:250,50,83::\n"
    line = found_errors(capfd, tmp_path)
    assert line.count("error: ") == 1
    for part in ("SegmentationClass", ".png", "(0, 0, 0)", "labelmap.txt", "--data.classes"):
        assert part in line

    (tmp_path / "labelmap.txt").write_text(label_map)
    data = open_dataset(DataConfig(root=str(tmp_path)), "train")
    assert data.classes.names == ("background", "car")
    assert all((label == drawing).all() for label in all_labels(DataConfig(root=str(tmp_path))).values())

    off = colours[drawing]
    off[3, 20:25] = (250, 50, 84)
    Image.fromarray(off).save(tmp_path / "SegmentationClass" / "2.png")
    line = found_errors(capfd, tmp_path)
    for part in ("2.png", "(250, 50, 84)", "5 pixels"):
        assert part in line
    with pytest.raises(InputError, match=r"2\.png.*\(250, 50, 84\) in 5 pixels"):
        all_labels(DataConfig(root=str(tmp_path)))
