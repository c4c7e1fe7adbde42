"""Memory of a step: counted like a real one, in order where one needs less, and a warning before it is too much."""

import gc
from dataclasses import replace

import pytest
import torch

from data.folders import make_pairs, two_classes
from tiny import SMALL_MASK2FORMER, TINY_FLAGS, tiny_model
from vit_adapter import Segmenter
from vit_adapter.cli.main import main
from vit_adapter.config import AugmentationConfig, ClassTable, DataConfig, RunConfig, TrainingConfig
from vit_adapter.training import memory
from vit_adapter.training.memory import LiveBytes, bound, memory_note, memory_words, step_memory

CLASSES = ClassTable.numbered(5)
TRAINING = TrainingConfig(batch_size=2)


def model_of(head: str, **settings):
    return tiny_model(head=head, mask2former=SMALL_MASK2FORMER, **settings)


def test_storages_count_while_something_holds_them():
    with LiveBytes() as held:
        first = torch.zeros(1000)
        second = first * 2
        view = second[10:]
        assert (held.now, held.peak) == (8000, 8000)
        del second
        assert held.now == 8000  # the view holds it
        del view
        assert (held.now, held.peak) == (4000, 8000)
        first.mul_(3)
        assert held.peak == 8000


def test_what_autograd_saves_counts():
    weight = torch.zeros(50, 100, requires_grad=True)
    with LiveBytes() as held:
        out = (weight * 2).exp()  # saves its result
        loss = out.sum()
        del out
        assert held.now == weight.nbytes + 4
        loss.backward()
        assert weight.grad is not None
        assert held.now == weight.nbytes + 4  # the gradient and the loss
        assert held.peak >= 2 * weight.nbytes + 4  # the gradient of what was saved stood beside it


@pytest.mark.slow
@pytest.mark.parametrize("head", ["upernet", "mask2former"])
@pytest.mark.parametrize(
    "settings", [{}, {"frozen": "vit", "injectors": False}, {"grad_checkpointing": True}]
)
def test_the_same_as_with_real_tensors(head, settings):
    config = model_of(head, **settings)
    counted = step_memory(config, CLASSES, TRAINING, 64)
    model = Segmenter.from_config(config, CLASSES).train()
    gc.collect()
    with LiveBytes() as held:
        loss = model.stand_in_loss(torch.randn(2, 3, 64, 64))
        between = held.now
        loss.backward()
    assert counted.passes == pytest.approx(held.peak, rel=0.02)
    assert counted.activations == pytest.approx(between, rel=0.02)
    weights = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    assert counted.weights == weights
    trained = sum(parameter.nbytes for parameter in model.parameters() if parameter.requires_grad)
    assert counted.optimizer == 2 * trained
    assert counted.total < bound(model, TRAINING, 64)  # pyright: ignore


@pytest.mark.slow
def test_a_step_of_the_true_loss_needs_as_much():
    """The stand-in looks at no value; the loss of images of ten classes keeps what it keeps."""
    config, classes = model_of("mask2former"), ClassTable.numbered(10)
    model = Segmenter.from_config(config, classes).train()
    labels = torch.arange(10).repeat_interleave(7)[:64].expand(2, 64, 64)
    peaks = []
    for make in (lambda x: model.stand_in_loss(x), lambda x: model.loss(x, labels)["loss"]):
        model.zero_grad(set_to_none=True)
        gc.collect()
        with LiveBytes() as held:
            make(torch.randn(2, 3, 64, 64)).backward()
        peaks.append(held.peak)
    assert peaks[0] == pytest.approx(peaks[1], rel=0.15)


@pytest.mark.slow
def test_what_needs_less():
    def passes(crop=64, training=TRAINING, **settings) -> int:
        return step_memory(model_of("upernet", **settings), CLASSES, training, crop).passes

    plain = passes()
    assert passes(crop=128) > 2.5 * plain
    assert passes(crop=128, grad_checkpointing=True) < passes(crop=128)
    assert passes(frozen="vit", injectors=False) < passes(frozen="vit") < plain
    assert passes(training=replace(TRAINING, batch_size=4)) > 1.4 * plain
    assert passes(training=replace(TRAINING, accumulate=2)) >= plain
    assert passes(training=replace(TRAINING, precision="bf16-mixed")) < plain
    one, two = (
        step_memory(model_of("fcn"), CLASSES, replace(TRAINING, ema_decay=decay), 64) for decay in (None, 0.9)
    )
    assert two.weights == 2 * one.weights


def run_of(crop: int = 64) -> RunConfig:
    return RunConfig(model_of("upernet"), DataConfig(augmentation=AugmentationConfig(crop=crop)), TRAINING)


def test_a_run_that_does_not_fit_is_told(monkeypatch):
    config = run_of()
    model = Segmenter.from_config(config.model, CLASSES)
    state = torch.get_rng_state()
    needed = step_memory(config.model, CLASSES, TRAINING, 64)
    assert torch.equal(torch.get_rng_state(), state)
    monkeypatch.setattr(memory, "device_bytes", lambda accelerator: needed.total - 1)
    note = memory_note(model, config, "cpu")
    assert note is not None
    assert note.startswith(f"memory: {needed.words()}; here are ")
    for remedy in ("--training.batch_size", "--model.vit.frozen vit", "grad_checkpointing true"):
        assert remedy in note
    monkeypatch.setattr(memory, "device_bytes", lambda accelerator: needed.total)
    assert memory_note(model, config, "cpu") is None
    assert "each of 2 processes needs" in (memory_note(model, config, "cpu", processes=2) or "")


def test_nothing_is_counted_where_everything_fits(monkeypatch):
    config = run_of()
    model = Segmenter.from_config(config.model, CLASSES)
    monkeypatch.setattr(memory, "device_bytes", lambda accelerator: 1 << 60)
    monkeypatch.setattr(memory, "step_memory", None)
    assert memory_note(model, config, "cpu") is None
    assert (memory_words(model, config, "cpu") or "").startswith("below ")
    monkeypatch.setattr(memory, "device_bytes", lambda accelerator: None)
    assert memory_note(model, config, "mps") is None


@pytest.mark.slow
def test_the_command_line_warns_before_the_first_step(tmp_path, monkeypatch, capsys):
    make_pairs(tmp_path / "data", {f"{index}": two_classes(64, 64) for index in range(4)})
    monkeypatch.setattr(memory, "device_bytes", lambda accelerator: 10_000_000)
    words = ["train", "--data.root", str(tmp_path / "data"), *TINY_FLAGS, "--training.steps", "1"]
    words += ["--training.batch_size", "2", "--data.workers", "0", "--data.augmentation.crop", "64"]
    words += ["--training.accelerator", "cpu", "--training.out", str(tmp_path / "run")]
    assert main(words) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "note memory: about 0.0" in said
    assert "here are 0.01 GB, so the run will hardly fit" in said


def test_the_device_of_this_machine():
    size = memory.device_bytes("cpu")
    assert size is not None
    assert 1 << 28 < size < 1 << 45
    assert memory.device_bytes("mps") is None
