"""Decoders of segmentation_models_pytorch on our pyramid, against the real package."""

import pytest
import segmentation_models_pytorch as smp
import torch

from tiny import TINY, TINY_VIT
from vit_adapter import InputError, ViTAdapter
from vit_adapter.integrations.segmentation_models import Encoder, segmentation_model

FIT = ["UPerNet", "FPN", "Segformer", "Unet", "UnetPlusPlus", "MAnet", "Linknet"]


def backbone(**settings):
    return ViTAdapter(TINY_VIT, options=TINY, img_size=64, **settings)


@pytest.mark.parametrize("name", FIT)
def test_decoder_trains_on_the_pyramid(name):
    model = segmentation_model(getattr(smp, name), backbone(), classes=3)
    scores = model(torch.randn(2, 3, 64, 96))
    assert scores.shape == (2, 3, 64, 96)
    scores.square().mean().backward()
    assert all(weight.grad is not None for weight in model.decoder.parameters())
    assert model.encoder.backbone.spatial_prior is not None
    assert next(model.encoder.backbone.interactions.parameters()).grad is not None


def test_decoder_sees_exactly_the_maps_of_the_backbone():
    encoder = Encoder(backbone().eval())
    images = torch.randn(1, 3, 64, 64)
    image, empty, *maps = encoder(images)
    assert image is images
    assert empty.shape == (1, 0, 32, 32)
    for ours, theirs in zip(encoder.backbone(images), maps, strict=True):
        assert torch.equal(ours, theirs)
    assert encoder.out_channels == [3, 0, 24, 24, 24, 24]


def test_channels_follow_from_the_backbone():
    model = segmentation_model(smp.FPN, backbone(in_chans=5), classes=2)
    assert model(torch.randn(2, 5, 64, 64)).shape == (2, 2, 64, 64)


def test_the_table_of_the_library_is_left_as_it_was():
    before = set(smp.encoders.encoders)
    segmentation_model(smp.FPN, backbone())
    with pytest.raises(TypeError):
        segmentation_model(smp.FPN, backbone(), no_such_setting_of_a_class_that_has_no_kwargs=1, aux_params=1)
    assert set(smp.encoders.encoders) == before


@pytest.mark.parametrize("name", ["DPT", "PAN", "PSPNet", "DeepLabV3", "DeepLabV3Plus"])
def test_architectures_that_do_not_fit_are_refused_by_name(name):
    with pytest.raises(InputError, match=rf"{name} cannot work on maps at strides.*UPerNet, FPN"):
        segmentation_model(getattr(smp, name), backbone())


def test_settings_of_the_encoder_are_refused():
    with pytest.raises(InputError, match="encoder_depth, in_channels: follow from the backbone"):
        segmentation_model(smp.FPN, backbone(), in_channels=3, encoder_depth=4)
