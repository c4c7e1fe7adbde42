"""Arguments of another kind, from Python: one line that names the argument, instead of an error from further down."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from vit_adapter import DataConfig, InputError, Segmenter, evaluate, get_recipe, load, predict, train
from vit_adapter.annotations import Instances
from vit_adapter.api import check_data
from vit_adapter.tasks import InstanceResult

from .making import varied_model

HEADING = "Arguments from Python"
TITLES = {
    379: "An argument of another kind",
    380: "Class names that are no list",
}
MODEL = varied_model()
IMAGE = np.zeros((40, 48, 3), np.uint8)


def refusals(calls: dict[str, Callable]) -> dict[str, str]:
    """The line of each call."""
    lines = {}
    for expected, call in calls.items():
        with pytest.raises(InputError) as refused:
            call()
        lines[expected] = str(refused.value)
    return lines


def test_s379_settings_of_another_kind(tmp_path):
    """A folder where a `DataConfig` is expected, a dictionary where a `RunConfig` is, nothing where a path is: the line
    says what is expected, with an example."""
    for expected, line in refusals(
        {
            "data is 'voc': expected a DataConfig, such as DataConfig(": lambda: evaluate(MODEL, "voc"),  # pyright: ignore
            "config is 'voc': expected a DataConfig": lambda: check_data("voc"),  # pyright: ignore
            "config is of type dict: expected a RunConfig": lambda: train({"data": {"root": "voc"}}),  # pyright: ignore
            "config is None: expected a RunConfig": lambda: train(None),  # pyright: ignore
            "name is None: expected the name of a recipe": lambda: get_recipe(None),  # pyright: ignore
            "the model is None: expected a path": lambda: load(None),  # pyright: ignore
            "the model is of type list: expected a path": lambda: load(["runs/a"]),  # pyright: ignore
            "out is None: expected a folder": lambda: predict(MODEL, ["a.png"], None),  # pyright: ignore
            "one of images is of type ndarray: expected a path": lambda: predict(MODEL, [IMAGE], tmp_path),  # pyright: ignore
            "save_directory is None: expected a folder": lambda: MODEL.save_pretrained(None),  # pyright: ignore
        }
    ).items():
        assert line.startswith(expected)
    with pytest.raises(InputError, match=r"--data\.root: names no folder"):
        evaluate(MODEL, DataConfig(), quiet=True)


def test_s379_ways_of_prediction_of_another_kind():
    """So it is with the precision, the protocol, the range of values and the opacity of an overlay; an opacity outside
    0..1 is refused for objects as for label maps."""
    dot = Instances.from_masks(np.array([0]), np.ones((1, 40, 48), bool))
    objects = InstanceResult(image=IMAGE, class_names=("dot",), instances=dot)
    for expected, line in refusals(
        {
            "precision 'fp16': expected 'float32',": lambda: MODEL.predict(IMAGE, precision="fp16"),  # pyright: ignore
            "protocol is of type dict: expected an InferenceConfig": lambda: MODEL.predict(
                IMAGE,
                protocol={"flip": True},  # pyright: ignore
            ),
            "value_range: 255, expected two numbers": lambda: MODEL.predict(IMAGE, value_range=255),  # pyright: ignore
            "alpha is half, expected 0 to 1": lambda: MODEL.predict(IMAGE).overlay("half"),  # pyright: ignore
            "alpha is 2, expected 0 to 1": lambda: objects.overlay(2),
        }
    ).items():
        assert line.startswith(expected)
    labels = np.zeros((2, 32, 32), int)
    with pytest.raises(TypeError, match=r"labels are ndarray, expected a tensor"):
        MODEL.loss(torch.zeros(2, 3, 32, 32), labels)  # pyright: ignore


@pytest.mark.parametrize("names", ["road", {"road", "sky"}, {"road": 0, "sky": 1}, 3, []])
def test_s380_class_names_that_are_no_list(names):
    """A text is a list of letters to Python, and a set has another order each time: both are refused, as an empty list
    is, instead of classes that nobody meant."""
    with pytest.raises(InputError, match=r"class_names is .*: expected a list of texts, one for each class"):
        Segmenter(MODEL.backbone, class_names=names)
    with pytest.raises(InputError, match=r"num_classes \['a'\]: expected a whole number"):
        Segmenter(MODEL.backbone, "upernet", ["a"])  # pyright: ignore
