"""Images of other than three channels: where the number comes from, and what weights become."""

import numpy as np
import pytest
import torch

from vit_adapter import Segmenter, ViTAdapter
from vit_adapter.api.fine_tuning import start_from
from vit_adapter.config import Protocol
from vit_adapter.weights.channels import convert_channels

from .making import TINY

HEADING = "Channels other than three"
TITLES = {
    166: "Half-precision weights for another number of channels",
    167: "Starting from an RGB model for images of other channels",
}
PATCHES = "patch_embed.proj.weight"


def backbone(channels: int = 3, **settings) -> ViTAdapter:
    """A tiny adapter for images of so many channels."""
    return ViTAdapter("vit_tiny_patch16_224", img_size=64, vit_options=TINY, in_chans=channels, **settings)


def model_of(channels: int, seed: int) -> Segmenter:
    """A tiny model with random weights."""
    torch.manual_seed(seed)
    return Segmenter(
        backbone(channels), "fcn", 3, head_channels=16, protocol=Protocol(crop=64, stride=42)
    ).eval()


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("channels", [1, 5])
def test_s166_half_precision_weights(kind, channels, tmp_path):
    """A first convolution is converted in float32, so that a sum of half-precision channels is not rounded."""
    vit = {name: value.to(kind) for name, value in backbone().vit.state_dict().items()}
    rounded = vit[PATCHES].double()
    torch.save(vit, tmp_path / "vit.pth")
    loaded = backbone(channels, pretrained=str(tmp_path / "vit.pth")).vit.state_dict()[PATCHES].double()
    wanted = rounded.sum(1, keepdim=True) if channels == 1 else rounded[:, [0, 1, 2, 0, 1]] * (3 / 5)
    torch.testing.assert_close(loaded, wanted, rtol=1e-6, atol=1e-9)


def test_s166_patches_resampled_from_half_precision(tmp_path):
    """So is a patch embedding of another size."""
    own = backbone().vit.state_dict()
    vit = {**own, PATCHES: torch.randn(24, 3, 14, 14)}
    halves = {name: value.half() for name, value in vit.items()}
    kernels = []
    for name, state in (("half", halves), ("full", {key: value.float() for key, value in halves.items()})):
        torch.save(state, tmp_path / f"{name}.pth")
        model = ViTAdapter(
            "vit_tiny_patch16_224",
            img_size=64,
            vit_options={**TINY, "patch_size": 14},
            pretrained=str(tmp_path / f"{name}.pth"),
        )
        kernels.append(model.vit.state_dict()[PATCHES])
    assert kernels[0].shape[-1] == 16
    torch.testing.assert_close(*kernels, rtol=0, atol=0)


@pytest.mark.parametrize("channels", [1, 4])
def test_s167_init_for_other_channels(channels, tmp_path):
    """`--init` converts first convolutions by the same code as `pretrained`, and says so; a grey image gives a
    one-channel model what its three equal channels give the RGB model."""
    old = model_of(3, seed=1)
    old.save_pretrained(tmp_path / "old")
    new = model_of(channels, seed=2)
    told = start_from(new, str(tmp_path / "old"))
    assert f"first convolutions converted from 3 to {channels} channels" in told
    for name in ("vit.patch_embed.proj.weight", "spatial_prior.stem.0.weight"):
        before, after = old.backbone.state_dict()[name], new.backbone.state_dict()[name]
        torch.testing.assert_close(after, convert_channels(before, channels))
    if channels > 1:
        return
    grey = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for before, after in zip(old.backbone(grey.expand(-1, 3, -1, -1)), new.backbone(grey), strict=True):
            torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4)


def test_s167_init_of_unknown_channels_stays_new(tmp_path):
    """Five bands say nothing about four: such first convolutions start anew, and are named."""
    model_of(5, seed=1).save_pretrained(tmp_path / "old")
    new = model_of(4, seed=2)
    before = new.backbone.state_dict()["spatial_prior.stem.0.weight"].clone()
    told = start_from(new, str(tmp_path / "old"))
    assert "converted" not in told
    assert "backbone.spatial_prior.stem.0.weight" in told
    np.testing.assert_array_equal(new.backbone.state_dict()["spatial_prior.stem.0.weight"], before)
