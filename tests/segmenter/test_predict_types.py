"""The type of a prediction follows from the task that is asked for, as type checkers see it and as it is."""

import typing

import numpy as np
import pytest
from tests.tiny import SMALL_MASK2FORMER, tiny_model

from vit_adapter import Segmenter
from vit_adapter.config import ClassTable, TaskName
from vit_adapter.segmenter.prediction import AppliedModel, Prediction, PredictOptions
from vit_adapter.tasks import DetectionResult, InstanceResult, PanopticResult, SemanticResult

RESULTS = {
    "semantic": SemanticResult,
    "instance": InstanceResult,
    "panoptic": PanopticResult,
    "detection": DetectionResult,
}


def overloads():
    """What type checkers know: {(several images, task or None): type of the result}."""
    found = {}
    for one in typing.get_overloads(AppliedModel.predict):
        hints = typing.get_type_hints(one)
        several = typing.get_origin(typing.get_args(hints["images"])[0]) is list
        named = typing.get_args(hints["task"])
        found[several, named[0] if len(named) == 1 else None] = hints["return"]
    return found


def test_every_task_has_its_type():
    found = overloads()
    assert set(RESULTS) == set(typing.get_args(TaskName))
    for task, result in RESULTS.items():
        assert found[False, task] is result
        assert found[True, task] == list[result]
    assert found[False, None] == Prediction
    assert found[True, None] == list[Prediction]
    assert len(found) == 2 * (len(RESULTS) + 1)


def test_options_are_those_of_predict():
    """The overloads take the arguments of the function, with its types."""
    hints = typing.get_type_hints(AppliedModel.predict)
    assert typing.get_type_hints(PredictOptions) == {
        name: hint for name, hint in hints.items() if name not in ("images", "task", "return")
    }


@pytest.mark.parametrize("task", ["semantic", "instance", "panoptic"])
def test_what_comes_is_what_is_said(task):
    config = tiny_model(head="mask2former", mask2former=SMALL_MASK2FORMER)
    model = Segmenter.from_config(
        config, ClassTable(("a", "b", "c"), (0, 1, 2), is_thing=(False, True, True))
    ).eval()
    photo = np.zeros((40, 48, 3), np.uint8)
    assert type(model.predict(photo, task=task)) is RESULTS[task]
    assert [type(one) for one in model.predict([photo], task=task)] == [RESULTS[task]]
