"""Checkpoints to resume from: the newest, and the one before it."""

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vit_adapter.config import InputError
from vit_adapter.config.files import atomic_path

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"
VERSION = 1


class CheckpointFolder:
    """``last.ckpt`` and ``previous.ckpt`` of a run.

    A new checkpoint is complete on the disk before it gets its name, and the one before is kept: whatever
    moment a run is killed at, one of them can be loaded (S48).

    Args:
        folder: The run's folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._last_is_good = False  # an unread file must not push out the previous one

    @property
    def last(self) -> Path:
        """Where the newest one is."""
        return self.folder / LAST

    def save(self, checkpoint: dict[str, Any]) -> Path:
        """Write a checkpoint; the newest so far becomes the previous one.

        Raises:
            InputError: It cannot be written (disk full ...); older ones stay as they were.
        """
        with atomic_path(self.last) as temporary:
            torch.save(checkpoint, temporary)
            if self._last_is_good and self.last.exists():
                os.replace(self.last, self.folder / PREVIOUS)
        self._last_is_good = True
        return self.last

    def load(self) -> tuple[dict[str, Any], str | None]:
        """The newest checkpoint that can be read.

        Returns:
            The checkpoint, and a line to show if it is not the newest one.

        Raises:
            InputError: There is none.
        """
        problems = []
        for path in (self.last, self.folder / PREVIOUS):
            if not path.exists():
                continue
            try:
                checkpoint = read_checkpoint(path)
            except InputError as error:
                problems.append(str(error))
                continue
            self._last_is_good = path == self.last
            note = f"{problems[0]}; continuing from {path} (step {checkpoint['step']})" if problems else None
            return checkpoint, note
        if problems:
            raise InputError("; ".join(problems) + "; there is no other checkpoint to continue from")
        raise InputError(
            f"{self.last}: no checkpoint to resume from; expected the folder of an interrupted run"
        )


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read one file, tensors and plain values only.

    Raises:
        InputError: It is cut short, damaged, or no checkpoint of a run.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        size = path.stat().st_size if path.exists() else 0
        raise InputError(f"{path}: cut short or damaged ({size} bytes): {_first_line(error)}") from error
    if not isinstance(checkpoint, dict) or "step" not in checkpoint or "optimizer" not in checkpoint:
        raise InputError(f"{path}: no checkpoint of a training run, expected one written by this program")
    if checkpoint.get("version") != VERSION:
        raise InputError(f"{path}: checkpoint version {checkpoint.get('version')}, expected {VERSION}")
    return checkpoint


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]


def named_parameters_of(optimizer: torch.optim.Optimizer) -> list[tuple[str, nn.Parameter]]:
    """Our name and the parameter, of everything an optimiser trains."""
    return [
        (name, parameter)
        for group in optimizer.param_groups
        for name, parameter in zip(group["names"], group["params"], strict=True)
    ]


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, dict[str, Tensor]]:
    """State of every parameter under its name, never under a number (S49)."""
    return {
        name: dict(optimizer.state[parameter])
        for name, parameter in named_parameters_of(optimizer)
        if parameter in optimizer.state
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, states: dict[str, dict[str, Tensor]]) -> None:
    """Put ``optimizer_state`` back, moments beside their parameter, the step counter where it was."""
    for name, parameter in named_parameters_of(optimizer):
        if name not in states:
            continue  # it never had a gradient
        optimizer.state[parameter] = {
            key: value.clone() if value.ndim == 0 else value.to(parameter.device, copy=True)
            for key, value in states[name].items()
        }
