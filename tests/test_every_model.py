"""What every head on every backbone promises. A head or backbone that is registered is tested without a line here."""

import io

import numpy as np
import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounter

from tiny import SMALL_MASK2FORMER, tiny_model
from vit_adapter import Segmenter
from vit_adapter.annotations import Instances
from vit_adapter.backbones.build import BACKBONES
from vit_adapter.config import ClassTable, InferenceConfig
from vit_adapter.heads import HEADS, Objects
from vit_adapter.tasks import DetectionResult

FAMILIES = {
    "plain": {"vit": "vit_tiny_patch16_224"},
    "beit": {"vit": "beit_base_patch16_224"},
    "eva": {"vit": "eva02_tiny_patch14_224"},
    "uniperceiver": {"vit": "uniperceiver_large"},
}
FAMILIES_OF = {"adapter": tuple(FAMILIES), "beit_pyramid": ("beit",)}
"""ViTs that a backbone is tried with; one that is not named here with the plain one."""
READ_FEW_MAPS = ("fcn", "atss", "gfl")
"""Heads that leave some maps, and so some weights of a backbone, without a gradient."""
NUM_CLASSES, SIDE = 3, 32
SMALL = {
    "mask2former": SMALL_MASK2FORMER,
    "head.box_width": 16,
    "head.attention_heads": 3,
    "head.region_samples": 32,
    "conv_inplanes": 8,
    "injector_init": 0.1,
    "drop_path_rate": 0.0,
    "out_indices": (0, 1, 2, 3),
}

SCORING = [head for head in HEADS if "semantic" in HEADS[head].tasks]
"""Heads that score pixels; the others find objects."""
PAIRS = [
    pytest.param(head, backbone, family, id=f"{head}-{backbone}-{family}")
    for head in SCORING
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
        if isinstance(module, nn.Conv2d) and module.out_channels == NUM_CLASSES and module.bias is not None:
            nn.init.zeros_(module.bias)  # detectors start from rare objects, of which none would be found
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


def untouched(model: Segmenter, head: str) -> list[str]:
    """Parameters that got no gradient although the head reads them."""
    missing = [name for name, value in model.named_parameters() if value.grad is None]
    return [name for name in missing if head not in READ_FEW_MAPS or not name.startswith("backbone.")]


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
        assert untouched(model, head) == []
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


def objects(height: int = SIDE, width: int = 2 * SIDE) -> list[Objects]:
    """Two objects in the first image, none in the second."""
    masks = torch.zeros(2, height, width, dtype=torch.bool)
    masks[0, 2:20, 3:30] = masks[1, 10 : height - 2, 20 : width - 1] = True
    boxes = torch.tensor([[3, 2, 30, 20], [20, 10, width - 1, height - 2]], dtype=torch.float32)
    nothing = Objects(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4), masks[:0])
    return [Objects(torch.tensor([0, 2]), boxes, masks), nothing]


def found_in(model: Segmenter, height: int = SIDE, width: int = 2 * SIDE) -> list[Instances]:
    """What a model finds in two images, however unsure."""
    generator = np.random.default_rng(1)
    pixels = [generator.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(2)]
    found = model.predict(pixels, task="detection", score_threshold=0.0)
    return [one.instances for one in found if isinstance(one, DetectionResult)]


@pytest.mark.parametrize("head", [head for head in HEADS if head not in SCORING])
class TestEveryDetector:
    def test_find(self, head):
        model = made(head, "adapter", "plain")
        for instances in found_in(model):
            assert len(instances) > 0
            assert instances.scores is not None
            assert (instances.boxes >= 0).all()
            assert (instances.boxes <= np.array([2 * SIDE, SIDE] * 2)).all()
            assert (np.diff(instances.scores) <= 0).all()
            assert set(instances.classes.tolist()) <= set(range(NUM_CLASSES))

    def test_backward(self, head):
        model = made(head, "adapter", "plain").train()
        losses = model.loss(images(), labels(), objects=objects())
        losses["loss"].backward()
        assert losses["loss"].isfinite()
        assert untouched(model, head) == []
        values = [value.grad for value in model.parameters() if value.grad is not None]
        assert all(value.isfinite().all() for value in values)
        for part in (model.backbone.vit, model.head):
            assert any(value.grad is not None and value.grad.abs().max() > 0 for value in part.parameters())

    def test_images_without_objects(self, head):
        model = made(head, "adapter", "plain").train()
        losses = model.loss(images(), labels(), objects=[objects()[1]] * 2)
        losses["loss"].backward()
        assert losses["loss"].isfinite()
        assert untouched(model, head) == []

    def test_odd_size(self, head):
        model = made(head, "adapter", "plain")
        for instances in found_in(model, 33, 45):
            assert (instances.boxes <= np.array([45, 33] * 2)).all()
        assert model.loss(images(33, 45), labels(33, 45), objects=objects(33, 45))["loss"].isfinite()

    def test_save_and_load(self, head, tmp_path):
        model = made(head, "adapter", "plain")
        model.save_pretrained(tmp_path)
        again = Segmenter.from_pretrained(tmp_path)
        assert again.model_config == model.model_config
        for one, other in zip(found_in(model), found_in(again), strict=True):
            np.testing.assert_array_equal(one.boxes, other.boxes)

    def test_half_precision(self, head):
        model = made(head, "adapter", "plain")
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.loss(images(), labels(), objects=objects())["loss"]
        assert loss.isfinite()
        loss.backward()
        assert all(value.grad is None or value.grad.isfinite().all() for value in model.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("part", [*SCORING, *BACKBONES])
@torch.no_grad()
def test_compile(part):
    """Heads and backbones are compiled each by itself: a model is one behind the other."""
    backbone = part if part in BACKBONES else "pyramid"
    model = made(part if part in SCORING else "fcn", backbone, FAMILIES_OF.get(backbone, ("plain",))[0])
    expected = model(images())
    torch._dynamo.reset()
    (model.head if part in SCORING else model.backbone).compile(backend="eager", fullgraph=True)
    torch.testing.assert_close(model(images()), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("head", ["upernet", "mask2former"])
@torch.no_grad()
def test_compile_for_sizes_that_change(head):
    """A whole model is one graph also where sizes are symbols, and further sizes compile nothing.

    They lie on one side of a bound inside PyTorch: on the CPU its convolutions take another way for maps of less than
    20480 numbers, and a program that is compiled on one side is compiled again on the other.
    """
    model = made(head, "adapter", "plain")
    torch._dynamo.reset()
    counter = CompileCounter()
    compiled = torch.compile(model, backend=counter, fullgraph=True, dynamic=True)
    for size in ((128, 192), (192, 128), (160, 160)):
        torch.testing.assert_close(compiled(images(*size)), model(images(*size)), rtol=1e-4, atol=1e-5)
    assert counter.frame_count == 1


@pytest.mark.slow
@pytest.mark.parametrize("head", ["upernet", "mask2former"])
@torch.no_grad()
def test_export_and_read_back(head):
    """An exported model is made of PyTorch's own operators, so that it runs where this package is not."""
    model = made(head, "adapter", "plain")
    program = torch.export.export(model, (images(),))
    called = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert [name for name in called if "vit_adapter" in name] == []
    assert "aten.grid_sampler.default" in called or "aten.grid_sampler_2d.default" in called
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    found = torch.export.load(file).module()(images())
    torch.testing.assert_close(found, model(images()), rtol=1e-4, atol=1e-5)
