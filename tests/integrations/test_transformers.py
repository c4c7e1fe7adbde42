"""Our backbone inside Hugging Face's models, against the real package."""

import pytest
import torch
from transformers import (
    AutoBackbone,
    Mask2FormerConfig,
    Mask2FormerForUniversalSegmentation,
    UperNetConfig,
    UperNetForSemanticSegmentation,
)

from tiny import TINY, TINY_VIT
from vit_adapter import InputError, ViTAdapter, ViTPyramid
from vit_adapter.integrations.transformers import ViTAdapterBackbone, ViTAdapterBackboneConfig

VIT = {"name": TINY_VIT, "options": TINY, "img_size": 64}


def test_feature_maps_are_those_of_the_backbone():
    backbone = ViTAdapter(TINY_VIT, options=TINY, img_size=64).eval()
    images = torch.randn(2, 3, 64, 96)
    wrapped = ViTAdapterBackbone.of(backbone)
    for ours, theirs in zip(backbone(images), wrapped(images).feature_maps, strict=True):
        assert torch.equal(ours, theirs)
    assert wrapped.channels == [24] * 4


def test_maps_can_be_picked():
    config = ViTAdapterBackboneConfig(vit=VIT, out_features=["stride8", "stride32"])
    made = AutoBackbone.from_config(config).eval()
    assert [tuple(m.shape) for m in made(torch.randn(1, 3, 64, 64)).feature_maps] == [
        (1, 24, 8, 8),
        (1, 24, 2, 2),
    ]
    assert made.channels == [24, 24]


def test_upernet_trains_is_saved_and_loaded(tmp_path):
    config = UperNetConfig(
        backbone_config=ViTAdapterBackboneConfig(vit=VIT, adapter={"injectors": False}),
        hidden_size=16,
        num_labels=3,
        auxiliary_in_channels=24,
        auxiliary_channels=8,
    )
    model = UperNetForSemanticSegmentation(config)
    images, labels = torch.randn(2, 3, 64, 96), torch.randint(0, 3, (2, 64, 96))
    result = model(images, labels=labels)
    assert result.logits.shape == (2, 3, 64, 96)
    result.loss.backward()
    assert model.backbone.adapter.level_embedding.grad.abs().sum() > 0
    model.eval().save_pretrained(tmp_path)
    loaded = UperNetForSemanticSegmentation.from_pretrained(tmp_path).eval()
    assert loaded.backbone.adapter.has_injectors is False
    with torch.no_grad():
        torch.testing.assert_close(loaded(images).logits, model(images).logits)


def test_weights_of_a_backbone_that_stands_travel(tmp_path):
    backbone = ViTAdapter(TINY_VIT, options=TINY, img_size=64, cffn_ratio=None, norm="group").eval()
    ViTAdapterBackbone.of(backbone).save_pretrained(tmp_path)
    loaded = ViTAdapterBackbone.from_pretrained(tmp_path).eval()
    images = torch.randn(1, 3, 64, 64)
    for ours, theirs in zip(backbone(images), loaded(images).feature_maps, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_mask2former_of_the_library_runs_on_it():
    config = Mask2FormerConfig(
        backbone_config=ViTAdapterBackboneConfig(vit=VIT),
        feature_size=32, mask_feature_size=32, hidden_dim=32, num_attention_heads=4, encoder_layers=1,
        decoder_layers=3, num_queries=5, num_labels=3, encoder_feedforward_dim=32, dim_feedforward=32,
    )  # fmt: skip
    model = Mask2FormerForUniversalSegmentation(config).eval()
    with torch.no_grad():
        assert model(torch.randn(1, 3, 64, 64)).masks_queries_logits.shape == (1, 5, 16, 16)


def test_what_cannot_be_built_from_a_configuration_is_refused():
    with pytest.raises(InputError, match="ViTPyramid: expected a ViTAdapter whose ViT was given by its name"):
        ViTAdapterBackbone.of(ViTPyramid(TINY_VIT, options=TINY, img_size=64))
