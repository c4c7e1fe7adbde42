"""BEiT on windows of another size than its crop: the official code stops there, ours resamples the tables."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tiny import changed
from vit_adapter import Segmenter
from vit_adapter.backbones.vit.beit import resample_table

from .narrow import narrow

SIZES = [(40, 50), (64, 64), (30, 200), (150, 20)]
"""Smaller than the crop of 64 in both sides, equal, and in one of them."""

BEIT = [
    "upernet_beit_adapter_large_640_160k_ade20k",
    "mask2former_beit_adapter_large_896_80k_ade20k",
    "mask2former_beitv2_adapter_large_896_80k_ade20k",
    "mask2former_beit_adapter_large_896_80k_cityscapes",
    "upernet_beit_large_512_160k_ade20k",
]


def model_of(recipe, size: int | None = None) -> Segmenter:
    torch.manual_seed(0)
    config = changed(recipe.model, pretrained=False, img_size=size or recipe.model.vit.img_size)
    model = Segmenter.from_config(config, recipe.classes(), recipe.protocol)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "relative_position" in name or "gamma" in name:
                value.copy_(torch.randn_like(value))
    return model.eval()


@pytest.mark.parametrize("variant", ["protocol", "multi_scale"])
@pytest.mark.parametrize("name", BEIT)
@pytest.mark.slow
def test_images_of_any_size_by_the_published_protocols(name, variant):
    recipe = narrow(name)
    protocol = replace(
        getattr(recipe, variant), resize=None if variant == "protocol" else recipe.protocol.resize
    )
    model = model_of(recipe)
    grids: set[tuple[int, int]] = set()
    model.backbone.register_forward_pre_hook(lambda module, inputs: grids.add(tuple(inputs[0].shape[-2:])))
    for size in SIZES if variant == "protocol" else SIZES[:1]:
        image = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
        result = model.predict(image, protocol=protocol)
        assert result.labels.shape == size
        np.testing.assert_allclose(result.scores.sum(0), 1, rtol=1e-4)
    if variant == "protocol":
        assert any(side != 64 for grid in grids for side in grid), grids


def test_another_grid_is_the_model_with_resampled_tables():
    """A model made for 32 pixels, with the tables of that for 64 resampled, computes the same at 32."""
    recipe = narrow(BEIT[0])
    large, small = model_of(recipe), model_of(recipe, 32)
    state = large.state_dict()
    for name, value in state.items():
        if name.endswith("relative_position_bias_table"):
            state[name] = resample_table(value, (4, 4), (2, 2))
    small.load_state_dict(state)
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(large(images), small(images), rtol=1e-5, atol=1e-5)
        other = large(images)
        for name, value in large.named_parameters():
            if name.endswith("relative_position_bias_table"):
                value.zero_()
        assert (large(images) - other).abs().max() > 1e-3  # the tables matter


def test_the_training_size_uses_the_tables_as_they_are(monkeypatch):
    recipe = narrow(BEIT[0])
    model = model_of(recipe)

    def never(*arguments):
        raise AssertionError("resampled")

    monkeypatch.setattr("vit_adapter.backbones.vit.beit.resample_table", never)
    with torch.no_grad():
        model(torch.randn(1, 3, 64, 64))
        with pytest.raises(AssertionError, match="resampled"):
            model(torch.randn(1, 3, 32, 64))
