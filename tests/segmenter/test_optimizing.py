"""Models made for inference alone give the same scores."""

import copy

import pytest
import torch

from tiny import SMALL_MASK2FORMER, tiny_model
from vit_adapter.config import ClassTable, InputError
from vit_adapter.segmenter import Segmenter, optimizing

CLASSES = ClassTable(("a", "b", "c"), (0, 1, 2))


def model_of(**settings):
    torch.manual_seed(0)
    model = Segmenter.from_config(tiny_model(**settings), CLASSES)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # statistics and weights as after training
            torch.nn.init.normal_(module.running_mean)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
            torch.nn.init.normal_(module.weight, 1.0, 0.2)
            torch.nn.init.normal_(module.bias)
    return model.eval()


@torch.no_grad()
def scores(model):
    return model(torch.randn(2, 3, 72, 96, generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize(
    "settings",
    [{}, {"head": "fcn"}, {"norm": "group"}, {"head": "mask2former", "mask2former": SMALL_MASK2FORMER}],
    ids=str,
)
def test_folded_norms_change_rounding_only(settings):
    model = model_of(**settings)
    expected = scores(model.double())
    found = scores(copy.deepcopy(model).optimize())
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    folded = scores(model.float().optimize())
    assert (folded - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_half_precision_keeps_most_labels_and_its_statistics():
    model = model_of()
    expected = scores(model)
    model.optimize(dtype="bfloat16")
    kinds = {value.dtype for name, value in model.state_dict().items() if "norms." not in name and value.ndim}
    assert kinds == {torch.bfloat16}
    assert model.backbone.norms[0].running_var.dtype == torch.float32
    found = scores(model)
    assert (found.float() - expected).abs().mean() <= 3e-2 * expected.abs().mean()


def test_an_optimized_model_is_neither_trained_nor_saved(tmp_path):
    model = model_of().optimize()
    assert "batch norms folded" in model.optimizations[0]
    with pytest.raises(InputError, match=r"cannot be trained: 1. batch norms folded"):
        model.loss(torch.randn(1, 3, 64, 64), torch.zeros(1, 64, 64, dtype=torch.long))
    with pytest.raises(InputError, match="cannot be saved"):
        model.save_pretrained(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_what_cannot_be_done_is_said(monkeypatch):
    model = model_of()
    with pytest.raises(InputError, match="mode='quick', expected 'eager' or 'compile'"):
        model.optimize("quick")
    with pytest.raises(InputError, match="dtype='int8'"):
        model.optimize(dtype="int8")
    with pytest.raises(InputError, match="float16' runs on CUDA only"):
        model.optimize(dtype="float16")
    monkeypatch.setattr(optimizing, "missing_compiler", lambda device: "no C++ compiler was found")
    with pytest.raises(InputError, match=r"needs a compiler: no C\+\+ compiler"):
        model.optimize("compile")
    assert model.optimizations == ()  # refused before anything was changed
    scores(model.train())


@pytest.mark.slow
def test_a_compiled_model_gives_the_same_scores(monkeypatch):
    model = model_of()
    expected = scores(model)
    # The eager backend: the same graphs, without waiting for a C++ compiler.
    plain = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **settings: plain(self, backend="eager"))
    torch.testing.assert_close(scores(model.optimize("compile")), expected, rtol=1e-4, atol=1e-4)
