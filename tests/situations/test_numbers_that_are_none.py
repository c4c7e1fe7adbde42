"""A loss that is not finite: the line names what can be known about the reason."""

import io

import pytest
import torch
from rich.console import Console
from stand_ins import TinyData, TinyModel, TinyTrainingSet, tiny_config

from vit_adapter import InputError
from vit_adapter.training import run_training

HEADING = "A loss that is not finite"

TITLES = {229: "Why the loss is not finite"}


class Spoilt(TinyTrainingSet):
    """One image of a pass is spoilt.

    Args:
        value: Of one of its pixels; or what all are multiplied by.
    """

    def __init__(self, value: float) -> None:
        super().__init__(TinyData(4))
        self.value = value

    def __getitem__(self, key):
        sample = super().__getitem__(key)
        if key[1] == 2:
            if self.value == self.value and self.value < float("inf"):
                sample["image"] *= self.value
            else:
                sample["image"][1, 3, 4] = self.value
        return sample


class Overflowing(TinyModel):
    """Its loss is infinite whenever an input is large or no number, or from a given pass on."""

    def __init__(self, at: int = 10**6) -> None:
        torch.manual_seed(0)
        super().__init__()
        self.at = at

    def loss(self, images, labels, *args, **settings):
        losses = super().loss(images, labels, *args, **settings)
        if int(self.passes) >= self.at or not bool(images.abs().max() < 1e4):
            losses["loss"] = losses["loss"] * float("inf")
        return losses


def end_of(tmp_path, model, source, **settings) -> tuple[str, str]:
    """The line with which a run ends, and what it printed."""
    output = io.StringIO()
    config = tiny_config(tmp_path / "run", steps=8, batch_size=2, checkpoint_every=2, **settings)
    with pytest.raises(InputError) as error:
        run_training(model, source, None, config, console=Console(file=output, width=300))
    assert "\n" not in str(error.value)
    return str(error.value), output.getvalue()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_s229_an_image_that_holds_no_numbers(tmp_path, value):
    """Where the input itself is not finite, that image is named and the deviation, and no other rate is advised."""
    line, _ = end_of(tmp_path, Overflowing(), Spoilt(value))
    assert "the input itself is not finite in image 2@0:" in line
    assert "data.std" in line
    assert "learning_rate" not in line


def test_s229_an_image_far_from_the_mean(tmp_path):
    """An input that no normal image reaches is reported with its range, and mean and deviation are named."""
    line, _ = end_of(tmp_path, Overflowing(), Spoilt(1e6))
    assert "deviations; no normal image lies that far from the mean: data.mean and data.std" in line
    assert "image 2@0" in line
    assert "learning_rate" not in line


def test_s229_weights_that_went_astray(tmp_path):
    """With usual input the rate of that step, clipping and half precision are named, and the printed command goes on
    from the last good checkpoint with half the rate."""
    source = TinyTrainingSet(TinyData(4))
    line, told = end_of(tmp_path, Overflowing(at=6), source, precision="bf16-mixed")
    assert "input from -" in line
    assert "training.learning_rate (it was 0.00375 in this step)" in line
    assert "training.clip_gradient_norm or training.precision 32-true (it is bf16-mixed) may help" in line
    assert told.splitlines()[-1].endswith(
        f"continue with: vit-adapter train --resume {tmp_path / 'run'} --training.learning_rate 0.005"
    )
    assert "last.ckpt (step 4) is kept" in told.splitlines()[-1]


def test_s229_clipping_that_is_on_is_not_advised(tmp_path):
    """What is set already is not advised."""
    source = TinyTrainingSet(TinyData(4))
    line, _ = end_of(tmp_path, Overflowing(at=2), source, clip_gradient_norm=1.0)
    assert "clip_gradient_norm" not in line
    assert "precision" not in line
