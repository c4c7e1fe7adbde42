"""A frozen ViT and one linear layer: what its features give by themselves."""

from pathlib import Path

import torch
from torch import Tensor, nn

from vit_adapter.backbones import ViTPyramid
from vit_adapter.backbones.vit import tokens_to_map
from vit_adapter.config import ClassTable, InferenceConfig, ModelConfig
from vit_adapter.segmenter import Segmenter


class LastTokens(ViTPyramid):
    """The last block's tokens as the only map, normalised over batch and place (DINOv2's linear protocol)."""

    def forward(self, images: Tensor) -> list[Tensor]:
        """[B, D, H/16, W/16] alone."""
        with torch.no_grad():
            prefix, grid, size = self.wrapper.embed(images)
            prefix, grid = self.wrapper.run(0, self.wrapper.depth - 1, prefix, grid, size)
        return [self.norms[0](tokens_to_map(grid, size))]


class Linear(nn.Module):
    """One linear layer on every token.

    Args:
        channels: Width of the tokens.
        num_classes: Number of scores.
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.classifier = nn.Conv2d(channels, num_classes, 1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Scores [B, K, H/16, W/16]."""
        return self.classifier(maps[0])


def linear_segmenter(config: ModelConfig, classes: ClassTable, protocol: InferenceConfig) -> Segmenter:
    """The ViT of a configuration with the linear layer on it."""
    backbone = LastTokens(config.vit, frozen="vit")
    backbone.norms[1:].requires_grad_(False)  # of maps that are not made
    head = Linear(backbone.channels[0], len(classes))
    model = Segmenter(backbone, head, classes=classes, protocol=protocol)
    # It is measured as it stands at the end.
    model.save_pretrained = lambda folder, **_: Path(folder).mkdir(parents=True)  # pyright: ignore
    return model
