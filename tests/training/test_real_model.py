"""Real segmenters on the embedded scenes: exact resuming with drop path and dropout, a frozen ViT, bad costs."""

import io
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from tiny import tiny_model
from vit_adapter.config import (
    AugmentationConfig,
    DataConfig,
    EvaluationConfig,
    InferenceConfig,
    InputError,
    Mask2FormerConfig,
    RunConfig,
    TrainingConfig,
)
from vit_adapter.data.dataset import open_dataset
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.segmenter import Segmenter
from vit_adapter.training import run_training
from vit_adapter.training.checkpoints import read_checkpoint

SIDE = 64


class Interruption(Exception):
    """Stands for a kill."""


def run_config(out: Path, model: dict[str, Any] | None = None, **training: Any) -> RunConfig:
    settings = {"steps": 6, "batch_size": 2, "quiet": True, "accelerator": "cpu"} | training
    return RunConfig(
        model=tiny_model(img_size=None, drop_path_rate=0.5, **(model or {})),
        data=DataConfig(layout="scenes", workers=0, augmentation=AugmentationConfig(crop=SIDE)),
        training=TrainingConfig(out=str(out), **settings),
        evaluation=EvaluationConfig(limit=1),
    )


def train(config: RunConfig, stop_at: int | None = None) -> Segmenter:
    torch.manual_seed(config.training.seed)
    dataset = open_dataset(config.data, "train")
    model = Segmenter.from_config(config.model, dataset.classes, InferenceConfig(crop=SIDE, stride=SIDE))
    if stop_at is not None:
        loss, calls = model.loss, iter(range(1, 1000))

        def interrupted(
            images: torch.Tensor, labels: torch.Tensor, divisor: float | None = None
        ) -> dict[str, torch.Tensor]:
            if next(calls) == stop_at:
                raise Interruption
            return loss(images, labels, divisor)

        model.loss = interrupted  # pyright: ignore
    source = TrainingSet(
        dataset, config.data.augmentation, model.protocol.normalization, seed=config.training.seed
    )
    console = Console(file=io.StringIO())
    run_training(model, source, open_dataset(config.data, "val"), config, console=console)
    return model


@pytest.mark.slow
def test_resuming_continues_exactly(tmp_path):
    whole = train(run_config(tmp_path / "whole", accumulate=2, checkpoint_every=2, validate_every=3))
    settings = {"accumulate": 2, "checkpoint_every": 2, "validate_every": 3}
    with pytest.raises(Interruption):
        train(run_config(tmp_path / "run", **settings), stop_at=8)  # between the two passes of step 3
    assert read_checkpoint(tmp_path / "run" / "last.ckpt")["step"] == 2
    resumed = train(run_config(tmp_path / "run", **settings, resume=True))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert (tmp_path / "run" / "metrics.csv").read_text() == (tmp_path / "whole" / "metrics.csv").read_text()
    best = [Segmenter.from_pretrained(tmp_path / run / "best").state_dict() for run in ("whole", "run")]
    assert all(torch.equal(value, best[1][name]) for name, value in best[0].items())


@pytest.mark.parametrize("injectors", [True, False])
@pytest.mark.slow
def test_a_frozen_vit_stays_as_it_is(tmp_path, injectors):
    config = run_config(
        tmp_path / "run", {"frozen": "vit", "injectors": injectors}, steps=3, validate_every=2
    )
    modes = []
    torch.manual_seed(0)
    before = Segmenter.from_config(config.model, open_dataset(config.data, "train").classes).state_dict()
    hook = torch.nn.modules.module.register_module_forward_hook(
        lambda module, inputs, output: (
            modes.append((module.training, torch.is_grad_enabled()))
            if type(module).__name__ == "Mlp"  # of a block, whose attention is an operator
            else None
        )
    )
    try:
        model = train(config)
    finally:
        hook.remove()
    assert modes
    assert not any(training for training, _ in modes), "the ViT has no drop path while it is frozen"
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert not [name for name in changed if name.startswith("backbone.vit.")]
    assert "head.classifier.weight" in changed
    assert [name for name in changed if name.startswith("backbone.interactions.")]
    checkpoint = read_checkpoint(tmp_path / "run" / "last.ckpt")
    assert not [name for name in checkpoint["optimizer"] if name.startswith("backbone.vit.")]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_matching_costs_that_are_not_finite(tmp_path, value):  # S42
    head = Mask2FormerConfig(
        queries=8,
        channels=32,
        heads=2,
        encoder_layers=1,
        decoder_layers=1,
        encoder_feedforward=32,
        decoder_feedforward=32,
    )
    config = run_config(tmp_path / "run", {"head": "mask2former", "mask2former": head}, checkpoint_every=1)
    dataset = open_dataset(config.data, "train")
    torch.manual_seed(0)
    model = Segmenter.from_config(config.model, dataset.classes, InferenceConfig(crop=SIDE, stride=SIDE))
    predictions, calls = model.head.predictions, iter(range(1, 1000))

    def spoilt(*arguments: Any) -> Any:
        result = predictions(*arguments)
        if next(calls) == 3:
            result.classes[0].data[0, 0, 0] = value
        return result

    model.head.predictions = spoilt
    source = TrainingSet(dataset, config.data.augmentation, model.protocol.normalization, seed=0)
    with pytest.raises(InputError) as error:
        run_training(model, source, None, config, console=Console(file=io.StringIO()))
    message = str(error.value)
    assert "\n" not in message
    assert re.search(
        r"step 2: a matching cost .* is not finite; images of the batch: .+; last good checkpoint", message
    )
    content = read_checkpoint(tmp_path / "run" / "last.ckpt")
    assert content["step"] == 2
    assert all(tensor.isfinite().all() for tensor in content["model"].values())
