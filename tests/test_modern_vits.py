"""Every modern plain ViT with Mask2Former learns in ten steps, tuned and frozen; and by the command line."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from data.folders import make_pairs, two_classes
from tiny import SMALL_MASK2FORMER, TINY, tiny_model
from vit_adapter import Segmenter, load
from vit_adapter.cli.main import main
from vit_adapter.config import AdapterConfig, ClassTable

VITS = {
    "DINOv2": "vit_small_patch14_dinov2",
    "DINOv2 with registers": "vit_small_patch14_reg4_dinov2",
    "DINOv3": "vit_small_patch16_dinov3",
    "DINOv3 with gated feed-forward": "vit_7b_patch16_dinov3",
    "EVA-02": "eva02_tiny_patch14_224",
    "BEiTv2": "beitv2_base_patch16_224",
    "SigLIP": "vit_base_patch16_siglip_224",
    "SigLIP 2": "vit_base_patch16_siglip_256.v2_webli",
    "CLIP": "vit_base_patch16_clip_224",
    "MAE": "vit_base_patch16_224.mae",
    "DeiT III": "deit3_small_patch16_224",
    "AugReg": "vit_tiny_patch16_224",
}
HEAD = replace(SMALL_MASK2FORMER, grad_checkpointing=False)


def model_of(name: str, frozen: bool) -> Segmenter:
    width = 48 if "dinov3" in name else 24  # rotary halves of three heads
    config = tiny_model(
        vit=name,
        vit_options={**TINY, "embed_dim": width},
        head="mask2former",
        mask2former=HEAD,
        frozen="vit" if frozen else None,
        final_norm=frozen and "dino" in name,  # some have no norm after the last block
        drop_path_rate=0.0,
    )
    backbone = AdapterConfig(injectors=not frozen, conv_inplanes=8)
    torch.manual_seed(0)
    return Segmenter.from_config(replace(config, backbone=backbone), ClassTable.numbered(3))


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [False, True], ids=["tuned", "frozen"])
@pytest.mark.parametrize("name", VITS.values(), ids=VITS)
def test_ten_steps(name, frozen):
    model = model_of(name, frozen).train()
    images = torch.randn(2, 3, 64, 96)
    labels = torch.arange(3).repeat_interleave(32).expand(2, 64, 96)
    images[:, :] += labels[:, None] - 1.0

    def loss() -> torch.Tensor:
        torch.manual_seed(1)  # the same points every time
        return model.loss(images, labels)["loss"]

    before = copy.deepcopy(model.backbone.vit.state_dict())
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-3)
    first = float(loss())
    for _ in range(10):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    last = float(loss())
    assert last < 0.8 * first, f"{first:.3f} to {last:.3f}"
    changed = {
        key for key, value in model.backbone.vit.state_dict().items() if not torch.equal(value, before[key])
    }
    assert bool(changed) != frozen
    if not frozen:
        assert {f"blocks.{index}" for index in range(4)} <= {".".join(key.split(".")[:2]) for key in changed}
    model.eval()
    with torch.no_grad():
        assert model(torch.randn(1, 3, 96, 64)).isfinite().all()  # another size than in training


@pytest.mark.parametrize(
    "form", [[], ["--model.backbone.injectors", "false"]], ids=["injectors", "extractors"]
)
def test_a_folder_of_ones_own_with_a_frozen_vit(tmp_path, form, capsys):
    make_pairs(tmp_path / "data", {f"{index}": two_classes(64, 64) for index in range(6)})
    words = [
        *("train", "--data.root", str(tmp_path / "data"), "--model.vit", "vit_small_patch16_dinov3"),
        *("--model.head", "mask2former", "--model.frozen", "vit", *form),
        *(
            "--model.vit.options",
            '{"depth": 4, "embed_dim": 48, "num_heads": 3}',
            "--model.vit.pretrained",
            "false",
        ),
        *("--model.head.channels", "32", "--model.head.queries", "5", "--model.head.decoder_layers", "3"),
        *("--data.augmentation.crop", "64", "--data.workers", "0", "--training.steps", "2"),
        *("--training.batch_size", "2", "--training.accelerator", "cpu", "--training.quiet", "true"),
        *("--training.out", str(tmp_path / "run")),
    ]
    assert main(words) == 0
    model = load(tmp_path / "run")
    assert model.model_config is not None
    assert model.model_config.vit.frozen == "vit"
    assert not any(parameter.requires_grad for parameter in model.backbone.vit.parameters())
    image = np.random.default_rng(0).integers(0, 255, (50, 70, 3), np.uint8)
    assert model.predict(image).overlay(legend=False).size == (70, 50)
