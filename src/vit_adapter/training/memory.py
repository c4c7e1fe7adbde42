"""How much memory a step of a run needs, counted without taking it: every tensor of a forward and backward pass.

The passes run on tensors that have a shape and no storage, and every storage that an operator makes is counted while
something holds it: what autograd saves, what is recomputed, gradients as they appear, and the largest moment of it all.
What operators take inside themselves is not seen, nor what an allocator keeps in reserve.
"""

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vit_adapter.backbones.backbone import PlainViTBackbone
from vit_adapter.config import ClassTable, ModelConfig, RunConfig, TrainingConfig
from vit_adapter.config.backbone import COARSEST_STRIDE
from vit_adapter.config.random_state import random_state_kept
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


def device_bytes(accelerator: str) -> int | None:
    """Memory of a device: of a GPU its own, of the CPU main memory, or what the system allows this process of it.

    Args:
        accelerator: "cpu", "cuda" ...

    Returns:
        Bytes; None where it cannot be found out.
    """
    if accelerator == "cuda" and torch.cuda.is_available():
        return torch.cuda.get_device_properties(0).total_memory
    if accelerator != "cpu":
        return None
    limits = []
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limits.append(int(Path(file).read_text()))
        except (OSError, ValueError):  # another system, or no limit ("max")
            continue
    with suppress(AttributeError, OSError, ValueError):  # Windows has no such call
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(limits, default=None)


def bound(model: Segmenter, training: TrainingConfig, crop: int) -> int | None:
    """Bytes that a step surely stays below, in an instant; several times what is counted. None for other backbones,
    and for detectors.

    Args:
        model: What is trained.
        training: Settings.
        crop: Side of a training image in pixels.
    """
    config = model.model_config
    if config is None or not isinstance(model.backbone, PlainViTBackbone):
        return None
    if "semantic" not in model.head.tasks:  # its loss follows from objects, which cannot be made up
        return None
    wrapper = model.backbone.wrapper
    per_pixel = (
        wrapper.depth * wrapper.dim / 4 + 12 * wrapper.dim + 12 * getattr(config.head, "channels", 256)
    )
    per_pixel += 8 * model.num_classes + 20 * getattr(config.head, "queries", 0)
    weights = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    return int(6 * weights + 4 * training.batch_size * (crop + COARSEST_STRIDE) ** 2 * per_pixel)


def memory_note(model: Segmenter, config: RunConfig, accelerator: str, processes: int = 1) -> str | None:
    """A warning that a run will hardly fit into its device; None where it fits, or where nothing can be said.

    Args:
        model: What is trained.
        config: All settings; the crop is known.
        accelerator: Kind of device.
        processes: Processes that share its memory: on the CPU all of this machine's.
    """
    available, crop = device_bytes(accelerator), config.data.augmentation.crop
    if available is None or crop is None or model.model_config is None:
        return None
    most = bound(model, config.training, crop)
    if most is None or processes * most <= available:
        return None
    needed = step_memory(model.model_config, model.classes, config.training, crop)
    if processes * needed.total <= available:
        return None
    return (
        f"memory: {'each of ' + str(processes) + ' processes needs ' if processes > 1 else ''}{needed.words()}; here "
        f"are {gigabytes(available)}, so the run will hardly fit. A smaller --training.batch_size (with "
        "--training.accumulate), a smaller --data.augmentation.crop, --model.vit.grad_checkpointing true, or "
        "--model.vit.frozen vit with --model.backbone.injectors false need less"
    )


def memory_words(model: Segmenter, config: RunConfig, accelerator: str) -> str | None:
    """What a step needs, for a dry run: counted where it may come near to what the device has, else its bound.

    Args:
        model: What would be trained; one on the meta device will do.
        config: All settings.
        accelerator: Kind of device.
    """
    available, crop = device_bytes(accelerator), config.data.augmentation.crop
    most = None if crop is None else bound(model, config.training, crop)
    if crop is None or most is None or model.model_config is None:
        return None
    if available is not None and 8 * most < available:
        return f"below {gigabytes(most)}, an eighth of what is here"
    return step_memory(model.model_config, model.classes, config.training, crop).words()


def gigabytes(size: int) -> str:
    """``1.2 GB``."""
    return f"{size / 1e9:.1f} GB" if size >= 95_000_000 else f"{size / 1e9:.2f} GB"


@random_state_kept()
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
