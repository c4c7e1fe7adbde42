"""A tiny model and tiny data for tests of the training loop."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from vit_adapter.annotations import Annotation
from vit_adapter.config import (
    ClassTable,
    DataConfig,
    FCNConfig,
    InferenceConfig,
    ModelConfig,
    RunConfig,
    TrainingConfig,
    ViTConfig,
)
from vit_adapter.config.files import write_atomically
from vit_adapter.data.sample import Sample
from vit_adapter.heads import PixelHead, Targets
from vit_adapter.tasks import SEMANTIC, SemanticResult

CLASSES = ClassTable(("left", "right", "top"), (0, 1, 2))
SIDE = 32


class TinyHead(PixelHead):
    """Class scores by one convolution."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        convolution = nn.Conv2d(channels, num_classes, 1)
        self.weight, self.bias = convolution.weight, convolution.bias

    def forward(self, pyramid: Sequence[torch.Tensor]) -> torch.Tensor:
        return nn.functional.conv2d(pyramid[0], self.weight, self.bias)


class TinyModel(nn.Module):
    """A few convolutions with batch norm, dropout and a name like a ViT's; the interface is the Segmenter's."""

    model_config = None  # made from modules, as far as anybody can tell

    def __init__(self, norm: str = "batch", dropout: float = 0.3, classes: ClassTable = CLASSES) -> None:
        super().__init__()
        self.classes, self.num_classes, self.class_names = classes, len(classes), classes.names
        self.ignore_index, self.task = classes.ignore_index, SEMANTIC
        self.backbone = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8) if norm == "batch" else nn.GroupNorm(2, 8)
        self.dropout = nn.Dropout2d(dropout)
        self.head = TinyHead(8, self.num_classes)
        self.unused = nn.Parameter(torch.ones(2))  # like a class token that is dropped
        self.protocol = InferenceConfig(crop=SIDE, stride=SIDE)
        self.register_buffer("passes", torch.zeros((), dtype=torch.int64))
        self.training_facts: dict[str, Any] = {}
        self.seen: list[list[float]] = []  # brightness of every image, forward pass after forward pass

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head([self.features(images)])

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return self.dropout(torch.relu(self.norm(self.backbone(images))))

    def configure_loss(self, training: TrainingConfig, class_weights: Any = None) -> None:
        self.head.configure_loss(training, class_weights, self.ignore_index)

    def count(self, labels: torch.Tensor) -> float | None:
        return self.head.count(self.targets(labels))

    def targets(self, labels: torch.Tensor) -> Targets:
        return Targets(labels, self.ignore_index, (labels.shape[-2], labels.shape[-1]))

    def loss(
        self, images: torch.Tensor, labels: torch.Tensor, divisor: float | None = None
    ) -> dict[str, torch.Tensor]:
        self.seen.append([round(value, 6) for value in images.mean((1, 2, 3)).tolist()])
        self.passes += 1
        losses = self.head.loss([self.features(images)], self.targets(labels), divisor)
        del losses["accuracy"]
        return {"loss": torch.stack(list(losses.values())).sum(), **losses}

    @torch.no_grad()
    def predict(self, image: Any, **options: Any) -> Any:
        if isinstance(image, list):
            return [self.predict(one) for one in image]
        scores = self(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255)
        labels = scores.argmax(1)[0].numpy().astype(np.uint8)
        return SemanticResult(labels=labels, class_names=self.class_names, image=image)

    def save_pretrained(self, folder: Path) -> None:
        state = {name: tensor.contiguous() for name, tensor in self.state_dict().items()}
        write_atomically(Path(folder) / "model.safetensors", lambda path: save_file(state, path))
        (Path(folder) / "config.json").write_text(json.dumps({"classes": list(self.class_names)}))


class TinyData:
    """Images whose pixels tell their class."""

    def __init__(self, count: int, void: bool = False) -> None:
        self.classes, self.config = CLASSES, DataConfig()
        self.names = [f"image {index}" for index in range(count)]
        self.void = void

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> Sample:
        generator = np.random.default_rng(index)
        labels = generator.integers(0, 3, (SIDE // 8, SIDE // 8)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
        image = np.eye(3, dtype=np.uint8)[labels] * 200 + generator.integers(0, 50, (SIDE, SIDE, 3), np.uint8)
        if self.void:
            labels[: 4 * (index % 5)] = 255
        return Sample(image, Annotation(labels), self.names[index])


class TinyTrainingSet:
    """Indexed with (epoch, index); the draw of each key shifts the brightness. ``log`` keeps what was read."""

    def __init__(self, dataset: TinyData, seed: int = 0, log: Path | None = None) -> None:
        self.dataset, self.seed, self.log = dataset, seed, log

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        sample = self.dataset.read(key[1])
        shift = np.random.default_rng([self.seed, *key]).normal() * 0.1
        image = torch.from_numpy(sample.image).permute(2, 0, 1).float() / 255 + float(shift)
        labels = torch.from_numpy(sample.labels.astype(np.int64))
        return {
            "image": image,
            "labels": labels,
            "name": f"{sample.name}@{key[0]}",
            "replaced": "",
            "reason": "",
        }


def tiny_config(out: Path | None, **training: Any) -> RunConfig:
    """Settings for the tiny model; ``workers`` is a data setting."""
    workers = training.pop("workers", 0)
    settings = {
        "steps": 12,
        "batch_size": 2,
        "learning_rate": 1e-2,
        "quiet": True,
        "accelerator": "cpu",
    } | training
    return RunConfig(
        model=ModelConfig(ViTConfig(name="tiny"), head=FCNConfig()),
        data=DataConfig(workers=workers),
        training=TrainingConfig(out=None if out is None else str(out), **settings),
    )
