"""Batches of a step, prepared by worker processes."""

import os
import signal
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from vit_adapter.annotations import InstanceTensors
from vit_adapter.config import InputError
from vit_adapter.data.training_set import TrainingSample

from .folder_lock import release_folders
from .sampler import Key, StepSampler

NO_SHARED_MEMORY = "no shared memory"
"""Key of the batch that a worker sends in place of one that it could not share."""

PREFETCHED = 2
"""Steps that each worker prepares ahead."""

MicroBatch = dict[str, Any]
"""One forward pass: "image" float32 [B, C, H, W], "labels" int64 [B, H, W], "names" of the B images, "replaced":
name and reason of those that could not be decoded. Where the task needs objects also "instances", a list of B
``InstanceTensors`` at the size H×W. Where images differ in size also "frames", of each (height, width) without and with
its own padding; the rest of the batch's size is padding, too."""


class ImageSource(Protocol):
    """What ``data.TrainingSet`` offers."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: Key, /) -> TrainingSample: ...


class _Guarded(Dataset[Any]):
    """Passes errors meant for the user on as data: all processes of a run must stop together (S52).

    Args:
        source: The training set.
        reading: Shared with workers: for each of them its process id, and the number of the image that it is reading
            plus 1, or 0.
    """

    def __init__(self, source: ImageSource, reading: Any = None) -> None:
        self.source, self.reading = source, reading

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, key: Key) -> Mapping[str, Any]:
        worker = get_worker_info()
        if worker is None or self.reading is None:
            return self._read(key)
        slots = slice(2 * worker.id, 2 * worker.id + 2)
        self.reading[slots] = [os.getpid(), key[1] + 1]
        sample = self._read(key)
        self.reading[slots] = [os.getpid(), 0]
        return sample

    def _read(self, key: Key) -> Mapping[str, Any]:
        try:
            return self.source[key]
        except InputError as error:
            return {"error": str(error)}
        except MemoryError:
            name = name_of(self.source, key[1])
            return {"error": f"out of main memory while {name} was read; fewer data.workers need less"}


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
            frames = [sample["frame"] for sample in batch if "frame" in sample]
            objects = [sample["instances"] for sample in batch if "instances" in sample]
            if frames:
                size = _largest([padded for _, padded in frames])
                images = [_padded(image, size, 0) for image in images]
                labels = [_padded(image, size, batch[0]["ignore_index"]) for image in labels]
                objects = [_with_masks_of(one, size) for one in objects]
            forward_pass: MicroBatch = {
                "image": torch.stack(images),
                "labels": torch.stack(labels),
                "names": names,
                "replaced": replaced,
            }
            if objects:
                forward_pass["instances"] = _side_by_side(objects)
            if frames:
                forward_pass["frames"] = frames
            batches.append(forward_pass)
        return batches if get_worker_info() is None else _shared(batches)


def _largest(sizes: list[tuple[int, int]]) -> tuple[int, int]:
    return max(height for height, _ in sizes), max(width for _, width in sizes)


def _padded(maps: Tensor, size: tuple[int, int], value: float) -> Tensor:
    """[..., h, w] with a value at the right and the bottom, at a size."""
    return F.pad(maps, (0, size[1] - maps.shape[-1], 0, size[0] - maps.shape[-2]), value=value)


def _with_masks_of(objects: InstanceTensors, size: tuple[int, int]) -> InstanceTensors:
    return objects if objects.masks is None else objects._replace(masks=_padded(objects.masks, size, 0))


def _side_by_side(images: list[InstanceTensors]) -> list[InstanceTensors]:
    """The same objects as views of one tensor for each field: what workers pass on takes few files."""
    counts = [len(image.classes) for image in images]
    fields = zip(*images, strict=True)
    split = [[None] * len(images) if parts[0] is None else torch.cat(parts).split(counts) for parts in fields]
    return [InstanceTensors(*parts) for parts in zip(*split, strict=True)]


def truth_of(micro_batch: MicroBatch) -> dict[str, Any]:
    """What the images of a forward pass show, by the arguments of ``Segmenter.loss`` and ``count``."""
    arguments = {"labels": "labels", "instances": "objects", "frames": "frames"}
    return {name: micro_batch[key] for key, name in arguments.items() if key in micro_batch}


def tensors_of(thing: Any) -> Iterator[Tensor]:
    """Every tensor of a sample or a forward pass, those of objects included."""
    if isinstance(thing, Tensor):
        yield thing
    elif isinstance(thing, (dict, list, tuple)):
        for part in thing.values() if isinstance(thing, dict) else thing:
            yield from tensors_of(part)


def _shared(batches: list[MicroBatch]) -> list[MicroBatch]:
    """The same in shared memory, or word that there is no room.

    The queue would share them itself, in a thread whose errors go unnoticed.
    """
    try:
        for batch in batches:
            for tensor in tensors_of(batch):
                tensor.share_memory_()
    except (RuntimeError, OSError) as error:
        return [
            {
                NO_SHARED_MEMORY: f"a batch does not fit into shared memory ({str(error).splitlines()[0][:160]})"
            }
        ]
    return batches


def make_loader(
    source: ImageSource,
    sampler: StepSampler,
    workers: int,
    pin: bool = False,
    timeout: float = 0,
    reading: Any = None,
) -> DataLoader:
    """A loader whose elements are lists of the ``accumulate`` forward passes of one step.

    What it yields does not depend on ``workers``: every sample draws from a generator of its own key.

    Args:
        source: The training set.
        sampler: Steps to read.
        workers: Worker processes, 0: none; no more than there are processors (PyTorch warns of more).
        pin: Page-locked memory, for CUDA.
        timeout: Seconds after which waiting for a batch raises RuntimeError and may be tried again; 0: never.
        reading: Array of two 64-bit numbers a worker, in which workers note what they read.
    """
    workers = usable_workers(workers)
    return DataLoader(
        _Guarded(source, reading),
        batch_sampler=sampler,
        num_workers=workers,
        prefetch_factor=PREFETCHED if workers else None,
        timeout=timeout,
        collate_fn=_Collate(sampler.batch_size),
        pin_memory=pin,
        worker_init_fn=_begin_worker,
    )


def usable_workers(workers: int) -> int:
    """As many as are wanted, but no more than there are processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return min(workers, len(affinity(0)) if affinity is not None else os.cpu_count() or 1)


def name_of(source: Any, index: int) -> str:
    """Name of an image of a training set."""
    names = getattr(getattr(source, "dataset", None), "names", None)
    return f"image number {index}" if names is None else str(names[index])


def _begin_worker(worker: int) -> None:
    """Ctrl-C and a scheduler's signal reach workers too; the main process finishes its step and ends them."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    release_folders()
