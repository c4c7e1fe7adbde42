"""What processes of their own run in situations of resuming and of several processes."""

import dataclasses
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from children import SlowModel, quiet_console, train_slowly
from stand_ins import TinyData, TinyModel, TinyTrainingSet, tiny_config

from vit_adapter.config import InputError
from vit_adapter.training import processes, run_training
from vit_adapter.training.checkpoints import VERSION, CheckpointFolder

from .training_parts import NO_CHANCE, Images, bars, noise, run, tiny_run, tiny_segmenter


def own_rank() -> str:
    """Number of this process as text."""
    return os.environ.get("RANK", "0")


class NumberedSet(TinyTrainingSet):
    """Each image bears its pass and number in a pixel."""

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        sample = super().__getitem__(key)
        sample["image"][0, 0, 0] = (100 * key[0] + key[1]) / 1000
        return sample


class Mortal(TinyModel):
    """Writes down pass and number of every image it meets; ends by SIGKILL before a given forward pass.

    Args:
        log: File to append to.
        die_before: Number of the forward pass, from 1; None: never.
    """

    def __init__(self, log: Path, die_before: int | None = None) -> None:
        torch.manual_seed(0)
        super().__init__()
        self.log, self.die_before = log, die_before

    def loss(
        self, images: torch.Tensor, labels: torch.Tensor, divisor: float | None = None
    ) -> dict[str, torch.Tensor]:
        """One forward pass."""
        if int(self.passes) + 1 == self.die_before:
            os.kill(os.getpid(), signal.SIGKILL)
        numbers = [round(float(value) * 1000) for value in images[:, 0, 0, 0]]
        with self.log.open("a") as file:
            file.write(f"{int(self.passes) + 1} {' '.join(map(str, numbers))}\n")
        return super().loss(images, labels, divisor)


class Peaking(Mortal):
    """Its labels are right after 20 passes, and have as many wrong rows as passes are missing or too many."""

    def predict(self, image: Any, **options: Any) -> Any:
        """Spoilt truth."""
        result = super().predict(image, **options)
        if not isinstance(image, list):
            truth = image.argmax(2).astype(np.uint8)
            wrong = min(abs(int(self.passes) - 20), len(truth))
            truth[:wrong] = (truth[:wrong] + 1) % 3
            result = dataclasses.replace(result, labels=truth)
        return result


def train_mortal(
    out: str, log: str, die_before: int | None = None, peaking: bool = False, **settings: Any
) -> None:
    """A run whose process may kill itself."""
    model = (Peaking if peaking else Mortal)(Path(log), die_before)
    validation = TinyData(2) if peaking else None
    config = tiny_config(Path(out), **settings)
    run_training(model, NumberedSet(TinyData(10)), validation, config, console=quiet_console())


def save_for_ever(folder: str) -> None:
    """Checkpoint after checkpoint, beginning behind the one that is there."""
    files = CheckpointFolder(folder)
    step = files.load()[0]["step"] if files.last.exists() or list(Path(folder).glob("*.ckpt")) else 0
    while True:
        step += 1
        weight = torch.full((300_000,), float(step))
        files.save({"version": VERSION, "step": step, "optimizer": {}, "model": {"weight": weight}})


class HeavyModel(TinyModel):
    """With a part of given weight in bytes, which the loss reaches."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(size // 4))

    def loss(
        self, images: torch.Tensor, labels: torch.Tensor, divisor: float | None = None
    ) -> dict[str, torch.Tensor]:
        """With the heavy part."""
        losses = super().loss(images, labels, divisor)
        losses["loss"] = losses["loss"] + self.weight.sum() * 0
        return losses


def train_heavy(out: str, size: int, **settings: Any) -> None:
    """A run that writes much."""
    config = tiny_config(Path(out), **settings)
    run_training(HeavyModel(size), TinyTrainingSet(TinyData(4)), TinyData(2), config)


def train_with_a_void_image(out: str, head: str, model: dict[str, Any], batch_size: int = 1) -> None:
    """Two images in each step, one of them without any labelled pixel; a real model."""
    settings = {"steps": 3, "batch_size": batch_size, "learning_rate": 1e-3, "average_over": "valid"}
    config = tiny_run(Path(out), {**NO_CHANCE, "head": head, **model}, **settings)
    segmenter = tiny_segmenter(config)
    run(segmenter, Images(noise(2), [bars(0, 1, 2), bars(0, void_columns=64)]), config)
    torch.save(segmenter.state_dict(), f"{out} weights {own_rank()}.pt")


class HalfKnown(TinyData):
    """Validation images of which the second half (odd numbers: those of process 1) cannot be right."""

    def read(self, index: int) -> Any:
        """Image and labels."""
        sample = super().read(index)
        if index % 2:
            sample.labels[:] = (sample.labels + 1) % 3
        return sample


def train_with_half_known(out: str) -> None:
    """A run that stops early."""
    torch.manual_seed(0)
    config = tiny_config(Path(out), steps=40, validate_every=4, early_stopping=1, learning_rate=3e-2)
    result = run_training(SlowModel(), TinyTrainingSet(TinyData(10)), HalfKnown(4), config)
    assert result is not None
    figures = [result.steps, result.best_mIoU, result.best_step, result.scores]
    Path(f"{out} result {own_rank()}.json").write_text(json.dumps(figures))


class Troubled(SlowModel):
    """Its loss is not finite at the fourth pass of process 1."""

    def loss(
        self, images: torch.Tensor, labels: torch.Tensor, divisor: float | None = None
    ) -> dict[str, torch.Tensor]:
        """One forward pass."""
        losses = super().loss(images, labels, divisor)
        if processes.rank() == 1 and int(self.passes) == 4:
            losses["loss"] = losses["loss"] * float("nan")
        return losses


class BadMask(TinyTrainingSet):
    """Process 1 meets a mask that cannot be used."""

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        if processes.rank() == 1 and key[0] == 1:
            raise InputError("masks/7.png: value 77, expected 0..2")
        return super().__getitem__(key)


def train_until_trouble(out: str, trouble: str) -> None:
    """A run that one process cannot go on with."""
    torch.manual_seed(0)
    model, source = SlowModel(), TinyTrainingSet(TinyData(10))
    if trouble == "loss":
        model = Troubled()
    else:
        source = BadMask(TinyData(10))
    run_training(model, source, None, tiny_config(Path(out), steps=20, checkpoint_every=2))


class Noting(TinyModel):
    """Keeps the weights it begins with and which channels are dropped in every pass."""

    def __init__(self) -> None:
        super().__init__(dropout=0.5)
        self.noted: list[list[float]] = []
        self.dropout.register_forward_hook(self._note)

    def _note(self, module: Any, inputs: Any, output: torch.Tensor) -> None:
        self.noted.append((output.flatten(2).abs().sum(2) == 0).float().flatten().tolist())

    def loss(
        self, images: torch.Tensor, labels: torch.Tensor, divisor: float | None = None
    ) -> dict[str, torch.Tensor]:
        """One forward pass."""
        if not self.noted:
            self.noted.append([float(value) for value in self.backbone.weight.detach().flatten()[:20]])
        return super().loss(images, labels, divisor)


def train_and_note(out: str, batch_size: int = 2) -> None:
    """A run that tells what it drew."""
    torch.manual_seed(int(own_rank()))  # even where processes begin differently, they train the same weights
    model, source = Noting(), NumberedSet(TinyData(8))
    config = tiny_config(Path(out), steps=4, batch_size=batch_size)
    run_training(model, source, None, config, console=quiet_console())
    told = {"noted": model.noted, "seen": model.seen}
    Path(f"{out} noted {own_rank()}.json").write_text(json.dumps(told))


def fixed_points(sets: int, points: int, like: torch.Tensor) -> torch.Tensor:
    """The same points for every mask, in whatever batch it comes."""
    return torch.rand(1, points, 2, generator=torch.Generator().manual_seed(5)).to(like).expand(sets, -1, -1)


def train_masks_alone(out: str, batch_size: int, accumulate: int = 1, head: str = "mask2former") -> None:
    """One step on an image with one class and one with five; of Mask2Former mask and Dice loss alone."""
    settings = {"batch_size": batch_size, "accumulate": accumulate, "average_over": "valid", "steps": 1}
    config = tiny_run(Path(out), {**NO_CHANCE, "head": head}, **settings)
    model = tiny_segmenter(config, 5)
    if head == "mask2former":
        criterion = model.head.criterion
        criterion.draw = fixed_points
        criterion.settings = dataclasses.replace(criterion.settings, class_weight=0.0, points=256)
    labels = [bars(3, void_columns=40), bars(0, 1, 2, 3, 4)]
    run(model, Images(noise(2), labels, classes=5), config)


def train_in_a_new_folder(folder: str) -> None:
    """A run without a named folder; process 1 comes late."""
    os.chdir(folder)
    if own_rank() == "1":
        time.sleep(2)
    train_slowly(None, steps=2, validation=2, validate_every=1)
