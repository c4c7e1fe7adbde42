"""What is given to a function stays as it was: models, settings, arrays, random generators."""

import copy
import random
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from tiny import TINY, tiny_model
from vit_adapter import Segmenter, ViTAdapter, api
from vit_adapter.config import (
    AugmentationConfig,
    DataConfig,
    EvaluationConfig,
    FCNConfig,
    InferenceConfig,
    RunConfig,
    TrainingConfig,
    to_plain,
)

from .making import halves, save_pairs, varied_model

HEADING = "What is given stays as it was"
TITLES = {
    201: "A function changes the model, the settings or the array that it was given",
    202: "Importing or using the package moves the caller's random generators",
}


def _state(model: Segmenter) -> dict:
    """Everything of a model that a function could leave changed."""
    return {
        "description": model.to_dict(),
        "modes": [module.training for module in model.modules()],
        "tensors": [
            (name, value.dtype, value.device, value.clone()) for name, value in model.state_dict().items()
        ],
        "trained": [parameter.requires_grad for parameter in model.parameters()],
    }


def _same(before: dict, after: dict) -> bool:
    pairs = zip(before["tensors"], after["tensors"], strict=True)
    equal = all(a[:3] == b[:3] and torch.equal(a[3], b[3]) for a, b in pairs)
    return equal and all(before[name] == after[name] for name in ("description", "modes", "trained"))


@pytest.mark.parametrize("training", [False, True])
def test_s201_prediction_leaves_the_model(tmp_path, training):
    """Prediction over scales and mirror images leaves protocol, weights and training mode of the model as they were."""
    Image.fromarray(np.full((40, 40, 3), 90, np.uint8)).save(tmp_path / "a.png")
    model = varied_model().train(training)
    before = _state(model)
    api.predict(model, [tmp_path / "a.png"], tmp_path / "out", tta=True, quiet=True)
    assert _same(before, _state(model))


def test_s201_evaluation_leaves_the_model(tmp_path):
    """Evaluation by another protocol, or over scales, leaves the model, its folder saved later and the settings."""
    data = DataConfig(
        root=str(save_pairs(tmp_path / "data", {"a": halves(0, 1), "b": halves(1, 2)})),
        classes=["a", "b", "c"],
    )
    model = varied_model()
    before, given = _state(model), copy.deepcopy(data)
    quiet = {"quiet": True, "split": "train"}
    once = api.evaluate(model, data, EvaluationConfig(tta=True), out=tmp_path / "report", **quiet)
    other = replace(model.protocol, crop=32, stride=16)
    twice = api.evaluate(model, data, protocol=other, **quiet)
    assert _same(before, _state(model))
    assert data == given
    model.save_pretrained(tmp_path / "model")
    assert Segmenter.from_pretrained(tmp_path / "model").protocol == InferenceConfig(crop=64, stride=42)
    # What was asked for was done all the same.
    own = api.evaluate(model, data, **quiet)
    assert once.protocol is not None
    assert once.protocol.flip
    assert twice.protocol == other
    assert not np.array_equal(own.matrix.counts, once.matrix.counts)


def test_s201_arrays_and_tensors_stay():
    """Arrays, tensors and lists given to prediction and loss keep their values."""
    model = varied_model()
    rng = np.random.default_rng(0)
    array = rng.integers(0, 256, (40, 50, 3), np.uint8)
    floats = rng.random((40, 50, 3)).astype(np.float32)
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    given = [array, floats, tensor, Image.fromarray(array)]
    copies = [array.copy(), floats.copy(), tensor.clone()]
    list_before = list(given)
    model.predict(given)
    model.predict(array).overlay()
    assert all(a is b for a, b in zip(given, list_before, strict=True))
    assert np.array_equal(array, copies[0])
    assert np.array_equal(floats, copies[1])
    assert torch.equal(tensor, copies[2])
    images, labels = torch.randn(2, 3, 40, 40), torch.randint(0, 3, (2, 40, 40))
    kept = images.clone(), labels.clone()
    model.train().loss(images, labels)
    assert torch.equal(images, kept[0])
    assert torch.equal(labels, kept[1])


def test_s201_settings_belong_to_the_model():
    """A list or dictionary of the caller's that changes after the model was built changes no model."""
    options, indexes = dict(TINY), [(0, 0), (1, 1), (2, 2), (3, 3)]
    backbone = ViTAdapter("vit_tiny_patch16_224", img_size=64, options=options, interaction_indexes=indexes)
    assert options == TINY
    model = Segmenter(backbone, FCNConfig(channels=8), 2)
    options["depth"] = 7
    indexes.pop()
    settings = model.to_dict()["model"]
    assert settings["vit"]["options"]["depth"] == 4
    assert len(settings["backbone"]["interaction_indexes"]) == 4


def _generators() -> tuple:
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


@pytest.mark.slow
def test_s201_training_leaves_settings_and_generators(tmp_path):
    """Training changes neither the configuration it is given nor the caller's random generators."""
    root = save_pairs(tmp_path / "data", {name: halves(3, 7) for name in "abcde"})
    config = RunConfig(
        tiny_model(head_channels=8, auxiliary=False),
        DataConfig(str(root), label_map={3: 0, 7: 1}, workers=0, augmentation=AugmentationConfig(crop=32)),
        TrainingConfig(steps=1, batch_size=2, out=str(tmp_path / "run"), accelerator="cpu", quiet=True),
    )  # fmt: skip
    given, generators = copy.deepcopy(to_plain(config)), _generators()
    api.train(config)
    assert to_plain(config) == given
    assert _generators() == generators


def test_s202_loading_and_prediction(tmp_path):
    """Loading, prediction and evaluation leave the random generators of Python, numpy and torch where they were."""
    root = save_pairs(tmp_path / "data", {"a": halves(0, 1), "b": halves(1, 2)})
    varied_model().save_pretrained(tmp_path / "model")
    before = _generators()
    model = api.load(tmp_path / "model")
    model.predict(np.zeros((40, 40, 3), np.uint8)).overlay()
    data = DataConfig(root=str(root), classes=["a", "b", "c"])
    api.evaluate(model, data, split="train", out=tmp_path / "report")
    api.check_data(data, sheet=tmp_path / "sheet.png")
    assert _generators() == before


@pytest.mark.slow
def test_s202_importing():
    """Importing the package and all its rooms leaves them too."""
    code = (
        "import random, numpy, torch\n"
        "state = lambda: (random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist())\n"
        "before = state()\n"
        "import vit_adapter.api, vit_adapter.cli.main, vit_adapter.training, vit_adapter.visualization\n"
        "import rich.console, rich.table, rich.progress\n"
        "assert state() == before, [a == b for a, b in zip(state(), before)]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
