"""The frozen part of a model, however it is named."""

import pytest
import torch

from tiny import TINY
from vit_adapter import InputError, ViTAdapter, ViTPyramid, api
from vit_adapter.backbones import build_backbone
from vit_adapter.cli.main import main
from vit_adapter.config import BeitPyramidConfig, ModelConfig, ViTConfig


@pytest.mark.parametrize("kind", [ViTAdapter, ViTPyramid])
@pytest.mark.parametrize(("frozen", "meant"), [(True, "vit"), ("vit", "vit"), (False, None), (None, None)])
def test_true_is_the_vit(kind, frozen, meant):
    backbone = kind("vit_tiny_patch16_224", options=TINY, img_size=64, frozen=frozen)
    assert backbone.frozen is (meant == "vit")
    assert backbone.vit_config.frozen == meant
    trained = [name for name, p in backbone.named_parameters() if p.requires_grad and name.startswith("vit.")]
    assert bool(trained) is (meant is None)
    assert ViTConfig(frozen=frozen).frozen == meant
    with pytest.raises(InputError, match="frozen"):
        kind("vit_tiny_patch16_224", options=TINY, img_size=64, frozen="head")


@pytest.mark.parametrize(
    ("text", "meant"), [("true", "vit"), ("vit", "vit"), ("false", None), ("null", None)]
)
def test_flags_and_files(monkeypatch, tmp_path, text, meant):
    seen = []
    monkeypatch.setattr(api, "train", lambda config, **_: seen.append(config.model.vit.frozen))
    (tmp_path / "settings.yaml").write_text(f"model: {{frozen: {text}}}\n")
    assert main(["train", "--model.vit.frozen", text]) == 0
    assert main(["train", "--config", str(tmp_path / "settings.yaml")]) == 0
    assert seen == [meant, meant]


def test_settings():
    with pytest.raises(
        InputError, match=r"model\.vit\.frozen is 'head': expected 'vit', true, false or none"
    ):
        ViTConfig(frozen="head")  # pyright: ignore


def test_the_beit_baseline_freezes_its_vit_too():
    vit = ViTConfig("beit_base_patch16_224", options=TINY, pretrained=False, img_size=64, frozen=True)
    backbone = build_backbone(ModelConfig(vit, BeitPyramidConfig(out_indices=(0, 1, 2, 3))))
    maps = backbone.train()(torch.randn(1, 3, 64, 64))
    sum(level.sum() for level in maps).backward()
    assert not backbone.vit.training
    assert all(p.grad is None for p in backbone.vit.parameters())
    assert all(p.grad is not None for p in backbone.fpn1.parameters())
