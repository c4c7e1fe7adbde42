"""Metrics: one exact matrix over all pixels, at the truth's own size; mirrored views turned back."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from vit_adapter import Segmenter
from vit_adapter.api import evaluate
from vit_adapter.config import DataConfig, EvaluationConfig, InferenceConfig
from vit_adapter.data.dataset import open_dataset
from vit_adapter.evaluation import measure
from vit_adapter.metrics import ConfusionMatrix

from .making import GREEN, RED, colour_model, varied_model
from .training_parts import (
    SIDE,
    ConstantScores,
    Images,
    noise,
    painted,
    rows,
    run,
    save_part,
    tiny_run,
    tiny_segmenter,
)

IOU = [149 / 150, 50 / 51]


def two_images() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Truth and prediction of 100 pixels each: 99 of class 0 and one of class 1 against all 0; half and half."""
    lone, half = np.zeros((10, 10), np.uint8), np.zeros((10, 10), np.uint8)
    lone[4, 4], half[:, 5:] = 1, 1
    return [lone, half], [np.zeros_like(lone), half]


@pytest.mark.parametrize("batch", [1, 2])
def test_s31_mean_of_per_image_scores_against_one_matrix(tmp_path, batch):
    """Scores come from one matrix over all pixels of the data set; the batch size changes nothing."""
    truths, predictions = two_images()
    images = Images([painted(labels) for labels in predictions], truths, classes=2)
    config = tiny_run(tmp_path / "run", steps=1)
    config = replace(config, evaluation=EvaluationConfig(batch_size=batch))
    run(ConstantScores([0.0, 0.0]), images, config, images)
    assert float(rows(tmp_path / "run")[0]["mIoU"]) == pytest.approx(0.98686, abs=5e-6)

    # The command's function and its JSON, on the same shares with each pixel as a square of 4 x 4.
    colours = np.array([RED, GREEN], np.uint8)
    enlarged = [[part.repeat(4, 0).repeat(4, 1) for part in parts] for parts in (predictions, truths)]
    save_part(tmp_path / "data", [colours[part] for part in enlarged[0]], enlarged[1], "val")
    save_part(tmp_path / "data", [colours[part] for part in enlarged[0]], enlarged[1], "train")
    settings = EvaluationConfig(batch_size=batch)
    result = evaluate(
        colour_model([RED, GREEN]),
        DataConfig(root=str(tmp_path / "data")),
        settings,
        out=tmp_path / "out",
        quiet=True,
    )
    assert result.scores.iou.tolist() == pytest.approx(IOU)
    written = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert written["mIoU"] == pytest.approx(sum(IOU) / 2)
    assert [row["iou"] for row in written["classes"]] == pytest.approx(IOU)


@pytest.mark.parametrize("label_type", [np.uint8, np.int16, np.int64, np.uint16])
@pytest.mark.parametrize("prediction_type", [np.uint8, np.int64])
def test_s32_byte_overflow_in_the_matrix_index(label_type, prediction_type):
    """Matrix indices are 64-bit whole numbers, whatever type labels and predictions have."""
    matrix = ConfusionMatrix(21)
    matrix.update(np.full((16, 16), 20, label_type), np.full((16, 16), 3, prediction_type))
    expected = np.zeros((21, 21), np.int64)
    expected[20, 3] = 256
    np.testing.assert_array_equal(matrix.counts, expected)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float16])
def test_s33_counters_that_stop_at_16_7_million(precision):
    """Counts are 64-bit whole numbers, exact under autocast and over processes."""
    matrix = ConfusionMatrix(2)
    with torch.autocast("cpu", precision, enabled=precision != torch.float32):
        matrix.update(torch.zeros(4096, 4096, dtype=torch.uint8), torch.zeros(4096, 4096, dtype=torch.uint8))
        for _ in range(100):
            matrix.update(torch.zeros(1, 1, dtype=torch.int64), torch.zeros(1, 1, dtype=torch.int64))
    assert matrix.counts.dtype == np.int64
    assert matrix.counts.tolist() == [[16_777_316, 0], [0, 0]]
    assert ConfusionMatrix.from_state(matrix.state + matrix.state).counts[0, 0] == 33_554_632


def test_s34_truth_resized_for_the_metric():
    """Truth keeps its size: predictions are brought to it, so thin objects count as they are."""
    truth = np.zeros((500, 700), np.uint8)
    truth[np.arange(100) // 10 * 50 + 5, np.arange(100) % 10 * 70 + 5] = 1
    result = measure(ConstantScores([0.0, 0.0]), Images([painted(truth)], [truth], classes=2), progress=False)
    assert result.matrix.counts.sum() == 350_000
    assert result.matrix.counts[1].tolist() == [0, 100]
    assert result.scores.iou.tolist() == [1, 1]
    # A real model that works at 128 pixels is measured at the image's 700 x 500 too.
    protocol = InferenceConfig(crop=128, stride=128, resize=(128, 128))
    result = measure(varied_model(protocol=protocol), Images(noise(1, 500), [truth[:, :500]]), progress=False)
    assert result.matrix.counts.sum() == 250_000


@pytest.mark.parametrize("head", ["upernet", "mask2former"])
@pytest.mark.slow
def test_s34_validation_and_evaluation_agree(tmp_path, head):
    """Validation during training and `eval` of the saved model give the same score to the last digit."""
    config = tiny_run(tmp_path / "run", {"head": head}, steps=3, learning_rate=1e-2, ema_decay=0.5)
    train, validation = (open_dataset(config.data, part) for part in ("train", "val"))
    from vit_adapter.data.training_set import TrainingSet

    model = tiny_segmenter(config, train.classes)
    source = TrainingSet(train, config.data.augmentation, model.protocol.normalization, seed=0)
    run(model, source, config, validation)
    best = json.loads((tmp_path / "run" / "best" / "score.json").read_text())
    result = evaluate(tmp_path / "run", config.data, quiet=True)
    assert result.scores.mIoU == best["mIoU"]
    assert 0 < best["mIoU"] < 1
    assert Segmenter.from_pretrained(tmp_path / "run" / "best").protocol.crop == SIDE


@pytest.mark.parametrize("head", ["upernet", "mask2former"])
@pytest.mark.parametrize("mode", ["slide", "whole"])
def test_s39_the_mirrored_view_has_to_be_turned_back(head, mode):
    """Scores of a mirrored view are mirrored back: a mirrored image gives mirrored scores."""
    model = varied_model(head, InferenceConfig(mode=mode, crop=64, stride=42, flip=True))
    if head == "upernet":
        for parameter in model.head.classifier.parameters():
            parameter.data *= 0.02  # else most probabilities are 0 or 1
    image = np.random.default_rng(0).integers(0, 256, (50, 90, 3), np.uint8)
    scores = model.predict(image).scores
    mirrored = model.predict(image[:, ::-1]).scores
    assert (
        np.ptp(scores[:, :, :45] - scores[:, :, :44:-1]) > 1e-3
    )  # the scores are not symmetric by themselves
    np.testing.assert_allclose(mirrored, scores[:, :, ::-1], atol=1e-5)
    once = model.predict(image, protocol=replace(model.protocol, flip=False, scales=(1.0,))).scores
    twice = model.predict(image, protocol=replace(model.protocol, flip=False, scales=(1.0, 1.0))).scores
    np.testing.assert_allclose(twice, once, atol=1e-6)
