"""Small inputs that situations share, and the command line without a new process."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from tiny import SMALL_MASK2FORMER, TINY_FLAGS, changed, tiny_model
from tiny import TINY as TINY
from vit_adapter import Segmenter
from vit_adapter.cli.main import main
from vit_adapter.config import ClassTable, InferenceConfig
from vit_adapter.heads import PixelHead

_ANY_HEAD = [
    *TINY_FLAGS, "--data.augmentation.crop", "64", "--data.workers", "0", "--training.batch_size", "2",
    "--training.accelerator", "cpu", "--quiet",
]  # fmt: skip
TRAINING = [*_ANY_HEAD, "--model.head.auxiliary", "false"]
TRAINING_MASK2FORMER = [
    *_ANY_HEAD, "--model.head", "mask2former", "--model.head.queries", "7", "--model.head.channels", "32",
    "--model.head.heads", "4", "--model.head.encoder_layers", "1", "--model.head.decoder_layers", "3",
    "--model.head.encoder_feedforward", "48", "--model.head.decoder_feedforward", "64",
]  # fmt: skip
RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)


def command(capfd, *words) -> tuple[int, str, str]:
    """Exit code, standard output and error stream of ``vit-adapter WORDS``."""
    capfd.readouterr()
    code = main([str(word) for word in words])
    out, err = capfd.readouterr()
    return code, out, err


def refusal(capfd, *words) -> str:
    """The one line with which a command refuses its input with exit code 2."""
    code, _, err = command(capfd, *words)
    lines = err.strip().splitlines()
    assert code == 2, err
    assert len(lines) == 1, err
    return lines[0]


def found_errors(capfd, *words) -> str:
    """What ``vit-adapter data check`` prints over input that it finds wrong."""
    code, out, _ = command(capfd, "data", "check", *words, "--sheet", "")
    assert code == 2, out
    return out


def save_pairs(root: Path, masks: dict[str, np.ndarray], mask_suffix: str = ".png") -> Path:
    """A folder of noise images and their masks (arrays as Pillow takes them, or Pillow images)."""
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for seed, (name, mask) in enumerate(masks.items()):
        image = mask if isinstance(mask, Image.Image) else Image.fromarray(mask)
        noise = np.random.default_rng(seed).integers(0, 256, (image.height, image.width, 3), np.uint8)
        Image.fromarray(noise).save(root / "images" / f"{name}.png")
        image.save(root / "masks" / f"{name}{mask_suffix}")
    return root


def halves(left, right, height: int = 32, width: int = 32) -> np.ndarray:
    """uint8 [H, W] or [H, W, 3]: one value or colour at the left, another at the right."""
    array = np.empty((height, width, *np.shape(left)), np.uint8)
    array[:, : width // 2], array[:, width // 2 :] = left, right
    return array


def varied_model(
    head: str = "upernet", protocol: InferenceConfig | None = None, classes: int = 3
) -> Segmenter:
    """A tiny model with random weights whose labels differ from place to place."""
    torch.manual_seed(0)
    settings = changed(
        tiny_model(auxiliary=False), head=head, head_channels=16, mask2former=SMALL_MASK2FORMER
    )
    model = Segmenter.from_config(
        settings, ClassTable.numbered(classes), protocol or InferenceConfig(crop=64, stride=42)
    )
    with torch.no_grad():
        for parameter in model.head.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
        if head == "upernet":
            # Scores around 0 for all classes, so that none wins everywhere.
            images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2
            classifier: Any = model.eval().head.classifier
            classifier.weight.mul_(5)
            classifier.bias.zero_()
            classifier.bias.sub_(model(images).mean(dim=(0, 2, 3)))
    return model.eval()


class _Quarter(nn.Module):
    """An image at a quarter of its sides, as the only map of a pyramid."""

    channels, strides = (3,), (4,)

    def __init__(self, normalization) -> None:
        super().__init__()
        self.normalization = normalization
        self.place = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> list[Tensor]:
        return [nn.functional.avg_pool2d(images, 4)]


class _NearestColour(PixelHead):
    """Scores: minus the squared distance to the colour of each class, or class sums that fall with it."""

    def __init__(self, colours: Tensor, sums: bool) -> None:
        super().__init__()
        self.register_buffer("colours", colours)
        self.scores_are = "class_sums" if sums else "logits"  # pyright: ignore
        self.min_classes = 1 if sums else 2  # pyright: ignore

    def forward(self, pyramid: Sequence[Tensor]) -> Tensor:
        distance = pyramid[0][:, None] - self.colours[None, :, :, None, None]
        scores = -(distance**2).sum(2)  # [B, K, h, w]
        return scores.exp() if self.scores_are == "class_sums" else scores


def colour_model(
    colours: Sequence[tuple[int, int, int]],
    protocol: InferenceConfig | None = None,
    classes: ClassTable | None = None,
    sums: bool = False,
) -> Segmenter:
    """A stand-in that finds the class of a pixel by its colour; edges at multiples of 4 pixels are exact."""
    protocol = protocol or InferenceConfig(crop=64, stride=42)
    normal = protocol.normalization
    table = (torch.tensor(colours, dtype=torch.float32) - torch.tensor(normal.mean)) / torch.tensor(
        normal.std
    )
    classes = classes or ClassTable.numbered(len(colours))
    return Segmenter(_Quarter(normal), _NearestColour(table, sums), classes=classes, protocol=protocol).eval()
