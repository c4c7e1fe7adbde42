"""A real pretrained ViT (DINOv2 ViT-S/14): loaded completely, and driven block by block to timm's own tokens."""

import pytest
import timm
import torch
from safetensors.torch import load_file

from vit_adapter.backbones import ViTAdapter
from vit_adapter.backbones.vit import build_vit
from vit_adapter.config import ViTConfig

NAME = "vit_small_patch14_dinov2"


def test_loads_completely_and_says_what_was_resampled(weights_root):
    file = weights_root / "dinov2_vits14.safetensors"
    backbone = ViTAdapter(NAME, pretrained=str(file))
    report = backbone.load_report
    assert report.complete
    assert list(report.resampled) == ["patch_embed.proj.weight"]
    assert set(report.left_out) == {"norm.weight", "norm.bias"}
    assert not report.kept
    assert not report.new
    assert backbone.wrapper.grid == (37, 37)
    stored = load_file(file)
    torch.testing.assert_close(backbone.vit.pos_embed, stored["pos_embed"].float())
    torch.testing.assert_close(backbone.vit.blocks[5].ls1.gamma, stored["blocks.5.ls1.gamma"].float())


def test_the_final_norm_is_loaded_where_it_is_read(weights_root):
    file = weights_root / "dinov2_vits14.safetensors"
    backbone = ViTAdapter(NAME, pretrained=str(file), final_norm=True)
    assert backbone.load_report.complete
    assert not backbone.load_report.left_out
    torch.testing.assert_close(backbone.vit.norm.weight, load_file(file)["norm.weight"].float())


@pytest.mark.slow
def test_blocks_one_by_one_give_timms_tokens(weights_root):
    file = weights_root / "dinov2_vits14.safetensors"
    reference = timm.create_model(NAME, num_classes=0)
    reference.load_state_dict(load_file(file))
    wrapper = build_vit(ViTConfig(name=NAME, pretrained=str(file)), patch_size=None).wrapper
    reference.eval(), wrapper.vit.eval()
    images = torch.randn(1, 3, 518, 518, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        prefix, grid, size = wrapper.embed(images)
        assert size == (37, 37)
        for index in range(wrapper.depth):
            prefix, grid = wrapper.run(index, index, prefix, grid, size)
        tokens = reference.norm(torch.cat([prefix, grid], dim=1))
        expected = reference.forward_features(images)
    torch.testing.assert_close(tokens, expected, rtol=1e-4, atol=1e-4)
