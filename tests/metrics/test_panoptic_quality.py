"""Panoptic quality against a count by hand, segment by segment."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vit_adapter.annotations import Annotation, Segments
from vit_adapter.config import InputError
from vit_adapter.metrics import PanopticEvaluator, compare_segments

CLASSES = 3


def random_segments(rng: np.random.Generator, size: tuple[int, int], crowds: bool) -> Segments:
    """Rectangles over each other."""
    ids, classes = np.zeros(size, np.int32), []
    for number in range(1, int(rng.integers(1, 6)) + 1):
        top, left = rng.integers(0, size[0]), rng.integers(0, size[1])
        ids[top : top + rng.integers(1, 9), left : left + rng.integers(1, 9)] = number
        classes.append(int(rng.integers(CLASSES)))
    present = np.unique(ids[ids > 0])
    numbers = np.zeros(len(classes) + 1, np.int32)
    numbers[present] = np.arange(len(present)) + 1
    labels = np.array(classes)[present - 1] if present.size else np.zeros(0, np.int64)
    return Segments(numbers[ids], labels, crowd=rng.random(len(labels)) < 0.3 if crowds else None)


def by_hand(prediction: Segments, truth: Segments) -> dict[str, list[float]]:
    """Sets of pixels, in plain loops."""
    counts = {name: [0.0] * CLASSES for name in ("iou", "found", "wrong", "missed")}
    crowd = truth.crowd if truth.crowd is not None else [False] * len(truth)

    def pixels(segments, number):
        return set(np.flatnonzero(segments.ids == number).tolist())

    void, matched, crowds = pixels(truth, 0), set(), {}
    for number, label in enumerate(truth.classes.tolist(), start=1):
        true = pixels(truth, number)
        if crowd[number - 1]:
            crowds[label] = true
            continue
        for other, guess in enumerate(prediction.classes.tolist(), start=1):
            found = pixels(prediction, other)
            iou = len(true & found) / len((true | found) - (found & void))
            if guess == label and iou > 0.5:
                counts["iou"][label] += iou
                counts["found"][label] += 1
                matched.add(other)
                break
        else:
            counts["missed"][label] += 1
    for other, guess in enumerate(prediction.classes.tolist(), start=1):
        found = pixels(prediction, other)
        excused = found & (void | crowds.get(guess, set()))
        if other not in matched and len(excused) <= len(found) / 2:
            counts["wrong"][guess] += 1
    return counts


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 100_000))
def test_counted_as_by_hand(seed):
    rng = np.random.default_rng(seed)
    truth = random_segments(rng, (8, 10), crowds=True)
    noise = random_segments(rng, (8, 10), crowds=False)
    # Mostly the truth, so that something is found.
    prediction = (
        noise if rng.random() < 0.2 else Segments(np.roll(truth.ids, rng.integers(2), 1), truth.classes)
    )
    ours, theirs = compare_segments(prediction, truth, CLASSES), by_hand(prediction, truth)
    for name, values in theirs.items():
        np.testing.assert_allclose(getattr(ours, name), values, rtol=1e-12, err_msg=name)


def test_merged_states_and_left_out_classes():
    truth = Segments(np.array([[1, 1, 2, 2]]), np.array([0, 1]))
    wrong = Segments(np.array([[1, 1, 2, 2]]), np.array([0, 0]))
    evaluator = PanopticEvaluator([True, False, True])
    assert evaluator.update(Annotation(segments=truth), Annotation(segments=truth)) == 1
    assert evaluator.update(Annotation(segments=wrong), Annotation(segments=truth)) == pytest.approx(1 / 3)
    other = PanopticEvaluator([True, False, True])
    other.merge([evaluator.state(), evaluator.state()])
    scores = other.scores()
    assert scores["PQthings"] == pytest.approx(2 / 2.5)
    assert scores["PQstuff"] == pytest.approx(1 / 1.5)
    assert scores["PQ"] == pytest.approx((2 / 2.5 + 1 / 1.5) / 2)
    assert other.figures() == {"segments": 8, "found": 6, "wrong": 2}
    assert math.isnan(other.class_values()[2]["PQ"])
    excluding = PanopticEvaluator([True, False, True], left_out=[1])
    excluding.merge([evaluator.state()])
    assert excluding.scores()["PQ"] == pytest.approx(2 / 2.5)
    assert math.isnan(excluding.scores()["PQstuff"])


def test_what_cannot_be_compared_is_an_error():
    small, large = (Segments(np.zeros((side, side), int), np.zeros(0, int)) for side in (2, 3))
    evaluator = PanopticEvaluator([True])
    with pytest.raises(InputError, match="size"):
        evaluator.update(Annotation(segments=small), Annotation(segments=large))
    with pytest.raises(InputError, match="segments are missing in the truth"):
        evaluator.update(Annotation(segments=small), Annotation())
    with pytest.raises(InputError, match="class 4, expected 0 to 0"):
        compare_segments(Segments(np.ones((2, 2), int), np.array([4])), small, 1)
    with pytest.raises(InputError, match="segment 7, expected 0 to 1"):
        Segments(np.array([[7]]), np.array([0]))


def test_segments_as_labels():
    segments = Segments(np.array([[0, 1, 2]]), np.array([4, 300]))
    assert segments.labels(65535).tolist() == [[65535, 4, 300]]
    assert segments.areas.tolist() == [1, 1]
