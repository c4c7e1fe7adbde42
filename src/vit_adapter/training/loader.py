"""Batches of a step, prepared by worker processes."""

import os
import signal
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vit_adapter.config import InputError

from .sampler import Key, StepSampler

MicroBatch = dict[str, Any]
"""One forward pass: "image" float32 [B, C, H, W], "labels" int64 [B, H, W], "names" of the B pictures, "replaced":
name and reason of those that could not be decoded."""


class PictureSource(Protocol):
    """What ``data.TrainingSet`` offers."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: Key) -> dict[str, Any]: ...


class _Guarded(Dataset[Any]):
    """Hands errors that are meant for people on as data: all processes of a run must stop together (S52)."""

    def __init__(self, source: PictureSource) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, key: Key) -> dict[str, Any]:
        try:
            return self.source[key]
        except InputError as error:
            return {"error": str(error)}


class _Collate:
    """Samples of a step to its forward passes; a class, so that worker processes can receive it."""

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size

    def __call__(self, samples: list[dict[str, Any]]) -> list[MicroBatch]:
        for sample in samples:
            if "error" in sample:
                return [sample]
        batches = []
        for start in range(0, len(samples), self.batch_size):
            batch = samples[start : start + self.batch_size]
            images: list[Tensor] = [sample["image"] for sample in batch]
            labels: list[Tensor] = [sample["labels"] for sample in batch]
            names = [sample["name"] for sample in batch]
            replaced = {sample["replaced"]: sample["reason"] for sample in batch if sample.get("replaced")}
            batches.append(
                {
                    "image": torch.stack(images),
                    "labels": torch.stack(labels),
                    "names": names,
                    "replaced": replaced,
                }
            )
        return batches


def make_loader(source: PictureSource, sampler: StepSampler, workers: int, pin: bool = False) -> DataLoader:
    """A loader whose elements are lists of the ``accumulate`` forward passes of one step.

    What it yields does not depend on ``workers``: every sample draws from a generator of its own key.

    Args:
        source: The training set.
        sampler: Steps to read.
        workers: Worker processes, 0: none; no more than there are processors (PyTorch warns of more).
        pin: Page-locked memory, for CUDA.
    """
    return DataLoader(
        _Guarded(source),
        batch_sampler=sampler,
        num_workers=min(workers, _processors()),
        collate_fn=_Collate(sampler.batch_size),
        pin_memory=pin,
        worker_init_fn=_ignore_stop_signals,
    )


def _processors() -> int:
    """Processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _ignore_stop_signals(worker: int) -> None:
    """Ctrl-C and a scheduler's signal reach workers too; the main process finishes its step and ends them."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
