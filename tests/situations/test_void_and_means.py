"""Pixels that count nowhere, and classes that the means leave out."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from vit_adapter.api import evaluate
from vit_adapter.config import ClassTable, DataConfig, EvaluationConfig, InputError
from vit_adapter.data.dataset import open_dataset
from vit_adapter.evaluation import measure, print_table

from .making import (
    BLUE,
    GREEN,
    RED,
    TRAINING,
    colour_model,
    command,
    halves,
    refusal,
    save_pairs,
    varied_model,
)

HEADING = "Void pixels and means"
TITLES = {
    125: "A class of a trained model is void in the masks it is measured on",
    126: "A class is left out of the mean, but not of the matrix",
    127: "Mean F1 of a class that is never predicted",
}


def thirds(*values) -> np.ndarray:
    """uint8 [48, 48] or [48, 48, 3]: bars of 16 pixels."""
    return np.repeat(np.array(values, np.uint8), 16, axis=0)[None].repeat(48, 0)


def painted_folder(root, masks, colours):
    """Images painted so that a colour model predicts ``colours``, with other masks."""
    folder = save_pairs(root, {str(n): mask for n, mask in enumerate(masks)})
    for n in range(len(masks)):
        Image.fromarray(colours).save(folder / "images" / f"{n}.png")
    return folder


@pytest.mark.parametrize("classes", [None, ["ground", "road", "sky"]])
def test_s125_void_of_a_trained_model(classes, tmp_path, capfd):
    """`--data.ignored_values "[0]"` measures a model that knows the class 0: these pixels count nowhere, as predicted
    elsewhere it is an error of the other classes, and the means leave it out; table and `metrics.json` say how many
    pixels were void."""
    folder = painted_folder(tmp_path / "d", [thirds(0, 1, 2)] * 3, thirds(RED, GREEN, RED))
    table = ClassTable(("ground", "road", "sky") if classes else ("class 0", "class 1", "class 2"), (0, 1, 2))
    model = colour_model([RED, GREEN, BLUE], classes=table)
    config = DataConfig(root=str(folder), classes=classes, validation_share=0.3)
    plain = evaluate(model, config, quiet=True, split="train")
    assert plain.void_pixels == 0
    assert plain.scores.iou.tolist() == [0.5, 1, 0]
    result = evaluate(
        model, replace(config, ignored_values=[0]), quiet=True, split="train", out=tmp_path / "o"
    )
    images = result.measured
    assert result.void_pixels == images * 48 * 16
    assert result.matrix.counts.tolist() == [[0, 0, 0], [0, images * 768, 0], [images * 768, 0, 0]]
    assert result.scores.mIoU == 0.5
    assert result.left_out == [table.names[0]]
    out = capfd.readouterr().out
    assert f"void: {result.void_pixels} of {images * 48 * 48} pixels (33.33%)" in out
    assert f"{table.names[0]} (not in the means)" in out
    values = json.loads((tmp_path / "o" / "metrics.json").read_text())
    assert values["void_pixels"] == result.void_pixels
    assert values["excluded_from_mean"] == [table.names[0]]
    assert values["mIoU"] == 0.5


@pytest.mark.parametrize(
    "settings", [{}, {"classes": ["rest", "road"]}, {"binary": True}, {"label_map": {0: 0, 1: 1}}]
)
def test_s125_two_classes(settings, tmp_path):
    """The same with two classes, with a class list, binary masks and a label map."""
    folder = painted_folder(tmp_path, [halves(0, 1)] * 3, halves(RED, BLUE))
    data = DataConfig(root=str(folder), **settings)
    names = {"classes": ("rest", "road"), "binary": ("background", "foreground")}
    table = ClassTable(names.get(next(iter(settings), ""), ("class 0", "class 1")), (0, 1))
    model = colour_model([RED, BLUE], classes=table)
    result = evaluate(model, replace(data, ignored_values=[0]), quiet=True)
    assert result.matrix.counts.tolist() == [[0, 0], [0, result.measured * 512]]
    assert result.void_pixels == result.measured * 512
    assert result.scores.mIoU == 1
    assert result.left_out == [table.names[0]]


def test_s125_by_command(tmp_path, capfd):
    """So does the command with a model folder."""
    folder = save_pairs(tmp_path / "d", dict.fromkeys("abc", thirds(0, 1, 2)))
    varied_model().save_pretrained(tmp_path / "m")
    words = ["eval", tmp_path / "m", "--data.root", folder, "--quiet", "--data.ignored_values", "[0]"]
    code, out, err = command(capfd, *words, "--evaluation.device", "cpu")
    assert code == 0, err
    assert "(33.33%) count nowhere" in out
    assert "class 0 (not in the means)" in out


def test_s125_advice_does_not_go_in_a_circle(tmp_path, capfd):
    """Training on what is left, a single class, is refused with ways that work."""
    folder = save_pairs(tmp_path, dict.fromkeys("abc", halves(0, 1)))
    void = ["--data.ignored_values", "[0]"]
    for more in ([], ["--data.classes", "[background, road]"]):
        line = refusal(capfd, "train", "--data.root", folder, *TRAINING, *void, *more)
        assert "makes 'background' void" in line if more else "makes 'class 0' void" in line
        assert "such as --data.classes" not in line
        for way in ("--evaluation.exclude_from_mean", "--model.head mask2former"):
            assert way in line
    line = refusal(
        capfd, "train", "--data.root", folder, *TRAINING, *void, "--data.label_map", "{0: 0, 1: 1}"
    )
    assert "every mask value of class 0 ('class 0') is in --data.ignored_values" in line
    line = refusal(capfd, "train", "--data.layout", "scenes", *TRAINING, *void)
    assert "--data.ignored_values: embedded scenes" in line


def test_s125_models_whose_classes_are_in_another_order(tmp_path):
    """Without a class list, masks that hold a model's own values have its classes, in whatever order it has them."""
    folder = painted_folder(tmp_path, [halves(0, 7)] * 3, halves(RED, BLUE))
    model = colour_model([BLUE, RED], classes=ClassTable(("sky", "road"), (7, 0)))
    assert evaluate(model, DataConfig(root=str(folder)), quiet=True).scores.mIoU == 1


@pytest.mark.parametrize("wanted", [["ground"], [5], ["5"]])
def test_s126_left_out_of_the_mean(wanted, tmp_path, capfd):
    """`--evaluation.exclude_from_mean` takes names or mask values: the matrix, aAcc and the scores by class stay."""
    folder = painted_folder(tmp_path / "d", [thirds(5, 1, 2)] * 3, thirds(RED, GREEN, RED))
    table = ClassTable(("ground", "road", "sky"), (5, 1, 2))
    model = colour_model([RED, GREEN, BLUE], classes=table)
    data = DataConfig(root=str(folder))
    plain = evaluate(model, data, quiet=True)
    result = evaluate(model, data, EvaluationConfig(exclude_from_mean=wanted), quiet=True, out=tmp_path / "o")
    np.testing.assert_array_equal(result.matrix.counts, plain.matrix.counts)
    np.testing.assert_array_equal(result.scores.iou, plain.scores.iou)
    assert result.scores.aAcc == plain.scores.aAcc
    assert plain.scores.mIoU == pytest.approx((0.5 + 1 + 0) / 3)
    assert result.scores.mIoU == 0.5
    assert result.worst[0].score == 0.5
    assert result.void_pixels == 0
    assert "the means leave out ground" in capfd.readouterr().out
    values = json.loads((tmp_path / "o" / "metrics.json").read_text())
    assert values["excluded_from_mean"] == ["ground"]
    assert values["mIoU"] == 0.5


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (["grund"], "did you mean 'ground'"),
        ([0], "5 (ground), 1 (road), 2 (sky)"),
        (["ground", 1, 2], "leaves out every"),
    ],
)
def test_s126_unknown_classes(wanted, words, tmp_path):
    """A name or value that is no class, and a mean of nothing, are refused before anything is measured."""
    folder = painted_folder(tmp_path / "d", [thirds(5, 1, 2)] * 3, thirds(RED, GREEN, RED))
    model = colour_model([RED, GREEN, BLUE], classes=ClassTable(("ground", "road", "sky"), (5, 1, 2)))
    with pytest.raises(InputError, match=r"--evaluation\.exclude_from_mean") as caught:
        evaluate(model, DataConfig(root=str(folder)), EvaluationConfig(exclude_from_mean=wanted), quiet=True)
    assert words in str(caught.value)


@pytest.mark.slow
def test_s126_in_training(tmp_path, capfd):
    """Validation of a run leaves the class out too, and an unknown one is refused before the first step."""
    folder = save_pairs(tmp_path / "d", dict.fromkeys("abcd", thirds(0, 1, 2)))
    words = ["train", "--data.root", folder, *TRAINING, "--training.steps", 1, "--out", tmp_path / "run"]
    line = refusal(capfd, *words, "--evaluation.exclude_from_mean", "[clas 1]")
    assert "did you mean 'class 1'" in line
    assert not (tmp_path / "run").exists()
    code, _, err = command(capfd, *words, "--evaluation.exclude_from_mean", "[class 1]")
    assert code == 0, err
    score = json.loads((tmp_path / "run/best/score.json").read_text())["mIoU"]
    words = ["eval", tmp_path / "run", "--data.root", folder, "--quiet", "--out", tmp_path / "o"]
    code, _, err = command(
        capfd, *words, "--evaluation.exclude_from_mean", "[1]", "--evaluation.device", "cpu"
    )
    assert code == 0, err
    assert json.loads((tmp_path / "o/metrics.json").read_text())["mIoU"] == score


def test_s127_mean_f1(tmp_path, capfd):
    """On own data a class that is never predicted counts as 0 in F1, as in Dice; a published evaluation keeps the
    published rule, which leaves it out, and says so."""
    folder = painted_folder(tmp_path / "d", [thirds(0, 1, 2)] * 3, thirds(RED, GREEN, GREEN))
    model = colour_model([RED, GREEN, BLUE])
    data = open_dataset(DataConfig(root=str(folder)), "val")
    own = measure(model, data, progress=False)
    assert own.scores.f1.tolist() == own.scores.dice.tolist() == [1, pytest.approx(2 / 3), 0]
    assert own.scores.mF1 == own.scores.mDice == pytest.approx(5 / 9)
    print_table(own)
    assert "mF1 55.56" in capfd.readouterr().out
    published = measure(model, data, progress=False, published=True)
    assert published.scores.mF1 == pytest.approx(5 / 6)
    print_table(published)
    out = capfd.readouterr().out
    assert "mF1 83.33" in out
    assert "published rule" in out
    assert "with 0 for them 55.56" in out
