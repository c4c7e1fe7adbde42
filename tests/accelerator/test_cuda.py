"""What only a CUDA device can show: half precision, compiled code, and the numbers of the CPU."""

import copy

import numpy as np
import pytest
import torch

from tiny import TINY, tiny_model
from vit_adapter.api.training import train
from vit_adapter.backbones import ViTAdapter
from vit_adapter.config import AugmentationConfig, DataConfig, RunConfig, TrainingConfig
from vit_adapter.ops import deformable_attention
from vit_adapter.segmenter import Segmenter

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no accelerator here")

FAMILIES = {
    "plain": ("vit_tiny_patch16_224", TINY),
    "registers": ("vit_small_patch14_reg4_dinov2", TINY),
    "beit": ("beit_base_patch16_224", TINY),
    "eva": ("eva02_tiny_patch14_224", TINY),
    "dinov3": ("vit_small_patch16_dinov3", {"depth": 4, "embed_dim": 48, "num_heads": 3}),
}


def backbone_of(family: str) -> ViTAdapter:
    name, options = FAMILIES[family]
    torch.manual_seed(0)
    backbone = ViTAdapter(name, options=options, conv_inplanes=8, injector_init=0.1, drop_path_rate=0.0)
    with torch.no_grad():
        for parameter in backbone.parameters():
            # At first sampling locations are those of the pixels, where bilinear sampling has no derivative.
            parameter.add_(torch.randn_like(parameter) * 0.02)
    return backbone


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_those_of_float64_on_the_cpu(family, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    exact = backbone_of(family).eval()
    single = copy.deepcopy(exact).cuda()
    exact.double()
    images = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    expected, found = exact(images), single(images.float().cuda())
    for level, other in zip(expected, found, strict=True):
        assert (other.double().cpu() - level).norm() < 1e-4 * level.norm()
    sum((level**2).sum() for level in expected).backward()
    sum((level**2).sum() for level in found).backward()
    gradients = {name: p.grad for name, p in single.named_parameters()}
    largest = max(float(p.grad.abs().max()) for p in exact.parameters() if p.grad is not None)
    for name, parameter in exact.named_parameters():
        difference = (gradients[name].double().cpu() - parameter.grad).abs().max()
        assert difference < 1e-3 * float(parameter.grad.abs().max()) + 1e-5 * largest, name


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_autocast(family, dtype):
    backbone = backbone_of(family).cuda().eval()
    images = torch.randn(2, 3, 64, 96, device="cuda").contiguous(memory_format=torch.channels_last)
    expected = backbone(images)
    with torch.autocast("cuda", dtype):
        half = backbone(images)
    for level, other in zip(expected, half, strict=True):
        assert (other.float() - level).norm() < (0.02 if dtype == torch.float16 else 0.1) * level.norm()
    with torch.autocast("cuda", dtype):
        maps = backbone.train()(images)
    sum((level.float() ** 2).mean() for level in maps).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in backbone.parameters())


@pytest.mark.parametrize("family", ["plain", "beit"])
def test_compiled_code_gives_the_numbers_of_plain_code(family):
    backbone = backbone_of(family).cuda().eval()
    images = torch.randn(1, 3, 64, 96, device="cuda")
    compiled = torch.compile(backbone, fullgraph=True)
    with torch.no_grad():
        for expected, level in zip(backbone(images), compiled(images), strict=True):
            assert (level - expected).norm() < 2e-3 * expected.norm()


def test_deformable_attention_as_on_the_cpu():
    shapes = [(7, 5), (4, 3)]
    value = torch.randn(2, 47, 3, 8, dtype=torch.float64, requires_grad=True)
    locations = (torch.rand(2, 9, 3, 2, 4, 2, dtype=torch.float64) * 1.4 - 0.2).requires_grad_()
    weights = torch.rand(2, 9, 3, 2, 4, dtype=torch.float64, requires_grad=True)
    inputs = value, locations, weights
    expected = deformable_attention(value, shapes, locations, weights)
    there = [tensor.detach().cuda().requires_grad_() for tensor in inputs]
    found = deformable_attention(there[0], shapes, there[1], there[2])
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-10, atol=1e-12)
    probe = torch.randn_like(expected)
    wanted = torch.autograd.grad(expected, inputs, probe)
    for gradient, other in zip(wanted, torch.autograd.grad(found, there, probe.cuda()), strict=True):
        torch.testing.assert_close(other.cpu(), gradient, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_trains_and_its_model_predicts_on_both_devices(tmp_path, precision):
    config = RunConfig(
        model=tiny_model(vit_options={"depth": 4, "embed_dim": 24, "num_heads": 2}, img_size=None),
        data=DataConfig(layout="scenes", scenes=(16, 4), workers=1, augmentation=AugmentationConfig(crop=64)),
        training=TrainingConfig(
            steps=12,
            batch_size=4,
            precision=precision,
            accelerator="cuda",
            out=str(tmp_path / "run"),
            quiet=True,
        ),
    )
    result = train(config)
    assert result is not None
    assert result.best_mIoU is not None
    model = Segmenter.from_pretrained(result.model_folder)
    image = np.random.default_rng(0).integers(0, 256, (100, 130, 3), np.uint8)
    labels = model.predict(image).labels
    assert (model.cuda().predict(image).labels == labels).mean() > 0.99
