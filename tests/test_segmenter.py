"""The model as a whole: any size, losses, saving, and what it refuses."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from tiny import TINY, tiny_model
from vit_adapter import InputError, Segmenter, ViTAdapter, ViTPyramid
from vit_adapter.config import ClassTable, InferenceConfig
from vit_adapter.config.model import HEAD_CONFIGS
from vit_adapter.heads import PixelLoss


def make(num_classes=3, head="upernet", backbone=ViTAdapter, **settings):
    torch.manual_seed(0)
    vit = backbone("vit_tiny_patch16_224", options=TINY, img_size=64)
    protocol = settings.pop("protocol", InferenceConfig(crop=64, stride=42))
    kind = tiny_model(head=head).head if head in HEAD_CONFIGS else head
    return Segmenter(vit, kind, num_classes, protocol=protocol, **settings).eval()


@pytest.mark.parametrize("head", ["upernet", "fcn"])
@pytest.mark.parametrize("size", [(64, 64), (33, 70), (1, 5)])
def test_scores_have_the_size_of_the_images(head, size):
    model = make(head=head)
    assert model(torch.randn(2, 3, *size)).shape == (2, 3, *size)


def test_padding_is_the_mean_colour_at_the_right_and_bottom():
    model = make()
    images = torch.randn(1, 3, 40, 50)
    padded = torch.zeros(1, 3, 64, 64)
    padded[..., :40, :50] = images
    with torch.no_grad():
        torch.testing.assert_close(model(images), model(padded)[..., :40, :50])


def test_loss_is_the_sum_of_its_parts():
    model = make().train()
    losses = model.loss(torch.randn(2, 3, 64, 64), torch.randint(0, 3, (2, 64, 64)))
    assert set(losses) == {"loss", "loss_ce", "auxiliary.loss_ce", "accuracy", "auxiliary.accuracy"}
    torch.testing.assert_close(losses["loss"], losses["loss_ce"] + losses["auxiliary.loss_ce"])
    losses["loss"].backward()
    assert all(parameter.grad is not None for parameter in model.head.parameters())


def test_whole_numbers_of_any_type_give_the_same_loss_and_fractions_are_refused():
    model = make()
    images, labels = torch.randn(1, 3, 32, 32), torch.randint(0, 3, (1, 32, 32))
    values = {
        kind: model.loss(images, labels.to(kind))["loss"] for kind in (torch.uint8, torch.int32, torch.int64)
    }
    assert len({value.item() for value in values.values()}) == 1
    with pytest.raises(TypeError, match=r"torch.float32.*0\.00784"):
        model.loss(images, (labels / 255).float().clamp(max=2 / 255))


def test_labels_outside_the_classes_are_named():
    with pytest.raises(InputError, match=r"value 7, expected 0\.\.2 or 255"):
        make().loss(torch.randn(1, 3, 32, 32), torch.full((1, 32, 32), 7))


def test_all_ignored_is_zero_without_gradient():
    model = make().train()
    loss = model.loss(torch.randn(2, 3, 64, 64), torch.full((2, 64, 64), 255))["loss"]
    loss.backward()
    assert loss == 0
    assert all(p.grad is None or p.grad.abs().max() == 0 for p in model.parameters())


@pytest.mark.parametrize(("average", "expected"), [("all", 0.34657), ("valid", 0.69315)])
def test_which_pixels_the_loss_is_averaged_over(average, expected):
    loss = PixelLoss(average_over=average)(torch.zeros(1, 2, 2, 2), torch.tensor([[[0, 1], [255, 255]]]))
    assert loss["loss_ce"].item() == pytest.approx(expected, abs=1e-4)


def test_focal_loss_without_exponent_is_cross_entropy_and_dice_of_the_truth_is_small():
    scores, labels = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4))
    plain = PixelLoss()(scores, labels)["loss_ce"]
    torch.testing.assert_close(PixelLoss(focal_gamma=0.0)(scores, labels)["loss_focal"], plain)
    assert PixelLoss(focal_gamma=2.0)(scores, labels)["loss_focal"] < plain
    perfect = 50 * torch.nn.functional.one_hot(labels, 3).permute(0, 3, 1, 2).float()
    assert PixelLoss(dice_weight=1.0)(perfect, labels)["loss_dice"] < 1e-3
    assert PixelLoss(dice_weight=1.0)(-perfect, labels)["loss_dice"] > 0.5


def test_round_trip_through_a_folder_is_bit_equal(tmp_path):
    classes = ClassTable(("road", "sky", "car"), (7, 0, 26), ((1, 2, 3), (4, 5, 6), (7, 8, 9)))
    model = make(num_classes=None, classes=classes, norm="batch")
    model.save_pretrained(tmp_path / "model")
    again = Segmenter.from_pretrained(tmp_path / "model")
    assert again.classes == classes
    assert again.protocol == model.protocol
    assert not again.training
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(again(images), model(images))
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert (config["format"], config["version"]) == ("vit-adapter", 2)
    assert "road" in (tmp_path / "model" / "README.md").read_text()
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]


def test_the_vit_alone_saves_too(tmp_path):
    model = make(backbone=ViTPyramid)
    model.save_pretrained(tmp_path)
    assert type(Segmenter.from_pretrained(tmp_path).backbone) is ViTPyramid


def test_a_model_of_modules_says_that_it_cannot_be_described(tmp_path):
    module = make().backbone.vit
    model = Segmenter(ViTAdapter(module), num_classes=2)
    with pytest.raises(InputError, match="modules of your own"):
        model.save_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "not readable as JSON"),
        (lambda folder: (folder / "config.json").write_text("{}"), "another program"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"<html>"), "model.safetensors"),
    ],
)
def test_a_damaged_folder_is_named_in_one_line(tmp_path, spoil, message):
    make().save_pretrained(tmp_path)
    spoil(tmp_path)
    with pytest.raises(InputError, match=message) as error:
        Segmenter.from_pretrained(tmp_path)
    assert "\n" not in str(error.value)


def test_a_config_without_normalization_is_an_error(tmp_path):
    make().save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    config = json.loads(file.read_text())
    del config["protocol"]["normalization"]
    file.write_text(json.dumps(config))
    with pytest.raises(InputError, match="normalization"):
        Segmenter.from_pretrained(tmp_path)


def test_predicts_whatever_holds_an_image(tmp_path):
    model = make()
    array = np.random.default_rng(0).integers(0, 255, (50, 70, 3), np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(array).save(path)
    expected = model.predict(path).labels
    assert expected.shape == (50, 70)
    forms = [
        str(path),
        Image.fromarray(array),
        array,
        torch.from_numpy(array).permute(2, 0, 1),
        array / 255.0,
    ]
    for form in forms:
        np.testing.assert_array_equal(model.predict(form).labels, expected)
    many = model.predict([array, array[:20], array])
    np.testing.assert_array_equal(many[0].labels, expected)
    assert many[1].labels.shape == (20, 70)
    scores = model.predict(array).scores
    assert scores.shape == (3, 50, 70)
    np.testing.assert_allclose(scores.sum(0), 1, rtol=1e-5)


def test_predicting_leaves_training_mode_as_it_was():
    model = make().train()
    model.backbone.norms[0].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.predict(np.zeros((32, 32, 3), np.uint8))
    assert model.training
    assert not model.backbone.norms[0].training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.slow
def test_normalisation_travels_with_the_model(tmp_path):
    for name, mean in (("vit_tiny_patch16_224", 127.5), ("deit_tiny_patch16_224", 123.675)):
        model = Segmenter(ViTAdapter(name, options=TINY), num_classes=2)
        assert model.protocol.normalization.mean[0] == pytest.approx(mean)
        model.save_pretrained(tmp_path / name)
        seen: list[torch.Tensor] = []
        again = Segmenter.from_pretrained(tmp_path / name)
        again.backbone.register_forward_pre_hook(lambda module, inputs, seen=seen: seen.append(inputs[0]))
        again.predict(np.full((32, 32, 3), 128, np.uint8))
        std = again.protocol.normalization.std[0]
        assert seen[0][0, 0, 0, 0].item() == pytest.approx((128 - mean) / std, abs=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_classes": None}, "num_classes"),
        ({"num_classes": 0}, "num_classes=0"),
        ({"num_classes": 2, "class_names": ["a", "b", "c"]}, "3 classes are named"),
        ({"num_classes": 2, "head": "unet"}, "head='unet'"),
    ],
)
def test_contradictions_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        make(**settings)
