"""DINOv3's form of the adapter where no record reaches: periods from files, rescaled coordinates, patches that stay."""

import pytest
import torch

from vit_adapter import InputError, Segmenter, ViTAdapter
from vit_adapter.backbones.vit.rotary import RotaryPositions
from vit_adapter.config import ClassTable, ModelConfig
from vit_adapter.config.model import changed_model
from vit_adapter.weights.model_folder import read_model_folder, write_model_folder
from vit_adapter.weights.official_dinov3 import VIT, to_dinov3

SMALL = {"depth": 4, "embed_dim": 48, "num_heads": 3}
NAME = "vit_small_patch16_dinov3"


def dinov3(**settings) -> ViTAdapter:
    torch.manual_seed(0)
    return ViTAdapter(NAME, options=SMALL, conv_inplanes=8, **settings)


def vit_file(backbone: ViTAdapter, path) -> str:
    """The ViT as its authors publish it: bare names."""
    state = {f"backbone.{name}": value for name, value in backbone.state_dict().items()}
    published = {name.removeprefix(VIT): value for name, value in to_dinov3(state).items() if VIT in name}
    torch.save(published, path)
    return str(path)


def test_periods_and_unused_weights_come_from_the_file(tmp_path):
    source = dinov3(pretraining_parts=("mask_token",))
    with torch.no_grad():
        source.vit.rope.periods.mul_(1.1)  # pyright: ignore
        source.vit.mask_token.fill_(3.0)  # pyright: ignore
    file = vit_file(source, tmp_path / "vit.pth")
    loaded = dinov3(pretraining_parts=("mask_token",), pretrained=file)
    assert torch.equal(loaded.vit.rope.periods, source.vit.rope.periods)  # pyright: ignore
    assert torch.equal(loaded.vit.mask_token, source.vit.mask_token)  # pyright: ignore
    # Without a place for it, the mask token is left out and named; the periods stay.
    plain = dinov3(pretrained=file)
    assert "mask_token" in plain.load_report.left_out  # pyright: ignore
    assert torch.equal(plain.vit.rope.periods, source.vit.rope.periods)  # pyright: ignore


def test_folders_of_earlier_versions_lack_the_periods(tmp_path):
    config = changed_model(
        ModelConfig(),
        {"vit.name": NAME, "vit.options": SMALL, "vit.pretrained": False, "head.channels": 16},
    )
    torch.manual_seed(0)
    model = Segmenter.from_config(config, ClassTable.numbered(3)).eval()
    model.save_pretrained(tmp_path / "new")
    described, state = read_model_folder(tmp_path / "new")
    del state["backbone.vit.rope.periods"]
    write_model_folder(tmp_path / "old", described, state)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(Segmenter.from_pretrained(tmp_path / "old")(images), model(images))


def test_periods_keep_their_precision_in_half_models():
    rope = RotaryPositions(torch.tensor([1.0, 3.1622776, 10.0, 31.622776]))
    before = rope.periods.clone()
    assert torch.equal(rope.to(torch.bfloat16).periods, before)
    assert rope.to(torch.float64).periods.dtype == torch.float64


def test_coordinates_are_rescaled_in_training_alone():
    rope = RotaryPositions(torch.tensor([1.0, 10.0]), rescale=2.0)
    torch.manual_seed(0)
    plain = rope.eval().get_embed((1, 1000))
    # Of the longest period, where angles stay below a turn, the last column's tells the factor.
    factors = []
    rope.train()
    for _ in range(200):
        sine, cosine = rope.get_embed((1, 1000))[-1].chunk(2)
        factors.append(float(torch.atan2(sine[3], cosine[3])) / (2 * torch.pi * 0.999 / 10))
    assert torch.equal(rope.eval().get_embed((1, 1000)), plain)
    logs = torch.tensor(factors).log2()
    assert logs.min() > -1.001
    assert logs.max() < 1.001
    assert logs.std() == pytest.approx(2 / 12**0.5, rel=0.15)  # uniform between -1 and 1


def test_every_block_draws_its_own_rescaling():
    backbone = dinov3(rotary_rescale=2.0).train()
    seen = []
    for block in backbone.wrapper.blocks:
        block.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[1]))
    backbone(torch.randn(2, 3, 32, 64))
    assert len({float(one.sum()) for one in seen}) == 4
    frozen = dinov3(rotary_rescale=2.0, frozen="vit", drop_path_rate=0.0).train()
    images = torch.randn(2, 3, 32, 64)
    torch.testing.assert_close(frozen(images), frozen(images))


@pytest.mark.parametrize("patch", [8, 32])
@pytest.mark.parametrize("injectors", [True, False])
def test_patches_of_another_size_may_stay(patch, injectors):
    torch.manual_seed(0)
    backbone = ViTAdapter(
        NAME,
        options={**SMALL, "patch_size": patch},
        keep_patch_size=True,
        injectors=injectors,
        injector_init=0.1,
        conv_inplanes=8,
    )
    maps = backbone(torch.randn(2, 3, 64, 96))
    assert [tuple(level.shape[2:]) for level in maps] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    sum((level**2).sum() for level in maps).backward()
    assert all(p.grad is not None for p in backbone.parameters())


def test_images_must_fit_patches_that_stay():
    backbone = ViTAdapter(
        "vit_small_patch14_dinov2", options=SMALL, keep_patch_size=True, img_size=56, conv_inplanes=8
    ).eval()
    assert backbone.wrapper.grid == (4, 4)
    with torch.no_grad():
        assert backbone(torch.randn(1, 3, 224, 224))[3].shape[2:] == (7, 7)
    with pytest.raises(InputError, match="multiples of 224; keep_patch_size=False resamples"):
        backbone(torch.randn(1, 3, 64, 64))


@pytest.mark.parametrize("settings", [{"rotary_rescale": 2.0}, {"pretraining_parts": ("mask_token",)}])
def test_what_only_dinov3_has_is_refused_elsewhere(settings):
    with pytest.raises(InputError, match="offered for DINOv3 alone"):
        ViTAdapter("eva02_tiny_patch14_224", options={"depth": 4}, **settings)
    with pytest.raises(InputError, match="offered for DINOv3 alone"):
        ViTAdapter("vit_tiny_patch16_224", **settings)
