"""Images of other than three channels: where the number comes from, and what weights become."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from tiny import TINY
from vit_adapter import Segmenter, ViTAdapter
from vit_adapter.api import evaluate
from vit_adapter.api.fine_tuning import start_from
from vit_adapter.config import DataConfig, FCNConfig, InferenceConfig, InputError, Normalization
from vit_adapter.weights.channels import convert_channels

from .making import TRAINING, command, halves, refusal, save_pairs

HEADING = "Channels other than three"
TITLES = {
    166: "Half-precision weights for another number of channels",
    167: "Starting from an RGB model for images of other channels",
    168: "Several settings tell the number of channels",
    169: "Images of another number of channels than the model's",
    170: "A folder of arrays",
    171: "Mean and deviation that cannot normalise",
}
PATCHES = "patch_embed.proj.weight"


def backbone(channels: int = 3, **settings) -> ViTAdapter:
    """A tiny adapter for images of so many channels."""
    return ViTAdapter("vit_tiny_patch16_224", img_size=64, options=TINY, in_chans=channels, **settings)


def model_of(channels: int, seed: int) -> Segmenter:
    """A tiny model with random weights."""
    torch.manual_seed(seed)
    return Segmenter(
        backbone(channels), FCNConfig(channels=16), 3, protocol=InferenceConfig(crop=64, stride=42)
    ).eval()


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("channels", [1, 5])
def test_s166_half_precision_weights(kind, channels, tmp_path):
    """A first convolution is converted in float32, so that a sum of half-precision channels is not rounded."""
    vit = {name: value.to(kind) for name, value in backbone().vit.state_dict().items()}
    rounded = vit[PATCHES].double()
    torch.save(vit, tmp_path / "vit.pth")
    loaded = backbone(channels, pretrained=str(tmp_path / "vit.pth")).vit.state_dict()[PATCHES].double()
    wanted = rounded.sum(1, keepdim=True) if channels == 1 else rounded[:, [0, 1, 2, 0, 1]] * (3 / 5)
    torch.testing.assert_close(loaded, wanted, rtol=1e-6, atol=1e-9)


def test_s166_patches_resampled_from_half_precision(tmp_path):
    """So is a patch embedding of another size."""
    own = backbone().vit.state_dict()
    vit = {**own, PATCHES: torch.randn(24, 3, 14, 14)}
    halves = {name: value.half() for name, value in vit.items()}
    kernels = []
    for name, state in (("half", halves), ("full", {key: value.float() for key, value in halves.items()})):
        torch.save(state, tmp_path / f"{name}.pth")
        model = ViTAdapter(
            "vit_tiny_patch16_224",
            img_size=64,
            options={**TINY, "patch_size": 14},
            pretrained=str(tmp_path / f"{name}.pth"),
        )
        kernels.append(model.vit.state_dict()[PATCHES])
    assert kernels[0].shape[-1] == 16
    torch.testing.assert_close(*kernels, rtol=0, atol=0)


@pytest.mark.parametrize("channels", [1, 4])
def test_s167_init_for_other_channels(channels, tmp_path):
    """`--init` converts first convolutions by the same code as `pretrained`, and says so; a grey image gives a
    one-channel model what its three equal channels give the RGB model."""
    old = model_of(3, seed=1)
    old.save_pretrained(tmp_path / "old")
    new = model_of(channels, seed=2)
    told = start_from(new, str(tmp_path / "old"))
    assert f"first convolutions converted from 3 to {channels} channels" in told
    for name in ("vit.patch_embed.proj.weight", "spatial_prior.stem.0.weight"):
        before, after = old.backbone.state_dict()[name], new.backbone.state_dict()[name]
        torch.testing.assert_close(after, convert_channels(before, channels))
    if channels > 1:
        return
    grey = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for before, after in zip(old.backbone(grey.expand(-1, 3, -1, -1)), new.backbone(grey), strict=True):
            torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4)


def test_s167_init_of_unknown_channels_stays_new(tmp_path):
    """Five bands say nothing about four: such first convolutions start anew, and are named."""
    model_of(5, seed=1).save_pretrained(tmp_path / "old")
    new = model_of(4, seed=2)
    before = new.backbone.state_dict()["spatial_prior.stem.0.weight"].clone()
    told = start_from(new, str(tmp_path / "old"))
    assert "converted" not in told
    assert "backbone.spatial_prior.stem.0.weight" in told
    np.testing.assert_array_equal(new.backbone.state_dict()["spatial_prior.stem.0.weight"], before)


def save_bands(root: Path, channels: int = 5, count: int = 4) -> Path:
    """A folder of uint16 arrays of so many bands, one NPY file an image, and masks."""
    masks = {name: halves(0, 1) for name in "abcdefgh"[:count]}
    save_pairs(root, masks)
    for seed, name in enumerate(masks):
        (root / "images" / f"{name}.png").unlink()
        bands = np.random.default_rng(seed).integers(0, 4096, (32, 32, channels)).astype(np.uint16)
        np.save(root / "images" / f"{name}.npy", bands)
    return root


def bands_model(folder: Path, channels: int = 5) -> Path:
    """A model folder for images of so many bands and two classes."""
    torch.manual_seed(0)
    normal = Normalization((2000.0,) * channels, (1000.0,) * channels)
    protocol = InferenceConfig(crop=64, stride=42, normalization=normal)
    Segmenter(backbone(channels), FCNConfig(channels=16), 2, protocol=protocol).save_pretrained(folder)
    return folder


def five(number: float) -> str:
    """Five equal numbers, as a flag takes them."""
    return str([number] * 5)


def test_s168_train_names_both_settings(tmp_path, capfd):
    """The model's `in_chans` says how many channels images have. `train` refuses a mean for another number, and bands
    without a mean of their own, before anything is read."""
    words = ["train", "--data.root", save_bands(tmp_path / "data"), "--out", tmp_path / "run", *TRAINING]
    line = refusal(capfd, *words, "--data.mean", five(2000), "--data.std", five(1000))
    assert (
        "--data.mean has 5 numbers, but the model takes images of 3 channels (--model.vit.in_chans)" in line
    )
    line = refusal(capfd, *words, "--model.vit.in_chans", 5)
    assert "--model.vit.in_chans 5: --data.mean and --data.std missing" in line
    line = refusal(
        capfd, *words, "--model.vit.in_chans", 4, "--data.mean", five(2000), "--data.std", five(1000)
    )
    assert "--data.mean has 5 numbers, but the model takes images of 4 channels" in line
    assert not (tmp_path / "run").exists()


def test_s168_eval_and_predict_take_the_models(tmp_path, capfd):
    """`eval` and `predict` read as many channels as the model takes, without being told; another number is refused."""
    data, model = save_bands(tmp_path / "data"), bands_model(tmp_path / "model")
    code, out, err = command(capfd, "eval", model, "--data.root", data, "--quiet")
    assert code == 0, err
    assert "mIoU" in out
    code, _, err = command(capfd, "predict", model, data / "images", "--out", tmp_path / "out", "--quiet")
    assert code == 0, err
    assert len(list((tmp_path / "out").glob("*_labels.png"))) == 4
    three = ["--data.mean", "[1, 2, 3]", "--data.std", "[1, 2, 3]"]
    line = refusal(capfd, "eval", model, "--data.root", data, *three, "--quiet")
    assert "--data.mean has 3 numbers, but the model takes images of 5 channels" in line
    three = InferenceConfig(crop=64, stride=42)
    for call in (
        lambda: Segmenter.from_pretrained(model).predict(data / "images" / "a.npy", protocol=three),
        lambda: evaluate(model, DataConfig(root=str(data)), protocol=three, quiet=True),
    ):
        with pytest.raises(InputError, match=r"protocol\.normalization\.mean has 3 numbers.*5 channels"):
            call()
    config = json.loads((model / "config.json").read_text())
    config["protocol"]["normalization"] = {"mean": [1.0] * 3, "std": [1.0] * 3}
    (model / "config.json").write_text(json.dumps(config))
    line = refusal(capfd, "predict", model, data / "images", "--quiet")
    assert "config.json: protocol.normalization.mean has 3 numbers" in line


def test_s168_grey_model(tmp_path, capfd):
    """A model of one channel trains on grey images without further settings."""
    data = save_pairs(tmp_path / "data", {name: halves(0, 1, 64, 64) for name in "abcd"})
    code, _, err = command(
        capfd, "train", "--data.root", data, "--out", tmp_path / "run", *TRAINING, "--model.vit.in_chans", 1,
        "--training.steps", 1,
    )  # fmt: skip
    assert code == 0, err
    stored = json.loads((tmp_path / "run" / "best" / "config.json").read_text())
    assert (stored["model"]["vit"]["in_chans"], len(stored["protocol"]["normalization"]["mean"])) == (1, 1)


def test_s169_other_channels_are_refused_before_the_start(tmp_path, capfd):
    """They are refused naming file, both numbers and the settings, before the start block is printed."""
    data = save_bands(tmp_path / "data")
    np.save(data / "images" / "b.npy", np.zeros((32, 32, 4), np.uint16))
    words = ["train", "--data.root", data, "--out", tmp_path / "run", *TRAINING, "--model.vit.in_chans", 5]
    code, out, err = command(capfd, *words, "--data.mean", five(2000), "--data.std", five(1000))
    assert code == 2
    assert out == ""
    (line,) = err.strip().splitlines()
    assert "b.npy: 4 channels (shape 32x32x4); expected height x width x 5" in line
    assert "--model.vit.in_chans, --data.mean and --data.std" in line
    assert not (tmp_path / "run").exists()
    # Files of bands where the model takes RGB: the message says what they need.
    rgb = save_pairs(tmp_path / "rgb", {name: halves(0, 1) for name in "abcd"})
    (rgb / "images" / "a.png").unlink()
    save_bands_as_tiff(rgb / "images" / "a.tif")
    line = refusal(capfd, "train", "--data.root", rgb, "--out", tmp_path / "run", *TRAINING)
    assert "a.tif: shape 32x32x5" in line
    assert "--model.vit.in_chans" in line


def save_bands_as_tiff(path: Path) -> None:
    """A TIFF file of five bands of 8 bits."""
    values = np.arange(32 * 32 * 5, dtype=np.uint8).tobytes()
    tags = [
        (256, 32),
        (257, 32),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 5),
        (278, 32),
        (279, len(values)),
    ]
    entries = b"".join(
        tag.to_bytes(2, "little")
        + (4).to_bytes(2, "little")
        + (1).to_bytes(4, "little")
        + number.to_bytes(4, "little")
        for tag, number in tags
    )
    header = b"II*\0" + (8 + len(values)).to_bytes(4, "little")
    path.write_bytes(header + values + len(tags).to_bytes(2, "little") + entries + bytes(4))


def test_s170_a_folder_of_arrays(tmp_path, capfd):
    """NPY arrays are images of other than 1 or 3 channels only; where nothing else is there, the message says how many
    there are, their shape and which settings read them, and does not repeat the folder's masks one by one."""
    data = save_bands(tmp_path / "data", count=6)
    line = refusal(capfd, "train", "--data.root", data, "--out", tmp_path / "run", *TRAINING)
    assert "images: holds no images; 6 NPY arrays (the first of shape 32x32x5) count as images with" in line
    assert "--model.vit.in_chans 5, and --data.mean and --data.std" in line
    assert "further" not in line
    code, out, _ = command(capfd, "data", "check", data, "--sheet", "")
    assert code == 2
    assert out.count("error:") == 1
    assert "--model.vit.in_chans 5" in out
    model_folder = tmp_path / "rgb"
    model_of(3, seed=0).save_pretrained(model_folder)
    line = refusal(capfd, "predict", model_folder, data / "images")
    assert "6 NPY arrays" in line
    # With the settings the same folder is read.
    words = ["data", "check", data, "--data.mean", five(2000), "--data.std", five(1000), "--sheet", ""]
    assert command(capfd, *words)[0] == 0


@pytest.mark.parametrize(
    ("mean", "std", "wanted"),
    [
        ([1] * 6, [1] * 5, "data.mean has 6 numbers and data.std has 5"),
        ([1, 2, 3], [1, 0, 3], "data.std: number 2 is 0, expected a finite number above 0"),
        ([1, 2, 3], [1, 2, -3], "data.std: number 3 is -3"),
        ([1, 2, 3], [math.nan, 2, 3], "data.std: number 1 is nan"),
        ([1, math.inf, 3], [1, 2, 3], "data.mean: number 2 is inf, expected a finite number"),
        ([], [], "data.mean is empty"),
    ],
)
def test_s171_mean_and_deviation(mean, std, wanted, tmp_path, capfd):
    """Different numbers of means and deviations, a deviation of 0 or below, and what is not finite are refused when
    the settings are read, from flags, YAML, Python and a model's `config.json`."""
    data = save_pairs(tmp_path / "data", {name: halves(0, 1) for name in "ab"})

    def text(values):
        return str(values).replace("nan", ".nan").replace("inf", ".inf")

    flags = ["--data.mean", text(mean), "--data.std", text(std)]
    for words in (["train", *TRAINING], ["data", "check"]):
        assert wanted in refusal(capfd, *words, "--data.root", data, *flags)
    (tmp_path / "own.yaml").write_text(f"data:\n  mean: {text(mean)}\n  std: {text(std)}\n")
    assert wanted in refusal(capfd, "train", "--config", tmp_path / "own.yaml", "--data.root", data)
    with pytest.raises(InputError, match=r"data\.(mean|std)"):
        DataConfig(mean=mean, std=std)
    with pytest.raises(InputError, match=r"normalization\.(mean|std)"):
        Normalization(tuple(mean), tuple(std))


def test_s171_damaged_model_folder(tmp_path, capfd):
    """The message about a model's file names the file."""
    model = bands_model(tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    config["protocol"]["normalization"]["std"][1] = 0
    (model / "config.json").write_text(json.dumps(config))
    line = refusal(capfd, "predict", model, tmp_path)
    assert "config.json: normalization.std: number 2 is 0" in line
