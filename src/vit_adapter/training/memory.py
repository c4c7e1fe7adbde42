"""How much memory a step of a run needs, counted without taking it: every tensor of a forward and backward pass.

The passes run on tensors that have a shape and no storage, and every storage that an operator makes is counted while
something holds it: what autograd saves, what is recomputed, gradients as they appear, and the largest moment of it all.
What operators take inside themselves is not seen, nor what an allocator keeps in reserve.
"""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vit_adapter.config import ClassTable, ModelConfig, TrainingConfig
from vit_adapter.config.backbone import COARSEST_STRIDE
from vit_adapter.segmenter import Segmenter

PRECISIONS = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.bfloat16}
"""Types of the passes under autocast; both are two bytes wide, and the CPU, on which is counted, has the first."""


@dataclass(frozen=True)
class StepMemory:
    """Bytes that a training step needs on one device.

    Attributes:
        weights: Weights and buffers, twice with an averaged model.
        optimizer: AdamW's two averages.
        passes: Largest moment of forward and backward pass: activations, gradients and what is made on the way.
        activations: Of it what is held between the two passes.
        images: Images in a pass.
        crop: (height, width) of an image in pixels.
    """

    weights: int
    optimizer: int
    passes: int
    activations: int
    images: int
    crop: tuple[int, int]

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.optimizer + self.passes

    def words(self) -> str:
        """In a line."""
        height, width = self.crop
        return (
            f"about {gigabytes(self.total)} for {self.images} image{'s' * (self.images != 1)} of {width}x{height} in a "
            f"pass: weights {gigabytes(self.weights)}, optimiser {gigabytes(self.optimizer)}, passes "
            f"{gigabytes(self.passes)} (kept between them {gigabytes(self.activations)})"
        )


def gigabytes(size: int) -> str:
    """``1.2 GB``."""
    return f"{size / 1e9:.1f} GB" if size >= 95_000_000 else f"{size / 1e9:.2f} GB"


def step_memory(model: ModelConfig, classes: ClassTable, training: TrainingConfig, crop: int) -> StepMemory:
    """Counts a training step.

    Args:
        model: What is trained; its weights are not read.
        classes: Of the data.
        training: ``batch_size``, ``accumulate``, ``precision`` and ``ema_decay`` count.
        crop: Side of a training image in pixels; it is padded to a multiple of 32.

    Raises:
        InputError: The settings do not fit each other, or the head has no loss that could be counted.
    """
    with torch.device("meta"):
        built = Segmenter.from_config(model.with_pretrained(False), classes).train()
    built.configure_loss(training)
    weights = sum(tensor.nbytes for tensor in (*built.parameters(), *built.buffers()))
    trained = sum(parameter.nbytes for parameter in built.parameters() if parameter.requires_grad)
    side = -(-crop // COARSEST_STRIDE) * COARSEST_STRIDE
    with without_storage(built):
        passes, activations = _passes(built, training, side)
    copies = 1 if training.ema_decay is None else 2
    return StepMemory(weights * copies, 2 * trained, passes, activations, training.batch_size, (side, side))


def _passes(model: Segmenter, training: TrainingConfig, side: int) -> tuple[int, int]:
    """Largest moment of both passes, and what is held between them."""
    images = torch.empty(training.batch_size, model.backbone.in_chans, side, side)  # pyright: ignore
    held = LiveBytes()
    half = PRECISIONS.get(training.precision)
    with held:
        if training.accumulate > 1:  # gradients of the passes before are there
            for parameter in model.parameters():
                parameter.grad = torch.empty_like(parameter) if parameter.requires_grad else None
        before = held.now
        with torch.autocast("cpu", half, enabled=half is not None):
            loss = model.stand_in_loss(images)
        activations = held.now - before
        loss.backward()
    return held.peak, activations


class LiveBytes(TorchDispatchMode):
    """Counts the storages that operators make, for as long as something holds them.

    Attributes:
        now: Bytes held now.
        peak: Largest value of it so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs an operator and counts what it returns."""
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._free, key, size)

    def _free(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


@contextmanager
def without_storage(model: nn.Module) -> Iterator[None]:
    """Inside, tensors of the CPU are made without memory; a model from the meta device gets such ones."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        for module in model.modules():
            for name, parameter in list(module._parameters.items()):
                if parameter is not None:
                    fresh = torch.empty(parameter.shape, dtype=parameter.dtype)
                    module._parameters[name] = nn.Parameter(fresh, parameter.requires_grad)
            for name, buffer in list(module._buffers.items()):
                if buffer is not None:
                    module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype)
        yield
