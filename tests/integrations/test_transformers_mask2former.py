"""Whole models with a Mask2Former head in Hugging Face's form and back, against the real package."""

import pytest
import torch
from transformers import Mask2FormerConfig as TransformersConfig
from transformers import Mask2FormerForUniversalSegmentation, SwinConfig

from tiny import SMALL_MASK2FORMER, TINY, TINY_VIT
from vit_adapter import InputError, Segmenter, ViTAdapter, ViTPyramid
from vit_adapter.heads import Mask2FormerHead
from vit_adapter.integrations.transformers_mask2former import (
    from_transformers,
    head_from_transformers,
    to_transformers,
)

NAMES = ["road", "car", "sky", "person"]


def our_model(vit: str = TINY_VIT) -> Segmenter:
    """A tiny one whose weights are all away from where they start: biases, norms and gammas too."""
    torch.manual_seed(3)
    backbone = ViTAdapter(vit, options=TINY, img_size=64)  # pyright: ignore
    model = Segmenter(backbone, SMALL_MASK2FORMER, class_names=NAMES).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return model


@pytest.mark.parametrize("vit", [TINY_VIT, "beit_base_patch16_224"])  # BEiT is that of the published ones
def test_a_whole_model_gives_the_same_queries_and_comes_back(tmp_path, vit):
    model = our_model(vit)
    theirs = to_transformers(model)
    assert theirs.config.id2label == dict(enumerate(NAMES))
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        expected = model.head.find(model.backbone(images))  # pyright: ignore
        found = theirs(images)
    assert expected.masks.std() > 0.1
    torch.testing.assert_close(found.class_queries_logits, expected.classes, rtol=1e-4, atol=2e-5)
    torch.testing.assert_close(found.masks_queries_logits, expected.masks, rtol=1e-4, atol=2e-4)

    theirs.save_pretrained(tmp_path)
    back = from_transformers(Mask2FormerForUniversalSegmentation.from_pretrained(tmp_path))
    assert back.class_names == tuple(NAMES)
    assert back.model_config is not None
    assert back.model_config.head == model.model_config.head  # pyright: ignore
    state = back.state_dict()
    assert state.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, state[name]), name
    with torch.no_grad():
        assert torch.equal(back(images), model(images))


def test_a_head_with_a_width_of_its_own_for_masks_goes_there_too():
    torch.manual_seed(3)
    backbone = ViTAdapter(TINY_VIT, options=TINY, img_size=64)  # pyright: ignore
    head = Mask2FormerHead(backbone.channels, 4, SMALL_MASK2FORMER, mask_channels=64, project_inputs=True)
    model = Segmenter(backbone, head, class_names=NAMES).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected, found = head.find(backbone(images)), to_transformers(model)(images)
    torch.testing.assert_close(found.class_queries_logits, expected.classes, rtol=1e-4, atol=2e-5)
    torch.testing.assert_close(found.masks_queries_logits, expected.masks, rtol=1e-4, atol=2e-4)


def test_the_copies_are_independent():
    model = our_model()
    theirs = to_transformers(model)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.zero_()
    assert all(parameter.abs().sum() > 0 for parameter in model.parameters())


def test_it_trains_there():
    theirs = to_transformers(our_model()).train()
    masks = torch.zeros(2, 64, 64)
    masks[0, :32] = masks[1, 32:] = 1
    loss = theirs(torch.randn(1, 3, 64, 64), mask_labels=[masks], class_labels=[torch.tensor([0, 2])]).loss
    loss.backward()
    backbone = theirs.model.pixel_level_module.encoder.adapter
    assert backbone.level_embedding.grad.abs().sum() > 0


@pytest.mark.parametrize("projected", [False, True])
def test_the_head_of_a_model_on_another_backbone(projected):
    config = TransformersConfig(
        backbone_config=SwinConfig(
            image_size=64, embed_dim=12, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4,
            out_features=["stage1", "stage2", "stage3", "stage4"],  # pyright: ignore
        ),
        feature_size=32, hidden_dim=32, mask_feature_size=64, num_queries=5, encoder_layers=2, decoder_layers=3,
        encoder_feedforward_dim=40, dim_feedforward=48, num_attention_heads=4, enforce_input_projection=projected,
        num_labels=3,  # pyright: ignore
    )  # fmt: skip
    torch.manual_seed(0)
    model = Mask2FormerForUniversalSegmentation(config).eval()
    head = head_from_transformers(model)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = model(images)
        found = head.find(model.model.pixel_level_module.encoder(images).feature_maps)
    torch.testing.assert_close(found.classes, expected.class_queries_logits, rtol=1e-4, atol=2e-5)
    torch.testing.assert_close(found.masks, expected.masks_queries_logits, rtol=1e-4, atol=2e-4)
    with pytest.raises(InputError, match="SwinBackbone, expected ViTAdapterBackbone; head_from_transformers"):
        from_transformers(model)


def test_what_has_no_counterpart_is_refused():
    backbone = ViTAdapter(TINY_VIT, options=TINY, img_size=64)  # pyright: ignore
    with pytest.raises(InputError, match="head is UPerHead: expected Mask2Former"):
        to_transformers(Segmenter(backbone, "upernet", num_classes=3))
    pyramid = ViTPyramid(TINY_VIT, options=TINY, img_size=64)  # pyright: ignore
    with pytest.raises(InputError, match="ViTPyramid: expected a ViTAdapter"):
        to_transformers(Segmenter(pyramid, SMALL_MASK2FORMER, num_classes=3))
    head = Mask2FormerHead(backbone.channels, 3, SMALL_MASK2FORMER, points=2)
    with pytest.raises(InputError, match="32 groups and 2 sampling points, expected 32 and 4"):
        to_transformers(Segmenter(backbone, head, num_classes=3))
    theirs = to_transformers(our_model())
    theirs.config.pre_norm = True
    with pytest.raises(InputError, match="pre_norm=True"):
        from_transformers(theirs)
