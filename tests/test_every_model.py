"""What every head on every backbone promises. A head or backbone that is registered is tested without a line here."""

import pytest
import torch
from torch import nn

from tiny import SMALL_MASK2FORMER, tiny_model
from vit_adapter import Segmenter
from vit_adapter.backbones.build import BACKBONES
from vit_adapter.config import ClassTable, InferenceConfig
from vit_adapter.heads import HEADS

FAMILIES = {
    "plain": {"vit": "vit_tiny_patch16_224"},
    "beit": {"vit": "beit_base_patch16_224"},
    "eva": {"vit": "eva02_tiny_patch14_224"},
    "uniperceiver": {"vit": "uniperceiver_large"},
}
FAMILIES_OF = {"adapter": tuple(FAMILIES), "beit_pyramid": ("beit",)}
"""ViTs that a backbone is tried with; one that is not named here with the plain one."""
READ_FEW_MAPS = ("fcn",)
"""Heads that leave some maps, and so some weights of a backbone, without a gradient."""
NUM_CLASSES, SIDE = 3, 32
SMALL = {
    "mask2former": SMALL_MASK2FORMER,
    "conv_inplanes": 8,
    "injector_init": 0.1,
    "drop_path_rate": 0.0,
    "out_indices": (0, 1, 2, 3),
}

PAIRS = [
    pytest.param(head, backbone, family, id=f"{head}-{backbone}-{family}")
    for head in HEADS
    for backbone in BACKBONES
    for family in FAMILIES_OF.get(backbone, ("plain",))
]


def made(head: str, backbone: str, family: str) -> Segmenter:
    """A tiny model whose position-dependent layers do something."""
    torch.manual_seed(0)
    model = tiny_model(head=head, backbone=backbone, **FAMILIES[family], **SMALL)
    segmenter = Segmenter.from_config(
        model, ClassTable.numbered(NUM_CLASSES), InferenceConfig(crop=SIDE, stride=SIDE)
    )
    for module in segmenter.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return segmenter.eval()


def images(height: int = SIDE, width: int = 2 * SIDE) -> torch.Tensor:
    """Two images."""
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(1))


def labels(height: int = SIDE, width: int = 2 * SIDE) -> torch.Tensor:
    """Classes of their pixels, some ignored."""
    generator = torch.Generator().manual_seed(2)
    drawn = torch.randint(0, NUM_CLASSES, (2, height, width), generator=generator)
    drawn[:, 0] = 255
    return drawn


@pytest.mark.parametrize(("head", "backbone", "family"), PAIRS)
class TestEveryModel:
    @torch.no_grad()
    def test_forward(self, head, backbone, family):
        model = made(head, backbone, family)
        scores = model(images())
        assert scores.shape == (2, NUM_CLASSES, SIDE, 2 * SIDE)
        assert scores.isfinite().all()
        # Images of a batch do not see each other.
        torch.testing.assert_close(model(images()[1:]), scores[1:], rtol=1e-4, atol=1e-5)
        assert (scores[0] - scores[1]).abs().max() > 1e-4

    def test_backward(self, head, backbone, family):
        model = made(head, backbone, family).train()
        losses = model.loss(images(), labels())
        losses["loss"].backward()
        assert losses["loss"].isfinite()
        missing = [name for name, value in model.named_parameters() if value.grad is None]
        if head in READ_FEW_MAPS:
            missing = [name for name in missing if not name.startswith("backbone.")]
        assert missing == []
        values = [value.grad for value in model.parameters() if value.grad is not None]
        assert all(value.isfinite().all() for value in values)
        for part in (model.backbone.vit, model.head):
            assert any(value.grad is not None and value.grad.abs().max() > 0 for value in part.parameters())

    def test_odd_size(self, head, backbone, family):
        model = made(head, backbone, family)
        with torch.no_grad():
            assert model(images(33, 45)).shape == (2, NUM_CLASSES, 33, 45)
            assert model(images(1, 5)).shape == (2, NUM_CLASSES, 1, 5)
        assert model.loss(images(33, 45), labels(33, 45))["loss"].isfinite()

    @torch.no_grad()
    def test_save_and_load(self, head, backbone, family, tmp_path):
        model = made(head, backbone, family)
        model.save_pretrained(tmp_path)
        again = Segmenter.from_pretrained(tmp_path)
        assert again.model_config == model.model_config
        assert again.protocol == model.protocol
        assert torch.equal(again(images()), model(images()))

    @torch.no_grad()
    def test_channels_last(self, head, backbone, family):
        model = made(head, backbone, family)
        expected = model(images())
        model.to(memory_format=torch.channels_last)
        found = model(images().contiguous(memory_format=torch.channels_last))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)

    def test_half_precision(self, head, backbone, family):
        model = made(head, backbone, family)
        with torch.no_grad():
            expected = model(images())
        with torch.autocast("cpu", torch.bfloat16):
            scores = model(images())
            loss = model.loss(images(), labels())["loss"]
        size = expected.abs().max()
        assert (scores.float() - expected).abs().max() < 0.1 * size
        assert loss.isfinite()
        loss.backward()
        assert all(value.grad is None or value.grad.isfinite().all() for value in model.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("part", [*HEADS, *BACKBONES])
@torch.no_grad()
def test_compile(part):
    """Heads and backbones are compiled each by itself: a model is one behind the other."""
    backbone = part if part in BACKBONES else "pyramid"
    model = made(part if part in HEADS else "fcn", backbone, FAMILIES_OF.get(backbone, ("plain",))[0])
    expected = model(images())
    torch._dynamo.reset()
    (model.head if part in HEADS else model.backbone).compile(backend="eager", fullgraph=True)
    torch.testing.assert_close(model(images()), expected, rtol=1e-4, atol=1e-5)
