"""Weights in another precision, and tensors that a backbone cannot take."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from vit_adapter import InputError, Segmenter, ViTAdapter, ViTPyramid
from vit_adapter.backbones import BeitPyramid
from vit_adapter.config import FCNConfig, UPerNetConfig

from .making import TINY, varied_model

HEADING = "Precision of weights, and inputs of another form"
TITLES = {
    206: "Weights in half or double precision",
    207: "Tensors that are no batch of normalised images",
    208: "One value per channel for batch norm",
    209: "A backbone of one's own that does not describe itself",
}
OTHERS = [torch.float16, torch.bfloat16, torch.float64]


@pytest.mark.parametrize("head", ["upernet", "fcn", "mask2former"])
@pytest.mark.parametrize("dtype", OTHERS)
def test_s206_inputs_follow_the_weights(head, dtype):
    """Images follow the type of the weights: prediction, scores and loss work in half and double precision."""
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    plain, model = varied_model(head), varied_model(head).to(dtype)
    expected, found = plain.predict(image), model.predict(image)
    allowed = {torch.float64: 1e-4, torch.float16: 0.05, torch.bfloat16: 0.4}[dtype]
    np.testing.assert_allclose(found.scores, expected.scores, atol=allowed)
    assert found.scores.dtype == np.float32
    assert (found.labels == expected.labels).mean() > (0.8 if dtype == torch.bfloat16 else 0.99)
    images = torch.randn(2, 3, 32, 64, generator=torch.Generator().manual_seed(0))
    expected_scores, scores = plain(images), model(images)
    assert torch.isfinite(scores).all()
    assert (scores.double() - expected_scores.double()).abs().mean() < allowed * expected_scores.abs().mean()
    loss = model.train().loss(images, torch.zeros(2, 32, 64, dtype=torch.long))["loss"]
    loss.backward()
    assert torch.isfinite(loss)
    assert all(parameter.dtype == dtype for parameter in model.parameters())


def _backbones() -> dict[str, nn.Module]:
    return {
        "adapter": ViTAdapter("vit_tiny_patch16_224", img_size=64, options=TINY),
        "pyramid": ViTPyramid("vit_tiny_patch16_224", img_size=64, options=TINY),
        "beit_pyramid": BeitPyramid(
            "beit_base_patch16_224", img_size=64, options=TINY, out_indices=(0, 1, 2, 3)
        ),
    }


@pytest.mark.parametrize("kind", ["adapter", "pyramid", "beit_pyramid"])
def test_s206_backbones_alone(kind):
    """So do backbones alone, and autocast goes on to choose its own type."""
    backbone = _backbones()[kind].eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = backbone(images)
        with torch.autocast("cpu", torch.bfloat16):
            assert backbone(images)[2].shape == expected[2].shape
        for dtype in OTHERS:
            found = backbone.to(dtype)(images)
            assert {level.dtype for level in found} == {dtype}
            assert [level.shape for level in found] == [level.shape for level in expected]


WRONG = {
    "uint8": (
        torch.zeros(1, 3, 64, 64, dtype=torch.uint8),
        r"images are torch.uint8, expected normalised floats",
    ),
    "three axes": (torch.zeros(3, 64, 64), r"images have 3 axes \(3x64x64\), expected 4.*images\[None\]"),
    "four channels": (torch.zeros(1, 4, 64, 64), r"4 channels, the model was built for 3.*in_chans"),
    "channels last": (
        torch.zeros(1, 64, 64, 3),
        r"expected \[B, 3, H, W\]; its last axis looks like the channels",
    ),
    "an array": (np.zeros((1, 3, 64, 64), np.float32), "images are ndarray, expected a tensor"),
    "no image": (torch.zeros(0, 3, 64, 64), "the batch is empty"),
    "five axes": (torch.zeros(1, 1, 3, 64, 64), "images have 5 axes"),
}


@pytest.mark.parametrize("kind", ["adapter", "pyramid", "beit_pyramid"])
@pytest.mark.parametrize("what", list(WRONG))
def test_s207_backbones_say_what_they_take(kind, what):
    """Bytes, no batch axis, another number of channels, channels last, arrays: one line says what is expected."""
    images, message = WRONG[what]
    with pytest.raises(InputError, match=message):
        _backbones()[kind](images)


@pytest.mark.parametrize("what", list(WRONG))
def test_s207_segmenters_too(what):
    """A segmenter's scores and loss say the same."""
    images, message = WRONG[what]
    model = varied_model()
    with pytest.raises(InputError, match=message):
        model(images)
    with pytest.raises(InputError, match=message):
        model.loss(images, torch.zeros(1, 64, 64, dtype=torch.long))


@pytest.mark.parametrize("kind", ["adapter", "pyramid"])
def test_s208_a_map_of_one_pixel(kind):
    """One image whose coarsest map has one pixel is refused in training mode; two, or evaluation mode, are not."""
    backbone = _backbones()[kind].train()
    with pytest.raises(InputError, match=r"batch of one image .* 1x1 pixels.*norm='group'.*model.eval\(\)"):
        backbone(torch.randn(1, 3, 32, 32))
    assert backbone(torch.randn(2, 3, 32, 32))[3].shape[2:] == (1, 1)
    assert backbone.eval()(torch.randn(1, 3, 32, 32))[3].shape[2:] == (1, 1)


@pytest.mark.parametrize("size", [32, 64])
def test_s208_a_pooled_map_of_one_pixel(size):
    """UperNet pools every map to one pixel: a batch of one is refused in training mode, with group norm it trains."""
    labels = torch.zeros(1, size, size, dtype=torch.long)
    with pytest.raises(InputError, match="batch of one image"):
        varied_model().train().loss(torch.randn(1, 3, size, size), labels)
    backbone = ViTAdapter("vit_tiny_patch16_224", img_size=64, options=TINY, norm="group")
    model = Segmenter(backbone, UPerNetConfig(channels=16, auxiliary=False), 3).train()
    assert torch.isfinite(model.loss(torch.randn(1, 3, size, size), labels)["loss"])


class _Own(nn.Module):
    """A backbone of a user's own."""

    def __init__(self, output=None, **attributes) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 8, 4, stride=4)
        self.output = output or (lambda level: [level])
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, images):
        return self.output(self.convolution(images))


@pytest.mark.parametrize(
    ("attributes", "head", "message"),
    [
        ({}, "fcn", "the backbone _Own has no attribute 'channels': expected the widths"),
        ({"channels": 8}, "fcn", "the backbone _Own has channels=8: expected the widths"),
        ({"channels": (8,)}, "upernet", "the backbone _Own has 1 maps, head 'upernet' needs 3"),
        ({"channels": (8, 8)}, "mask2former", "the backbone _Own has 2 maps, head 'mask2former' needs 4"),
    ],
)
def test_s209_channels(attributes, head, message):
    """A backbone without `channels`, with a single number, or with too few maps for the head is named in one line."""
    with pytest.raises(InputError, match=message):
        Segmenter(_Own(**attributes), head, 2)


@pytest.mark.parametrize("output", [lambda level: level, lambda level: OrderedDict(a=level)])
def test_s209_something_else_than_a_list(output):
    """A backbone that gives a tensor or a dictionary instead of a list of maps is refused; a list works."""
    model = Segmenter(_Own(output, channels=(8,)), FCNConfig(channels=8), 2)
    with pytest.raises(InputError, match=r"the backbone _Own gives a .*, expected a list of maps"):
        model(torch.randn(1, 3, 64, 64))
    good = Segmenter(_Own(channels=(8,)), FCNConfig(channels=8), 2)
    assert good(torch.randn(1, 3, 50, 64)).shape == (1, 2, 50, 64)
    good.predict(np.zeros((50, 64, 3), np.uint8))
