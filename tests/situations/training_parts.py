"""Runs of small real models on the embedded scenes or on arrays, for situations of training."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Console

from tiny import SMALL_MASK2FORMER, changed, tiny_model
from vit_adapter import Segmenter
from vit_adapter.annotations import Annotation
from vit_adapter.config import (
    AugmentationConfig,
    ClassTable,
    DataConfig,
    EvaluationConfig,
    InferenceConfig,
    Normalization,
    RunConfig,
    TrainingConfig,
)
from vit_adapter.data.sample import Sample
from vit_adapter.heads import PixelHead, Targets
from vit_adapter.tasks import SEMANTIC, SemanticResult
from vit_adapter.training import run_training
from vit_adapter.training.checkpoints import read_checkpoint
from vit_adapter.training.metrics_table import read_table

SIDE = 64
TINY_MODEL = tiny_model()
NO_CHANCE = {"drop_path_rate": 0.0, "dropout": 0.0, "norm": "group"}
"""Model settings under which an image gives the same numbers in whatever batch it comes."""


def tiny_run(out: Path | None, model: dict[str, Any] | None = None, **training: Any) -> RunConfig:
    """Settings for a tiny real model on embedded scenes of 64 pixels."""
    settings: dict[str, Any] = {"steps": 3, "batch_size": 2, "quiet": True, "accelerator": "cpu"}
    return RunConfig(
        model=changed(TINY_MODEL, **{"mask2former": SMALL_MASK2FORMER, **(model or {})}),
        data=DataConfig(
            layout="scenes",
            scenes=(8, 2),
            scene_size=SIDE,
            workers=0,
            augmentation=AugmentationConfig(crop=SIDE),
        ),
        training=TrainingConfig(out=None if out is None else str(out), **(settings | training)),
        evaluation=EvaluationConfig(),
    )


def tiny_segmenter(config: RunConfig, classes: ClassTable | int = 3, seed: int = 0) -> Segmenter:
    """The model of a run, with random weights."""
    torch.manual_seed(seed)
    table = ClassTable.numbered(classes) if isinstance(classes, int) else classes
    return Segmenter.from_config(config.model, table, InferenceConfig(crop=SIDE, stride=SIDE))


class Images:
    """A data set of arrays: ``read`` for validation, indexed with (pass, index) for training, without any draw."""

    def __init__(
        self, images: Sequence[np.ndarray], labels: Sequence[np.ndarray], classes: int | ClassTable = 3
    ) -> None:
        self.images, self.labels = images, labels
        self.classes = ClassTable.numbered(classes) if isinstance(classes, int) else classes
        self.config = DataConfig()
        self.names = [f"image {index}" for index in range(len(images))]
        self.dataset, self.normalization = self, Normalization()
        self.keys_read: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: int) -> Any:
        """Image and labels as stored."""
        return Sample(self.images[index], Annotation(self.labels[index]), self.names[index])

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        self.keys_read.append(key)
        mean, std = (
            torch.tensor(part)[:, None, None] for part in (self.normalization.mean, self.normalization.std)
        )
        image = torch.from_numpy(self.images[key[1]].copy()).permute(2, 0, 1).float()
        return {
            "image": (image - mean) / std,
            "labels": torch.from_numpy(self.labels[key[1]].astype(np.int64)),
            "name": self.names[key[1]],
            "replaced": "",
            "reason": "",
        }


def noise(count: int, side: int = SIDE) -> list[np.ndarray]:
    """Images of noise."""
    return list(np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8))


def bars(*classes: int, side: int = SIDE, void_columns: int = 0) -> np.ndarray:
    """uint8 [side, side]: classes side by side, ignored pixels at the right."""
    labels = np.full((side, side), 255, np.uint8)
    edges = np.linspace(0, side - void_columns, len(classes) + 1).astype(int)
    for value, left, right in zip(classes, edges[:-1], edges[1:], strict=True):
        labels[:, left:right] = value
    return labels


def run(model: Any, source: Any, config: RunConfig, validation: Any | None = None, **settings: Any) -> str:
    """Trains, and returns what the run printed."""
    output = io.StringIO()
    run_training(model, source, validation, config, console=Console(file=output, width=200), **settings)
    return output.getvalue()


def rows(folder: Path) -> list[dict[str, str]]:
    """The table of a run."""
    return read_table(folder / "metrics.csv")[1]


def first_gradients(folder: Path) -> dict[str, torch.Tensor]:
    """Gradients of the only step of a run: AdamW's first average is a tenth of them."""
    optimizer = read_checkpoint(folder / "last.ckpt")["optimizer"]
    return {name: state["exp_avg"] * 10 for name, state in optimizer.items()}


def assert_gradients_agree(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    """Equal within 1e-5 of the largest."""
    largest = max(float(value.abs().max()) for value in first.values())
    assert first.keys() == second.keys()
    assert largest > 0
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-5, atol=1e-5 * largest, msg=name)


class _ConstantHead(PixelHead):
    """The same logits for every pixel, plus a bias that is learnt; sees nothing but the number of images."""

    def __init__(self, logits: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("logits", torch.tensor(logits))
        self.bias = torch.nn.Parameter(torch.zeros(len(logits)))

    def forward(self, pyramid: Sequence[torch.Tensor]) -> torch.Tensor:
        """[B, K, 1, 1]."""
        return (self.logits + self.bias)[None, :, None, None].expand(len(pyramid[0]), -1, 1, 1)  # pyright: ignore


class ConstantScores(torch.nn.Module):
    """In training the same logits everywhere, plus a bias that is learnt; predicts what an image's blue channel says.

    The interface is the Segmenter's.
    """

    model_config = None

    def __init__(self, logits: Sequence[float]) -> None:
        super().__init__()
        self.classes, self.task = ClassTable.numbered(len(logits)), SEMANTIC
        self.num_classes, self.class_names = len(logits), self.classes.names
        self.ignore_index = self.classes.ignore_index
        self.protocol = InferenceConfig(crop=SIDE, stride=SIDE)
        self.head = _ConstantHead(logits)
        self.training_facts: dict[str, Any] = {}

    @property
    def bias(self) -> torch.Tensor:
        """Of the head."""
        return self.head.bias

    def configure_loss(self, training: Any, class_weights: Any = None) -> None:
        """As a Segmenter's."""
        self.head.configure_loss(training, class_weights, self.ignore_index)

    def _targets(self, labels: torch.Tensor) -> Targets:
        return Targets(labels, self.ignore_index, (labels.shape[-2], labels.shape[-1]))

    def count(self, labels: torch.Tensor) -> float | None:
        """As a Segmenter's."""
        return self.head.count(self._targets(labels))

    def loss(
        self, images: torch.Tensor, labels: torch.Tensor, divisor: float | None = None
    ) -> dict[str, torch.Tensor]:
        """Of every pixel."""
        losses = self.head.loss([images], self._targets(labels), divisor)
        del losses["accuracy"]
        return {"loss": torch.stack(list(losses.values())).sum(), **losses}

    def predict(self, images: Any, **settings: Any) -> Any:
        """Labels from the blue channel."""
        if isinstance(images, list):
            return [self.predict(image) for image in images]
        return SemanticResult(labels=images[..., 2].copy(), class_names=self.class_names, image=images)

    def save_pretrained(self, folder: Path) -> None:
        """Nothing that anybody reads."""
        folder.mkdir()


def painted(labels: np.ndarray) -> np.ndarray:
    """An image for which ``ConstantScores`` predicts these labels."""
    return np.dstack([np.full_like(labels, 90), np.full_like(labels, 90), labels])


def save_part(
    root: Path,
    images: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    part: str = "",
    suffix: str = ".png",
) -> Path:
    """Images and masks as a folder; ``part``: "train" or "val" of one that is divided."""
    for number, arrays in enumerate(zip(images, labels, strict=True)):
        for kind, array in zip(("images", "masks"), arrays, strict=True):
            (root / kind / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(root / kind / part / f"{number}{suffix}")
    return root
