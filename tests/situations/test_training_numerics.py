"""Numbers of training: what a loss is averaged over, accumulation, matching, precision, random draws."""

import hashlib
import math
import re

import numpy as np
import pytest
import torch

from vit_adapter import InputError
from vit_adapter.config import AugmentationConfig, Normalization
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.heads.mask2former import CostWeights, LossSettings, Mask2FormerLoss, Predictions
from vit_adapter.heads.mask2former.matching import weighted_costs
from vit_adapter.heads.mask2former.targets import targets_of
from vit_adapter.training.checkpoints import read_checkpoint
from vit_adapter.training.loader import make_loader
from vit_adapter.training.sampler import SampleOrder, StepSampler

from .programs import fixed_points, train_masks_alone
from .training_parts import (
    ConstantScores,
    Images,
    assert_gradients_agree,
    bars,
    first_gradients,
    noise,
    rows,
    run,
    tiny_run,
    tiny_segmenter,
)


@pytest.mark.parametrize(("setting", "expected"), [({}, 0.3466), ({"average_over": "valid"}, 0.6931)])
def test_s40_which_pixels_the_loss_is_averaged_over(tmp_path, setting, expected):
    """All pixels, ignored ones included, as published; `--training.average_over valid` takes the labelled ones."""
    labels = np.array([[0, 1], [255, 255]], np.uint8)
    source = Images(noise(1, side=2), [labels], classes=2)
    run(ConstantScores([0.0, 0.0]), source, tiny_run(tmp_path / "run", steps=1, batch_size=1, **setting))
    (row,) = rows(tmp_path / "run")
    assert float(row["loss_ce"]) == pytest.approx(expected, abs=5e-5)
    assert row["loss"] == row["loss_ce"]  # what is logged is what is optimised


def test_s41_accumulation_equals_the_large_batch(tmp_path):
    """Means over valid pixels are those of the whole accumulated batch, whatever each part holds."""
    labels = [np.array([[1, 255], [255, 255]], np.uint8), np.zeros((2, 2), np.uint8)]
    source = Images(noise(2, side=2), labels, classes=2)
    for name, batch, accumulate in (("large", 2, 1), ("small", 1, 2)):
        settings = {"batch_size": batch, "accumulate": accumulate, "average_over": "valid", "steps": 1}
        run(ConstantScores([2.0, 0.0]), source, tiny_run(tmp_path / name, **settings))
        assert float(rows(tmp_path / name)[0]["loss"]) == pytest.approx(0.5269, abs=5e-5)
    assert_gradients_agree(first_gradients(tmp_path / "large"), first_gradients(tmp_path / "small"))


@pytest.mark.parametrize("head", ["upernet", "mask2former"])
@pytest.mark.slow
def test_s41_accumulation_equals_the_large_batch_in_real_models(tmp_path, head):
    """Gradients of accumulated parts are those of the large batch; of Mask2Former in mask and Dice loss, while its
    class loss is divided by the weights of each part's own labels, as published for processes."""
    train_masks_alone(str(tmp_path / "large"), batch_size=2, head=head)
    train_masks_alone(str(tmp_path / "small"), batch_size=1, accumulate=2, head=head)
    assert_gradients_agree(first_gradients(tmp_path / "large"), first_gradients(tmp_path / "small"))
    losses = [float(rows(tmp_path / name)[0]["loss"]) for name in ("large", "small")]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def scenes_like(count: int = 4) -> Images:
    return Images(noise(count), [bars(0, 1, 2), bars(2, 0)] * (count // 2))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_s42_matching_costs_that_are_not_finite(tmp_path, value):
    """The run stops with one line: step, what is not finite, images of the batch, the last good checkpoint."""
    config = tiny_run(tmp_path / "run", {"head": "mask2former"}, checkpoint_every=1)
    model = tiny_segmenter(config)
    predictions, calls = model.head.predictions, iter(range(100))

    def spoilt(pyramid):
        result = predictions(pyramid)
        if next(calls) == 2:
            result.classes[1].data[0, 3, 0] = value
        return result

    model.head.predictions = spoilt
    with pytest.raises(InputError) as error:
        run(model, scenes_like(), config)
    message = str(error.value)
    assert "\n" not in message
    assert "step 2: a matching cost" in message
    assert len(set(re.findall(r"image \d\b", message.partition("images of the batch")[2]))) == 2
    assert "last.ckpt (step 2)" in message
    checkpoint = read_checkpoint(tmp_path / "run" / "last.ckpt")
    assert checkpoint["step"] == 2
    assert all(tensor.isfinite().all() for tensor in checkpoint["model"].values())


@pytest.mark.parametrize("head", ["upernet", "mask2former"])
def test_s42_a_learning_rate_of_1000(tmp_path, head):
    """A run that diverges stops the same way, and no checkpoint with numbers that are not finite is ever written."""
    config = tiny_run(
        tmp_path / "run", {"head": head}, learning_rate=1e3, steps=5, warmup_steps=0, checkpoint_every=1
    )
    model = tiny_segmenter(config)
    message = ""
    try:
        run(model, scenes_like(), config)
    except InputError as error:
        message = str(error)
    line = r"step \d: .* not finite.*last good checkpoint: .*last\.ckpt \(step \d\)"
    assert not message or re.search(line, message)
    checkpoint = read_checkpoint(tmp_path / "run" / "last.ckpt")
    assert checkpoint["step"] >= 1
    assert all(tensor.isfinite().all() for tensor in checkpoint["model"].values())


def test_s42_weights_that_are_not_finite_are_never_saved(tmp_path):
    """Statistics of batch norm can overflow while the loss stays finite: such weights are refused too."""

    class Overflowing(ConstantScores):
        def __init__(self) -> None:
            super().__init__([0.0, 0.0])
            self.register_buffer("running_var", torch.ones(2))

        def loss(self, images, labels, divisor=None):
            self.running_var *= 1e15
            return super().loss(images, labels, divisor)

    config = tiny_run(tmp_path / "run", steps=5, checkpoint_every=1)
    with pytest.raises(
        InputError, match=r"step 3: the weights \(running_var\) are not finite.*last\.ckpt \(step 2\)"
    ):
        run(Overflowing(), Images(noise(2, side=2), [np.zeros((2, 2), np.uint8)] * 2, 2), config)
    assert read_checkpoint(tmp_path / "run" / "last.ckpt")["step"] == 2


@pytest.mark.parametrize("scale", [10.0, 1e4])
def test_s43_half_precision_sums_in_the_matcher_and_the_dice_loss(scale):
    """Costs and losses are computed in float32 at least, whatever the precision of the model."""
    count = 70_000
    logits = torch.full((2, count), scale)
    logits[1, ::2] *= -1
    classes, masks = torch.tensor([[2.0, -1.0, 0.5], [-1.0, 2.0, 0.5]]), torch.ones(2, count)
    settings = torch.tensor([0, 1]), masks, CostWeights()
    exact = weighted_costs(classes.double(), logits.double(), *settings)
    with torch.autocast("cpu", torch.float16):
        half = weighted_costs(classes.half(), logits.half(), *settings)
    for name, cost in half.items():
        assert cost.isfinite().all(), name
        torch.testing.assert_close(cost.double(), exact[name], rtol=3e-3, atol=3e-3)

    criterion = Mask2FormerLoss(LossSettings(points=count))
    criterion.draw = fixed_points
    maps = torch.full((1, 2, 16, 16), scale)
    targets = targets_of(torch.zeros(1, 64, 64, dtype=torch.int64), 2, 255)
    wanted = criterion(Predictions([classes[None].double()], [maps.double()]), targets)
    with torch.autocast("cpu", torch.float16):
        losses = criterion(Predictions([classes[None].half()], [maps.half()]), targets)
    for name, value in losses.items():
        torch.testing.assert_close(value.double(), wanted[name], rtol=3e-3, atol=3e-3)


def test_s44_workers_that_repeat_each_other():
    """Every draw is a function of seed, pass and image: workers and restarts change nothing and repeat nothing."""
    copies = Images(noise(1, side=96) * 8, [bars(0, 1, 2, side=96)] * 8)
    source = TrainingSet(copies, AugmentationConfig(crop=32), Normalization(), seed=0)
    order, passes = SampleOrder(8, 0), 2

    def record(workers: int, first_step: int = 0) -> list[tuple[str, str]]:
        """(name, what was drawn, as a digest of the result) of every sample, batch after batch."""
        sampler = StepSampler(order, 4, 1, first_step, 2 * passes)
        found = []
        for (batch,) in make_loader(source, sampler, workers):
            for name, image in zip(batch["names"], batch["image"], strict=True):
                found.append((name, hashlib.sha256(image.numpy().tobytes()).hexdigest()))
        return found

    alone = record(0)
    assert len(alone) == 16
    assert len({digest for _, digest in alone}) == 16
    assert (
        sorted(name for name, _ in alone[:8]) == sorted(name for name, _ in alone[8:]) == sorted(copies.names)
    )
    assert record(1) == alone
    assert record(4) == alone
    assert record(0, first_step=2) == alone[8:]  # resumed between the passes
