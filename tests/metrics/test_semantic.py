"""The evaluator of semantic segmentation: what is counted, shared among processes and told of one image."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vit_adapter.annotations import Annotation
from vit_adapter.config import InputError
from vit_adapter.metrics import Evaluator, SemanticEvaluator

maps = arrays(np.uint8, (4, 5), elements=st.sampled_from([0, 1, 2, 255]))
predictions = arrays(np.int64, (4, 5), elements=st.integers(0, 2))


@given(st.lists(st.tuples(predictions, maps), min_size=1, max_size=6), st.integers(0, 6))
def test_parts_add_up_to_the_whole(pairs, cut):
    """Counts of several processes, sent as arrays, give the very scores of one."""
    whole = SemanticEvaluator(3, 255, [2])
    parts = [SemanticEvaluator(3, 255, [2]) for _ in range(2)]
    for index, (prediction, truth) in enumerate(pairs):
        for evaluator in (whole, parts[index >= cut]):
            evaluator.update(Annotation(prediction), Annotation(truth))
    total: Evaluator = SemanticEvaluator(3, 255, [2])
    total.merge(pickle.loads(pickle.dumps(part.state())) for part in parts)
    assert list(total.scores()) == ["mIoU", "mAcc", "aAcc"]
    np.testing.assert_equal(total.scores(), whole.scores())
    np.testing.assert_equal(total.figures(), whole.figures())
    assert total.figures()["pixels"] == 20 * len(pairs)


def test_an_image_has_a_score_of_its_own():
    evaluator = SemanticEvaluator(3, 255)
    truth = np.array([[0, 0, 1, 1, 255]])
    evaluator.update(Annotation(np.array([[2, 2, 2, 2, 2]])), Annotation(truth))
    own = evaluator.update(Annotation(np.array([[0, 1, 1, 1, 2]])), Annotation(truth))
    assert own == pytest.approx((1 / 2 + 2 / 3) / 2)  # the image before counts nothing here
    assert evaluator.figures() == {"aAcc": 3 / 8, "pixels": 10, "labelled": 8}
    assert evaluator.scores()[evaluator.headline] == evaluator.class_scores().mIoU


def test_an_image_without_a_labelled_pixel_has_none():
    evaluator = SemanticEvaluator(2, 255)
    assert evaluator.update(Annotation(np.zeros((2, 2), int)), Annotation(np.full((2, 2), 255))) is None
    assert math.isnan(evaluator.scores()["mIoU"])
    assert evaluator.figures()["labelled"] == 0


def test_a_single_class_is_measured_against_nothing_there():
    """Label 0 is the object, everything else nothing; finding the object where it is not counts."""
    evaluator = SemanticEvaluator(1, 255)
    truth, prediction = np.array([[0, 0, 255, 255]]), np.array([[0, 255, 255, 0]])
    evaluator.update(Annotation(prediction), Annotation(truth))
    assert evaluator.matrix.counts.tolist() == [[1, 1], [1, 1]]
    assert evaluator.figures() == {"aAcc": 0.5, "pixels": 4, "labelled": 4}


def test_what_does_not_fit_counts_nothing():
    evaluator = SemanticEvaluator(2, 255)
    labels = np.zeros((2, 2), int)
    for prediction, truth in ((Annotation(), Annotation(labels)), (Annotation(labels), Annotation())):
        with pytest.raises(InputError, match="labels are missing"):
            evaluator.update(prediction, truth)
    with pytest.raises(InputError, match="expected the labels'"):
        evaluator.update(Annotation(labels[:1]), Annotation(labels))
    assert evaluator.matrix.state.sum() == 0
