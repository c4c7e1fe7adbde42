"""The confusion matrix counts exactly and the scores follow the published rules (situations S31 to S34)."""

import itertools
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vit_adapter.config import InputError
from vit_adapter.metrics import ConfusionMatrix


def matrix_of(*pairs, classes=2, ignore=255):
    matrix = ConfusionMatrix(classes, ignore)
    for labels, prediction in pairs:
        matrix.update(np.asarray(labels), np.asarray(prediction))
    return matrix


# Situation S31: two images of 100 pixels; the average over images would be 0.7475
FIRST = (np.array([0] * 99 + [1]), np.zeros(100, int))
SECOND = (np.array([0] * 50 + [1] * 50), np.array([0] * 50 + [1] * 50))


@pytest.mark.parametrize("batch", [1, 2])
def test_scores_come_from_one_matrix_whatever_the_batch(batch):
    pairs = [FIRST, SECOND]
    if batch == 2:
        pairs = [(np.stack([FIRST[0], SECOND[0]]), np.stack([FIRST[1], SECOND[1]]))]
    scores = matrix_of(*pairs).scores()
    np.testing.assert_allclose(scores.iou, [149 / 150, 50 / 51], rtol=1e-12)
    assert scores.mIoU == pytest.approx(0.98686, abs=5e-6)


INTEGERS = [np.uint8, np.int16, np.uint16, np.int32, np.int64]


@pytest.mark.parametrize(("label_type", "prediction_type"), [*itertools.product(INTEGERS, INTEGERS)])
def test_byte_arithmetic_does_not_overflow(label_type, prediction_type):
    labels, prediction = np.full((16, 16), 20, label_type), np.full((16, 16), 3, prediction_type)
    expected = np.zeros((21, 21), np.int64)
    expected[20, 3] = 256
    np.testing.assert_array_equal(matrix_of((labels, prediction), classes=21).counts, expected)


def test_counts_beyond_float32_are_exact_also_under_autocast():
    matrix = ConfusionMatrix(2)
    large, small = torch.zeros(4096, 4096, dtype=torch.uint8), torch.zeros(1, 1, dtype=torch.uint8)
    with torch.autocast("cpu", torch.bfloat16):
        matrix.update(large, large)
        for _ in range(100):
            matrix.update(small, small)
    assert matrix.counts.dtype == np.int64
    assert matrix.counts[0, 0] == 16_777_316


def test_truth_counts_at_its_own_size():
    labels = np.zeros((700, 500), np.uint8)
    labels[np.arange(100) // 10 * 60 + 5, np.arange(100) % 10 * 45 + 5] = 1
    matrix = matrix_of((labels, labels.copy()))
    assert matrix.counts.sum() == 350_000
    assert matrix.counts[1].sum() == 100
    np.testing.assert_array_equal(matrix.scores().iou, [1, 1])


def test_ignored_pixels_count_nowhere_even_where_the_prediction_is_odd():
    matrix = matrix_of(([0, 255, 1, 255], [0, 1, 1, 99]))
    np.testing.assert_array_equal(matrix.counts, [[1, 0], [0, 1]])
    assert matrix.scores().aAcc == 1


def test_labels_outside_the_classes_count_in_the_predicted_area_only():
    matrix = matrix_of(([0, 77, -1, 1], [0, 0, 1, 1]))
    np.testing.assert_array_equal(matrix.label_area, [1, 1])
    np.testing.assert_array_equal(matrix.prediction_area, [2, 2])
    np.testing.assert_array_equal(matrix.union, [2, 2])
    assert matrix.scores().aAcc == 1  # behaviour 93: they are in no label area


def test_not_a_number_rules():
    # class 2 absent everywhere, class 3 only predicted, class 4 only in the truth
    scores = matrix_of(([0, 0, 1, 1, 4, 1], [0, 0, 1, 1, 0, 3]), classes=5).scores()
    nan = math.nan
    np.testing.assert_allclose(scores.iou, [2 / 3, 2 / 3, nan, 0, 0])
    np.testing.assert_allclose(scores.dice, [0.8, 0.8, nan, 0, 0])
    np.testing.assert_allclose(scores.accuracy, [1, 2 / 3, nan, nan, 0])
    np.testing.assert_allclose(scores.precision, [2 / 3, 1, nan, 0, nan])
    np.testing.assert_allclose(scores.f1, [0.8, 0.8, nan, nan, nan])
    assert scores.mIoU == pytest.approx(1 / 3)
    assert scores.mDice == pytest.approx(0.4)
    assert scores.mF1 == pytest.approx(0.8)


def test_nothing_counted_gives_nan_without_warnings(recwarn):
    scores = ConfusionMatrix(3).scores()
    assert all(math.isnan(value) for value in scores.totals().values())
    assert not recwarn.list


def test_json_has_null_for_nan_and_the_foreground_for_two_classes():
    scores = matrix_of(([0, 0], [0, 1])).scores()
    record = json.loads(json.dumps(scores.to_dict(["background", "crack"]), allow_nan=False))
    assert record["recall"] is None
    assert record["precision"] == 0
    assert [row["name"] for row in record["classes"]] == ["background", "crack"]
    assert record["classes"][0]["iou"] == 0.5
    assert record["classes"][1]["share"] == 0
    assert "precision" not in ConfusionMatrix(3).scores().totals()


@pytest.mark.parametrize(
    ("labels", "prediction", "words"),
    [
        (np.zeros(4), np.zeros(4, int), ["labels", "float64"]),
        (np.zeros(4, int), np.zeros(4, np.float32), ["prediction", "float32"]),
        (np.zeros((2, 3), int), np.zeros((3, 2), int), ["(3, 2)", "(2, 3)"]),
        (np.zeros(4, int), np.full(4, 2), ["2", "0 to 1"]),
        (np.zeros(4, int), np.full(4, -1), ["-1", "0 to 1"]),
    ],
)
def test_bad_input_is_one_clear_line_and_counts_nothing(labels, prediction, words):
    matrix = ConfusionMatrix(2)
    with pytest.raises(InputError) as caught:
        matrix.update(labels, prediction)
    assert all(word in str(caught.value) for word in words)
    assert "\n" not in str(caught.value)
    assert matrix.counts.sum() == 0


def test_matrices_of_other_classes_do_not_add_up():
    with pytest.raises(InputError, match="cannot be added"):
        ConfusionMatrix(2) + ConfusionMatrix(3)
    with pytest.raises(InputError, match="3 class names"):
        ConfusionMatrix(2).scores().rows(["a", "b", "c"])


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 7), st.integers(0, 2**32 - 1), st.integers(0, 300))
def test_counts_equal_a_loop_and_add_up_over_processes(classes, seed, pixels):
    random = np.random.default_rng(seed)
    labels = random.choice([*range(classes), 255, classes + 1], pixels)
    prediction = random.integers(0, classes, pixels)
    expected = np.zeros((classes + 1, classes), np.int64)
    for true, predicted in zip(labels, prediction):
        if true != 255:
            expected[min(true, classes), predicted] += 1

    half = pixels // 3
    first, second = ConfusionMatrix(classes), ConfusionMatrix(classes)
    first.update(labels[:half], prediction[:half])
    second.update(labels[half:], prediction[half:])
    np.testing.assert_array_equal((first + second).state, expected)
    gathered = ConfusionMatrix.from_state(torch.from_numpy(first.state) + torch.from_numpy(second.state))
    np.testing.assert_array_equal(gathered.counts, expected[:-1])
