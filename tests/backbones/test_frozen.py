"""The frozen part of a model, however it is named."""

import pytest

from vit_adapter import InputError, ViTAdapter, ViTPyramid, api
from vit_adapter.backbones import build_backbone
from vit_adapter.cli.main import main
from vit_adapter.config import ModelConfig

TINY = {"depth": 4, "embed_dim": 24, "num_heads": 3}


@pytest.mark.parametrize("kind", [ViTAdapter, ViTPyramid])
@pytest.mark.parametrize(("frozen", "meant"), [(True, "vit"), ("vit", "vit"), (False, None), (None, None)])
def test_true_is_the_vit(kind, frozen, meant):
    backbone = kind("vit_tiny_patch16_224", vit_options=TINY, img_size=64, frozen=frozen)
    assert backbone.frozen is (meant == "vit")
    assert backbone.arguments["frozen"] == meant
    trained = [name for name, p in backbone.named_parameters() if p.requires_grad and name.startswith("vit.")]
    assert bool(trained) is (meant is None)
    assert ModelConfig(frozen=frozen).frozen == meant
    with pytest.raises(InputError, match="frozen"):
        kind("vit_tiny_patch16_224", vit_options=TINY, img_size=64, frozen="head")


@pytest.mark.parametrize(
    ("text", "meant"), [("true", "vit"), ("vit", "vit"), ("false", None), ("null", None)]
)
def test_flags_and_files(monkeypatch, tmp_path, text, meant):
    seen = []
    monkeypatch.setattr(api, "train", lambda config, **_: seen.append(config.model.frozen))
    (tmp_path / "settings.yaml").write_text(f"model: {{frozen: {text}}}\n")
    assert main(["train", "--model.frozen", text]) == 0
    assert main(["train", "--config", str(tmp_path / "settings.yaml")]) == 0
    assert seen == [meant, meant]


def test_settings():
    with pytest.raises(InputError, match=r"model\.frozen is 'head': expected 'vit' or true or false or none"):
        ModelConfig(frozen="head")  # pyright: ignore
    with pytest.raises(InputError, match="beit_pyramid"):
        build_backbone(ModelConfig(backbone="beit_pyramid", frozen=True))
