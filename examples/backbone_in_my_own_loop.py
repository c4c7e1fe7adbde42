"""The backbone alone, in a model, a loss and a training loop of your own.

python examples/backbone_in_my_own_loop.py

A pyramid of feature maps goes into two convolutions that say for every pixel how far it is from the nearest car or
person: no task of this library. Nothing but torch and the backbone is used.
"""

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt
from torch import Tensor, nn

from vit_adapter import ViTAdapter
from vit_adapter.data.scenes import SCENE_CLASSES, render_scene

SIDE, FARTHEST = 64, 24.0
THINGS = [index for index, entry in enumerate(SCENE_CLASSES) if entry.is_thing]


class DistanceModel(nn.Module):
    """Images [B, 3, H, W] to distances [B, H, W] in 0..1; sides are multiples of 32."""

    def __init__(self, backbone: ViTAdapter, width: int = 32) -> None:
        super().__init__()
        self.backbone = backbone
        self.narrow = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in backbone.channels)
        self.output = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        pyramid = self.backbone(images)  # four maps, at strides 4, 8, 16 and 32
        size = pyramid[0].shape[-2:]
        narrow = [layer(level) for layer, level in zip(self.narrow, pyramid)]
        merged = sum(F.interpolate(level, size, mode="bilinear") for level in narrow)
        return F.interpolate(self.output(F.relu(merged)), images.shape[-2:], mode="bilinear")[:, 0].sigmoid()


def batch(first: int, count: int, split: str) -> tuple[Tensor, Tensor]:
    """Images, normalised, and the distance of every pixel from the nearest thing: 0 on it, 1 from 24 pixels on."""
    scenes = [render_scene(index, size=(SIDE, SIDE), split=split) for index in range(first, first + count)]
    images = torch.from_numpy(np.stack([scene.image for scene in scenes])).permute(0, 3, 1, 2).float()
    away = [~np.isin(scene.labels, THINGS) for scene in scenes]
    distances = [
        distance_transform_edt(mask) if not mask.all() else np.full(mask.shape, FARTHEST) for mask in away
    ]
    return images / 127.5 - 1, torch.from_numpy(np.stack(distances)).float().clamp(max=FARTHEST) / FARTHEST


def main() -> None:
    """Trains for a few seconds and measures on scenes that were not trained on."""
    torch.manual_seed(0)
    # Small and from random weights; yours: ViTAdapter("vit_small_patch14_dinov2", pretrained=True, frozen="vit")
    backbone = ViTAdapter("vit_tiny_patch16_224", options={"depth": 4, "embed_dim": 96}, img_size=SIDE)
    model = DistanceModel(backbone)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    images, truth = batch(0, 16, "val")

    def error() -> float:
        model.eval()
        with torch.no_grad():
            return FARTHEST * F.l1_loss(model(images), truth).item()

    print(f"before: {error():.1f} pixels off on average")
    for step in range(60):
        model.train()
        inputs, targets = batch(8 * step, 8, "train")
        loss = F.l1_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 20 == 19:
            print(f"step {step + 1}: {error():.1f} pixels")
    torch.save(model.state_dict(), "distance_model.pt")


if __name__ == "__main__":
    main()
