"""How a model is applied: padding that is cut off again, and mirror images of things that have a side."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from vit_adapter import InputError, Segmenter, api
from vit_adapter.config import (
    AugmentationConfig,
    ClassTable,
    DataConfig,
    EvaluationConfig,
    InferenceConfig,
    Normalization,
)
from vit_adapter.config.mirrored import mirrored_pairs, sides_without_pair
from vit_adapter.data.dataset import open_dataset
from vit_adapter.data.training_set import TrainingSet

from .making import (
    BLUE,
    GREEN,
    RED,
    TRAINING,
    YELLOW,
    colour_model,
    command,
    halves,
    save_pairs,
    varied_model,
)

HEADING = "Padding and mirror images"
TITLES = {
    203: "Padding to the window without cutting it off",
    204: "Mirror images where left and right are classes",
}
HANDS = ["background", "left hand", "right hand"]
PAIR = [["left hand", "right hand"]]


def squares(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """An image of four colours in areas of 8 pixels, and their labels."""
    labels = (
        np.random.default_rng(0).integers(0, 4, (height // 8, width // 8), np.uint8).repeat(8, 0).repeat(8, 1)
    )
    return np.array([RED, GREEN, BLUE, YELLOW], np.uint8)[labels], labels


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("unpad", [False, True])
@pytest.mark.parametrize("options", [{}, {"flip": True}, {"scales": (1.0, 2.0)}, {"multiple": None}])
@pytest.mark.parametrize("size", [(32, 48), (48, 24), (96, 32)])
def test_s203_padding_never_moves_labels(when, unpad, options, size):
    """Images smaller than a window that are padded to it get labels that lie on the image, whatever `unpad` says."""
    image, labels = squares(*size)
    protocol = InferenceConfig(crop=64, stride=32, pad_to_crop=when, unpad=unpad, **options)
    model = colour_model([RED, GREEN, BLUE, YELLOW], protocol)
    result = model.predict(image)
    plain = model.predict(image, protocol=replace(protocol, pad_to_crop=None))
    # Where colours meet, the stand-in is unsure; scores of padding in it may differ there.
    assert (plain.labels == labels).mean() > 0.9
    assert (result.labels == plain.labels).mean() > 0.97
    assert result.scores.argmax(0).tolist() == result.labels.tolist()


def test_s203_several_images_at_once():
    """The same holds for several images at once."""
    image, labels = squares(32, 48)
    protocol = InferenceConfig(crop=64, stride=32, pad_to_crop="before")
    model = colour_model([RED, GREEN, BLUE, YELLOW], protocol)
    plain = model.predict(image, protocol=replace(protocol, pad_to_crop=None))
    assert (plain.labels == labels).mean() > 0.9
    for result in model.predict([image, image]):
        assert (result.labels == plain.labels).mean() > 0.97


class _Sides(torch.nn.Module):
    """Scores of a model that knows sides by their place: class 1 at the left of what it sees, class 2 at the right."""

    def forward(self, pyramid):
        height, width = pyramid[0].shape[2:]
        scores = torch.zeros(len(pyramid[0]), 3, height, width)
        hand = pyramid[0][:, 0] > 0
        scores[:, 0][~hand] = 5
        scores[:, 1, :, : width // 2][hand[:, :, : width // 2]] = 5
        scores[:, 2, :, width // 2 :][hand[:, :, width // 2 :]] = 5
        return scores


def hands_model(pairs, **protocol) -> Segmenter:
    """A model of the three classes above; bright pixels are hands."""
    table = ClassTable(tuple(HANDS), (0, 1, 2))
    table = replace(table, mirrored=mirrored_pairs(table, pairs))
    protocol = InferenceConfig(
        mode="whole", normalization=Normalization((127.5,) * 3, (127.5,) * 3), **protocol
    )
    stand_in = colour_model([RED, GREEN, BLUE])
    return Segmenter(stand_in.backbone, _Sides(), classes=table, protocol=protocol).eval()


def two_hands() -> tuple[np.ndarray, np.ndarray]:
    """An image with a hand at the left and one at the right, and its labels."""
    image, labels = np.zeros((32, 64, 3), np.uint8), np.zeros((32, 64), np.uint8)
    image[8:24, 8:24], labels[8:24, 8:24] = 255, 1
    image[8:24, 40:56], labels[8:24, 40:56] = 255, 2
    return image, labels


def test_s204_scores_of_mirrored_views_are_exchanged():
    """Scores of paired classes change places in a mirrored view, so that both views agree about left and right."""
    image, labels = two_hands()
    result = hands_model(PAIR, flip=True).predict(image)
    alone = hands_model(PAIR).predict(image)
    assert (alone.labels == labels).mean() > 0.99
    assert np.array_equal(result.labels, alone.labels)
    np.testing.assert_allclose(result.scores, alone.scores, atol=1e-6)
    assert np.array_equal(hands_model(PAIR, flip=True).predict([image, image])[1].labels, alone.labels)
    # Without the pair both views contradict each other: left and right get the same score.
    torn = hands_model([], flip=True).predict(image)
    np.testing.assert_allclose(torn.scores[1], torn.scores[2], atol=1e-6)


@pytest.mark.parametrize("pairs", [PAIR, [[40, 80]], [["left hand", 80]]])
def test_s204_labels_of_mirrored_training_images(tmp_path, pairs):
    """Training exchanges the labels of paired classes, named or given as mask values, in every mirrored image."""
    mask = np.zeros((32, 64), np.uint8)
    mask[8:24, 8:24], mask[8:24, 40:56], mask[0, 0] = 40, 80, 255
    root = save_pairs(tmp_path / "data", {"a": mask, "b": mask, "c": mask})
    (root / "classes.csv").write_text("id,name\n0,background\n40,left hand\n80,right hand\n")
    always = AugmentationConfig(
        crop=64, scale_range=(1.0, 1.0), category_max_ratio=1, flip=1.0, photometric=False
    )
    config = DataConfig(root=str(root), mirrored_classes=pairs)
    dataset = open_dataset(config, "train")
    assert dataset.classes.mirrored == ((1, 2),)
    labels = TrainingSet(dataset, always, Normalization(), 0)[0, 0]["labels"][:32].numpy()
    assert (labels[8:24, 8:24] == 1).all()  # the hand at the left of the mirrored image is a left hand
    assert (labels[8:24, 40:56] == 2).all()
    assert labels[0, 63] == 255
    plain = TrainingSet(
        open_dataset(replace(config, mirrored_classes=None), "train"), always, Normalization(), 0
    )
    assert (plain[0, 0]["labels"][8:24, 8:24] == 2).all()


def test_s204_pairs_travel_with_the_model(tmp_path):
    """The pairs are stored with the model; model folders without them load as before."""
    model = varied_model()
    model.classes = replace(model.classes, mirrored=((1, 2),))
    model.save_pretrained(tmp_path / "model")
    assert Segmenter.from_pretrained(tmp_path / "model").classes.mirrored == ((1, 2),)
    values = model.classes.to_dict()
    del values["mirrored"]
    assert ClassTable.from_dict(values).mirrored == ()


@pytest.mark.parametrize(
    ("pairs", "problem"),
    [
        ([["left hand", "rigth hand"]], "'rigth hand' is not a class"),
        ([["left hand"]], "is not a pair"),
        ([["left hand", "right hand"], ["right hand", "background"]], "'right hand' occurs twice"),
        ([["left hand", "left hand"]], "'left hand' occurs twice"),
        ([[1, 7]], "7 is not a class"),
    ],
)
def test_s204_wrong_pairs_are_refused(pairs, problem):
    """A pair that names no class, the same class twice, or is not a pair, is refused with the setting's name."""
    with pytest.raises(InputError, match=f"--data.mirrored_classes: .*{problem}"):
        mirrored_pairs(ClassTable(tuple(HANDS), (0, 1, 2)), pairs)


@pytest.mark.parametrize(
    ("names", "sided"),
    [
        (["Left-arm", "Right-arm", "Bag"], ["Left-arm", "Right-arm"]),
        (["leftKidney", "rightKidney"], ["leftKidney", "rightKidney"]),
        (["LEFT_LUNG", "RIGHT_LUNG"], ["LEFT_LUNG", "RIGHT_LUNG"]),
        (["Hand links", "Hand rechts"], ["Hand links", "Hand rechts"]),
        (["bright", "cleft", "copyright", "leftover", "sky"], []),
    ],
)
def test_s204_names_that_hold_a_side(names, sided):
    """Left and right are found as whole words, in other spellings and languages too; "bright" holds neither."""
    assert sides_without_pair(ClassTable(tuple(names), tuple(range(len(names))))) == sided


def test_s204_tta_can_be_told_not_to_mirror(tmp_path, capfd):
    """Multi-scale prediction of a model trained without mirror images averages scales only, and says so."""
    image, _ = two_hands()
    Image.fromarray(image).save(tmp_path / "a.png")
    model = hands_model([], tta_flip=False)
    api.predict(model, [tmp_path / "a.png"], tmp_path / "out", tta=True, quiet=True)
    assert "trained without mirror images, so tta averages scales only" in capfd.readouterr().err
    plain = np.asarray(Image.open(tmp_path / "out" / "a_labels.png"))
    assert {1, 2} <= set(np.unique(plain).tolist())
    api.predict(hands_model([]), [tmp_path / "a.png"], tmp_path / "out", tta=True, quiet=True)
    err = capfd.readouterr().err
    assert "class names hold left or right ('left hand', 'right hand') and tta mirrors images" in err
    assert '--data.mirrored_classes "[[left hand, right hand]]"' in err
    api.predict(hands_model(PAIR), [tmp_path / "a.png"], tmp_path / "out", tta=True, quiet=True)
    assert capfd.readouterr().err == ""


def test_s204_evaluation_takes_pairs(tmp_path, capfd):
    """A model without pairs can be measured with them: `data.mirrored_classes` holds for the evaluation."""
    image, labels = two_hands()
    for folder, array in (("images", image), ("masks", labels)):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for name in "ab":
            Image.fromarray(array).save(tmp_path / "data" / folder / f"{name}.png")
    data = DataConfig(root=str(tmp_path / "data"), classes=HANDS)
    model = hands_model([], flip=True)
    torn = api.evaluate(model, data, EvaluationConfig(), quiet=True)
    assert "protocol.flip mirrors images" in capfd.readouterr().err
    paired = api.evaluate(model, replace(data, mirrored_classes=PAIR), EvaluationConfig(), quiet=True)
    assert "note" not in capfd.readouterr().err
    assert paired.scores.mIoU > 0.98
    assert torn.scores.mIoU < 0.9
    assert model.classes.mirrored == ()


@pytest.mark.parametrize("switch", ["flip", "tta_flip"])
def test_s204_a_named_switch_holds_against_tta(tmp_path, capfd, switch):
    """`--protocol.flip false` holds in a multi-scale evaluation too."""
    labels = two_hands()[1]
    save_pairs(tmp_path / "data", {"a": labels, "b": labels})
    data = DataConfig(root=str(tmp_path / "data"), classes=HANDS)
    result = api.evaluate(
        hands_model([]), data, EvaluationConfig(tta=True), protocol={switch: False}, quiet=True
    )
    assert capfd.readouterr().err == ""
    assert result.protocol is not None
    assert not result.protocol.flip
    assert len(result.protocol.scales) == 6


def test_s204_the_check_warns(tmp_path, capfd):
    """`data check` and the start of a run warn where names hold a side, images are mirrored and no pair is named."""
    root = save_pairs(tmp_path / "data", {name: halves(1, 2, 64, 64) for name in "abc"})
    (root / "classes.txt").write_text("background\nleft hand\nright hand\n")
    code, out, _ = command(capfd, "data", "check", root, "--sheet", "")
    assert code == 0
    assert "warning: class names hold left or right" in out
    code, out, _ = command(capfd, "train", "--data.root", root, *TRAINING, "--dry-run")
    assert code == 0
    assert "data.augmentation.flip 0.5 mirrors images" in " ".join(out.split())
    words = ["--data.mirrored_classes", "[[left hand, right hand]]"]
    code, out, _ = command(capfd, "train", "--data.root", root, *TRAINING, *words, "--dry-run")
    assert code == 0
    assert "mirrors images" not in " ".join(out.split())


@pytest.mark.slow
def test_s204_training_stores_pairs_and_flips(tmp_path, capfd):
    """A model trained with pairs holds them; one trained without mirror images is not mirrored by `tta`."""
    root = save_pairs(tmp_path / "data", {name: halves(1, 2, 64, 64) for name in "abcde"})
    (root / "classes.txt").write_text("background\nleft hand\nright hand\n")
    words = ["--data.mirrored_classes", "[[left hand, right hand]]", "--training.steps", "1"]
    words += ["--data.augmentation.flip", "0", "--out", tmp_path / "run"]
    code, _, err = command(capfd, "train", "--data.root", root, *TRAINING, *words)
    assert code == 0, err
    model = api.load(tmp_path / "run")
    assert model.classes.mirrored == ((1, 2),)
    assert not model.protocol.tta_flip
