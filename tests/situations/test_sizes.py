"""Sizes: images smaller than a window, one pixel high, in company, and grids of every shape."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from tiny import TINY
from vit_adapter import InputError, ViTAdapter
from vit_adapter.annotations import Annotation
from vit_adapter.config import AugmentationConfig, InferenceConfig, Normalization
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.data.transforms import TrainingTransform
from vit_adapter.images import resize_labels
from vit_adapter.inference import plan_views
from vit_adapter.weights.resample import resample_positions

from .making import BLUE, GREEN, RED, YELLOW, colour_model, command, varied_model

HEADS = ["upernet", "mask2former"]
OWN = InferenceConfig(crop=512, stride=341)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    """uint8 [H, W, 3] that changes slowly enough for labels to have areas."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    return coarse.repeat(8, 0).repeat(8, 1)[:height, :width]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(("width", "height"), [(100, 60), (511, 513), (512, 512), (24, 4)])
def test_s21_image_smaller_than_the_window(head, width, height):
    """Labels have exactly the image's size; an image inside one window is scored as a whole image."""
    model = varied_model(head, OWN)
    photo = noise(height, width)
    result = model.predict(photo)
    assert result.labels.shape == (height, width)
    if max(width, height) <= 512:
        whole = model.predict(photo, protocol=replace(OWN, mode="whole"))
        np.testing.assert_allclose(result.scores, whole.scores, atol=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_s21_padded_to_the_window(head):
    """With padding to the window the padding is cut off again: labels lie on the image."""
    protocol = InferenceConfig(crop=64, stride=42, multiple=None, pad_to_crop="after", unpad=True)
    model = varied_model(head, protocol)
    result = model.predict(noise(30, 50))
    padded = np.zeros((1, 3, 64, 64), np.float32)
    normal = protocol.normalization
    padded[0, :, :30, :50] = ((noise(30, 50) - np.array(normal.mean)) / np.array(normal.std)).transpose(
        2, 0, 1
    )
    with torch.no_grad():
        scores = model(torch.from_numpy(padded))[0, :, :30, :50]
    expected = scores.softmax(0) if head == "upernet" else scores / scores.sum(0)
    np.testing.assert_allclose(result.scores, expected, atol=1e-5)


@pytest.mark.parametrize(("width", "height"), [(513, 1), (1, 513), (3000, 10), (1, 1)])
def test_s22_one_pixel_high(width, height, tmp_path, capfd):
    """No side is ever rounded to 0: labels have the image's size, also in files."""
    model = varied_model()
    model.save_pretrained(tmp_path / "model")
    Image.fromarray(noise(height, width)).save(tmp_path / "thin.png")
    code, _, err = command(
        capfd, "predict", tmp_path / "model", tmp_path / "thin.png",
        "--out", tmp_path / "o", "--device", "cpu", "--quiet",
    )  # fmt: skip
    assert code == 0, err
    assert Image.open(tmp_path / "o" / "thin_labels.png").size == (width, height)


def test_s22_intermediate_sizes():
    """Under the published keep-ratio rule (2048, 512) the sizes are 2048x4, 4x2048 and 2048x7 before the stretch."""
    published = InferenceConfig(resize=(2048, 512))
    for (width, height), expected in {
        (513, 1): (2048, 4), (1, 513): (4, 2048), (3000, 10): (2048, 7)
    }.items():  # fmt: skip
        (view,) = plan_views((height, width), published)
        assert view.resized == expected[::-1]
        assert view.size == tuple(32 * -(-side // 32) for side in view.resized)


def test_s22_one_pixel_high_in_training():
    """The training transforms take such images too; what is outside is ignored."""
    transform = TrainingTransform(AugmentationConfig(crop=64), Normalization(), 255)
    for shape in ((1, 513), (513, 1), (10, 3000), (1, 1)):
        for seed in range(20):
            truth = Annotation(np.full(shape, 3, np.uint8))
            image, annotation = transform(np.zeros((*shape, 3), np.uint8), truth, np.random.default_rng(seed))
            labels = annotation.labels
            assert image.shape == (64, 64, 3)
            assert set(np.unique(labels)) <= {3, 255}
            assert (labels == 3).any()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("crop", 0),
        ("scale_range", (2.0, 0.5)),
        ("scale_range", (0.0, 1.0)),
        ("base_size", (0, 9)),
        ("flip", 7.0),
    ],
)
def test_s22_settings_that_give_no_image(name, value):
    """Settings of random changes that would give no image are refused by name before training begins."""
    data = SimpleNamespace(classes=SimpleNamespace(ignore_index=255), names=[])
    with pytest.raises(InputError, match=rf"--data\.augmentation\.{name} .*: expected"):
        TrainingSet(data, replace(AugmentationConfig(), **{name: value}), Normalization(), 0)  # pyright: ignore


CORNERS = {(0, 0): RED, (0, -1): GREEN, (-1, 0): BLUE, (-1, -1): YELLOW}
PROTOCOLS = {
    "own": InferenceConfig(crop=64, stride=42),
    "padded": InferenceConfig(crop=96, stride=64, pad_to_crop="after", unpad=True),
    "whole": InferenceConfig(crop=64, stride=42, mode="whole"),
    "resized": InferenceConfig(resize=(256, 128), crop=128, stride=85),
    "mirrored": InferenceConfig(crop=64, stride=42, flip=True, scales=(1.0, 2.0)),
}


def corners(height: int, width: int) -> np.ndarray:
    """A quarter of another colour at every corner."""
    photo = np.zeros((height, width, 3), np.uint8)
    for (row, column), colour in CORNERS.items():
        rows = slice(0, height // 2) if row == 0 else slice(height // 2, None)
        columns = slice(0, width // 2) if column == 0 else slice(width // 2, None)
        photo[rows, columns] = colour
    return photo


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
@pytest.mark.parametrize(("width", "height"), [(160, 64), (64, 160)])
def test_s23_height_and_width_exchanged(protocol, width, height):
    """Labels are [height, width], every corner keeps its class, and a transposed image gives transposed labels."""
    model = colour_model(list(CORNERS.values()), protocol)
    photo = corners(height, width)
    labels = model.predict(photo).labels
    assert labels.shape == (height, width)
    assert [labels[corner] for corner in CORNERS] == [0, 1, 2, 3]
    assert np.bincount(labels.ravel()).tolist() == pytest.approx([width * height / 4] * 4, rel=0.08)
    turned = model.predict(photo.transpose(1, 0, 2)).labels
    np.testing.assert_array_equal(turned, labels.T)


@pytest.mark.parametrize(
    ("stored", "sides"), [(37, (39, 43, 78, 86, 115, 123)), (14, (61, 115, 122)), (4, (3, 5))]
)
def test_s24_grids_off_by_one(stored, sides):
    """A position table has exactly height x width rows at every size: sizes are given to the resize, not factors."""
    table = torch.randn(1, 1 + stored * stored, 4, generator=torch.Generator().manual_seed(0))
    grid = table[:, 1:].reshape(1, stored, stored, 4).permute(0, 3, 1, 2)
    for height in sides:
        width = height + 1
        made = resample_positions(table, (stored, stored), (height, width))
        expected = F.interpolate(grid, size=(height, width), mode="bicubic", align_corners=False)
        torch.testing.assert_close(made[:, 1:], expected.flatten(2).mT)
        torch.testing.assert_close(made[:, :1], table[:, :1])


@pytest.mark.parametrize("vit", ["vit_tiny_patch16_224", "eva02_tiny_patch14_224", "beit_base_patch16_224"])
def test_s24_as_many_tokens_in_another_shape(vit):
    """A table of 4x4 is resampled for 2x8 patches although the number of tokens is the same."""
    torch.manual_seed(0)
    options = TINY | {"use_abs_pos_emb": True} if "beit" in vit else TINY
    backbone = ViTAdapter(vit, img_size=64, options=options).eval()
    wrapper = backbone.wrapper
    seen = []
    table = wrapper.vit.pos_embed
    with torch.no_grad():
        table.copy_(torch.randn(table.shape))
        wrapper.vit.patch_embed.proj.weight.zero_()
        wrapper.vit.patch_embed.proj.bias.zero_()
        for size in ((64, 64), (32, 128), (128, 32)):
            _, grid, tokens = wrapper.embed(torch.zeros(1, 3, *size))
            assert tokens == (size[0] // 16, size[1] // 16)
            seen.append(grid)
    stored = table[:, -16:].detach()
    torch.testing.assert_close(seen[0], stored)
    maps = stored.reshape(1, 4, 4, -1).permute(0, 3, 1, 2)
    for grid, size in zip(seen[1:], ((2, 8), (8, 2)), strict=True):
        expected = F.interpolate(maps, size=size, mode="bicubic", align_corners=False).flatten(2).mT
        torch.testing.assert_close(grid, expected)
        assert not torch.allclose(grid, stored, atol=0.1)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("mode", ["slide", "whole"])
def test_s25_neighbours_in_a_batch(head, mode):
    """Images are never padded to each other: labels and scores are those that each image has alone."""
    model = varied_model(head, InferenceConfig(crop=64, stride=42, mode=mode))
    photos = [noise(64, 96), noise(150, 200, 1), noise(64, 96, 2)]
    together = model.predict(photos)
    for photo, result in zip(photos, together, strict=True):
        alone = model.predict(photo)
        np.testing.assert_allclose(result.scores, alone.scores, atol=1e-5)
        first, second = np.sort(alone.scores, axis=0)[[-1, -2]]
        clear = first - second > 1e-5
        assert clear.mean() > 0.99
        np.testing.assert_array_equal(result.labels[clear], alone.labels[clear])


@pytest.mark.slow
def test_s25_batches_of_a_folder(tmp_path, capfd):
    """Prediction of a folder writes the same labels with batches of 1 and of 4."""
    varied_model().save_pretrained(tmp_path / "model")
    (tmp_path / "photos").mkdir()
    for seed, size in enumerate([(64, 96), (150, 200), (64, 96)]):
        Image.fromarray(noise(*size, seed)).save(tmp_path / "photos" / f"{seed}.png")
    for batch in (1, 4):
        code, _, err = command(
            capfd, "predict", tmp_path / "model", tmp_path / "photos", "--batch-size", batch,
            "--out", tmp_path / str(batch), "--device", "cpu", "--quiet",
        )  # fmt: skip
        assert code == 0, err
    for seed in range(3):
        one, four = (np.asarray(Image.open(tmp_path / b / f"{seed}_labels.png")) for b in ("1", "4"))
        assert len(np.unique(one)) > 1
        assert (one == four).mean() > 0.999  # sums of other order may turn a tie


def test_s26_which_pixel_is_the_nearest():
    """One function resizes labels everywhere: source pixel floor(i x scale), so 0,1,2,3,4 made 3 wide is 0,1,3."""
    assert resize_labels(np.arange(5, dtype=np.uint8)[None], (1, 3)).tolist() == [[0, 1, 3]]
    assert resize_labels(np.arange(3, dtype=np.uint8)[None], (1, 6)).tolist() == [[0, 0, 1, 1, 2, 2]]
    assert resize_labels(np.arange(5, dtype=np.uint8)[:, None], (3, 1)).tolist() == [[0], [1], [3]]
    settings = AugmentationConfig(crop=3, base_size=(3, 1), scale_range=(1, 1), flip=0, photometric=False)
    transform = TrainingTransform(settings, Normalization(), 255)
    row = np.arange(5, dtype=np.uint8)[None]
    _, annotation = transform(np.zeros((1, 5, 3), np.uint8), Annotation(row), np.random.default_rng(0))
    assert annotation.labels[0].tolist() == [0, 1, 3]
