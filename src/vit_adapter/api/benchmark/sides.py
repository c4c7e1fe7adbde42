"""What runs on each side of a row: the same weights, another way of computing."""

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import timm
import torch
from torch import Tensor, nn

from vit_adapter.config import InferenceConfig
from vit_adapter.ops import forms
from vit_adapter.segmenter import Segmenter
from vit_adapter.zoo import get_recipe

from ..models import build
from .peers import PEERS, apply_peer, make_peer
from .rows import REFERENCE, VIT_ALONE, Row


@dataclass
class Side:
    """One way of doing a row's work.

    Attributes:
        run: Does it once; gives scores or labels where there are some, to be compared.
        model: What runs.
        dtype: Type of the weights, or what autocast computes in.
    """

    run: Callable[[], Tensor | None]
    model: nn.Module
    dtype: str

    def __call__(self) -> Tensor | None:
        """Does the work once and waits for the device."""
        output = self.run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return output


def make_sides(row: Row, device: torch.device) -> dict[str, Side]:
    """Every side of a row by its name, on one set of random weights."""
    torch.manual_seed(0)
    model = build(row.recipe).to(device)
    return {name: make_side(row, name, model) for name in row.sides}


def make_side(row: Row, name: str, model: Segmenter) -> Side:
    """One side; ``model`` is not changed but by training."""
    device = model.device
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(row.batch, 3, row.size, row.size, generator=generator).to(device)
    if name == VIT_ALONE:
        return _vit_alone(row, images)
    if name in PEERS:
        peer = make_peer(name, row.size).to(device)
        return Side(apply_peer(peer, images), peer, "float32")
    if row.work == "training":
        return _training(row, name, model, images)
    if name in ("optimized", "bfloat16"):
        model = copy.deepcopy(model).optimize(dtype="bfloat16" if name == "bfloat16" else None)
    # Counting arithmetic watches what has gradients, and fails at views of parameters that were made without.
    model.eval().requires_grad_(False)
    work = {"inference": _scores, "labels": _labels, "head": _head, "memory": _scores}[row.work]
    run = work(row, name, model, images)
    return Side(_forced(name, torch.no_grad()(run)), model, str(next(model.parameters()).dtype)[6:])


def _forced(name: str, run: Callable[[], Tensor | None]) -> Callable[[], Tensor | None]:
    def forced() -> Tensor | None:
        with forms(REFERENCE) if name == REFERENCE else nullcontext():
            return run()

    return forced


def _scores(row: Row, name: str, model: Segmenter, images: Tensor) -> Callable[[], Tensor]:
    return lambda: model(images)


def _labels(row: Row, name: str, model: Segmenter, images: Tensor) -> Callable[[], Tensor]:
    if name == REFERENCE:  # as published: full-size scores, then the largest
        return lambda: model(images).argmax(dim=1)
    pixels = np.random.default_rng(0).integers(0, 256, (row.size, row.size, 3), np.uint8)
    protocol = InferenceConfig(mode="whole", normalization=model.protocol.normalization)
    return lambda: torch.from_numpy(model.predict(pixels, protocol=protocol, task="semantic").labels)


def _head(row: Row, name: str, model: Segmenter, images: Tensor) -> Callable[[], Tensor]:
    sides = [row.size // stride for stride in (4, 8, 16, 32)]
    generator = torch.Generator().manual_seed(2)
    pyramid = [
        torch.randn(row.batch, width, side, side, generator=generator).to(images.device)
        for width, side in zip(getattr(model.backbone, "channels"), sides)  # noqa: B009 (any backbone)
    ]
    return lambda: model.head(pyramid)


def _training(row: Row, name: str, model: Segmenter, images: Tensor) -> Side:
    model = copy.deepcopy(model).to(memory_format=torch.channels_last).train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-6, fused=True)
    generator = torch.Generator().manual_seed(3)
    labels = torch.randint(0, model.num_classes, (row.batch, row.size, row.size), generator=generator)
    labels = labels.to(images.device)

    def step() -> None:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=name == "bfloat16"):
            loss = model.loss(images, labels)["loss"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return Side(_forced(name, step), model, "bfloat16 (autocast)" if name == "bfloat16" else "float32")


def _vit_alone(row: Row, images: Tensor) -> Side:
    config = get_recipe(row.recipe).config()
    vit = timm.create_model(config.model.vit.name, img_size=row.size, num_classes=0)
    vit.eval().to(images.device)

    def run() -> None:
        vit.forward_features(images)  # pyright: ignore

    return Side(torch.no_grad()(run), vit, "float32")


@contextmanager
def timed_parts(model: nn.Module, add: Callable[[str, float], None]) -> Iterator[None]:
    """Tells the seconds of ViT, backbone and whole model of the calls inside the block.

    Args:
        model: A segmenter; of other modules nothing is told.
        add: Called with "vit" or "backbone" and seconds.
    """

    def timed(part: str, function: Callable) -> Callable:
        def run(*args, **kwargs):
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                if torch.cuda.is_available():
                    torch.cuda.synchronize()
                add(part, time.perf_counter() - start)

        return run

    backbone = model.backbone if isinstance(model, Segmenter) else None
    wrapper = getattr(backbone, "wrapper", None)
    replaced = [
        (holder, name, part)
        for holder, name, part in (
            (wrapper, "embed", "vit"),
            (wrapper, "run", "vit"),
            (backbone, "forward", "backbone"),
        )
        if holder is not None
    ]
    for holder, name, part in replaced:
        object.__setattr__(holder, name, timed(part, getattr(holder, name)))
    try:
        yield
    finally:
        for holder, name, _ in replaced:
            object.__delattr__(holder, name)
