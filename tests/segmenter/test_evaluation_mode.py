"""Evaluation mode is entered once however many windows there are, and left as it was."""

import threading

import numpy as np
import pytest
from torch import nn

from tiny import tiny_model
from vit_adapter import Segmenter
from vit_adapter.config import ClassTable, InferenceConfig
from vit_adapter.segmenter.evaluation_mode import evaluation_mode


def _modes(model: nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


def test_blocks_inside_each_other_and_failures():
    model = nn.Sequential(nn.Dropout(), nn.BatchNorm2d(3).eval())
    before = _modes(model)
    with evaluation_mode(model):
        with pytest.raises(RuntimeError, match="on the way"), evaluation_mode(model):
            raise RuntimeError("on the way")
        assert not any(_modes(model))
    assert _modes(model) == before == [True, True, False]


def test_a_thread_that_ends_first_takes_no_mode_away():
    model = nn.Sequential(nn.Dropout())
    entered, may_end = threading.Event(), threading.Event()
    seen = []

    def other() -> None:
        with evaluation_mode(model):
            entered.set()
            may_end.wait(10)
            seen.append(any(_modes(model)))

    thread = threading.Thread(target=other)
    with evaluation_mode(model):
        thread.start()
        assert entered.wait(10)
    assert not any(_modes(model))  # the other thread is still applying it
    may_end.set()
    thread.join(10)
    assert seen == [False]
    assert all(_modes(model))


def test_modes_change_once_for_many_windows(monkeypatch):
    protocol = InferenceConfig(crop=32, stride=16)
    model = Segmenter.from_config(tiny_model(), ClassTable.numbered(3), protocol).train()
    calls, walks = [], []
    model.backbone.register_forward_pre_hook(lambda _, images: calls.append(len(images[0])))
    monkeypatch.setattr(
        Segmenter, "modules", lambda self: walks.append(1) or nn.Module.modules(self), raising=False
    )
    image = np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8)
    result = model.predict(image, batch_size=2)
    assert len(calls) > 4
    assert len(walks) == 1
    assert model.training
    assert np.isfinite(result.scores).all()  # asked for later: kept, or made in evaluation mode again
    assert all(module.training for module in nn.Module.modules(model))
