"""Odd image files: the one reader of images, whatever a camera, an editor or a system left behind."""

import json
import os
import struct
import subprocess
import sys
import tracemalloc
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vit_adapter import InputError
from vit_adapter.config import AugmentationConfig, DataConfig, InferenceConfig, Normalization
from vit_adapter.data.dataset import open_dataset
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.images import read_image

from .making import RED, TRAINING, command, found_errors, halves, refusal, save_pairs, varied_model

AS_STORED = AugmentationConfig(crop=64, scale_range=(1, 1), flip=0, photometric=False)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Folder of a tiny model."""
    folder = tmp_path_factory.mktemp("model")
    varied_model().save_pretrained(folder)
    return folder


def written(folder: Path, stem: str) -> np.ndarray:
    """Labels that a prediction wrote."""
    return np.asarray(Image.open(folder / f"{stem}_labels.png"))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_s12_exif_rotation_on_a_square_photo(suffix, tmp_path, model, capfd):
    """Photos and masks are read as a viewer shows them; a mask's own EXIF tag is applied as well."""
    shown = halves((0, 0, 255), RED, 64, 64)  # the right half is red
    stored = Image.fromarray(np.rot90(shown))  # tag 6: turned clockwise by the viewer
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {".jpg": {"quality": 95, "subsampling": 0}, ".webp": {"lossless": True}}.get(suffix, {})
    folder = save_pairs(tmp_path / "data", dict.fromkeys("ab", halves(0, 1, 64, 64)))
    for name in "ab":
        (folder / "images" / f"{name}.png").unlink()
        stored.save(folder / "images" / f"{name}{suffix}", exif=exif, **options)
    for part in ("train", "val"):
        sample = open_dataset(DataConfig(root=str(folder)), part).read(0)
        red = sample.image[..., 0] > 128
        np.testing.assert_array_equal(red, sample.labels == 1)
    item = TrainingSet(open_dataset(DataConfig(root=str(folder)), "train"), AS_STORED, Normalization(), 0)[
        0, 0
    ]
    np.testing.assert_array_equal(item["image"][0].numpy() > 0, item["labels"].numpy() == 1)

    Image.fromarray(read_image(folder / "images" / f"a{suffix}")).save(tmp_path / "upright.png")
    code, _, err = command(
        capfd, "predict", model, folder / "images" / f"a{suffix}", tmp_path / "upright.png",
        "--out", tmp_path / "o", "--device", "cpu", "--quiet",
    )  # fmt: skip
    assert code == 0, err
    assert len(np.unique(written(tmp_path / "o", "upright"))) > 1
    np.testing.assert_array_equal(written(tmp_path / "o", "a"), written(tmp_path / "o", "upright"))


def test_s12_mask_with_a_tag_of_its_own(tmp_path):
    """A mask with an EXIF tag is turned like a photo with that tag."""
    exif = Image.Exif()
    exif[0x0112] = 6
    folder = save_pairs(tmp_path, dict.fromkeys("ab", halves(0, 1, 64, 64)))
    for name in "ab":
        Image.fromarray(np.rot90(halves(0, 1, 64, 64))).save(folder / "masks" / f"{name}.png", exif=exif)
    sample = open_dataset(DataConfig(root=str(folder)), "train").read(0)
    np.testing.assert_array_equal(sample.labels, halves(0, 1, 64, 64))


def test_s12_mask_that_was_not_turned(tmp_path, capfd):
    """A mask drawn on the stored pixels of a turned photo is refused with both sizes and the reason."""
    exif = Image.Exif()
    exif[0x0112] = 6
    folder = save_pairs(tmp_path, dict.fromkeys("ab", halves(0, 1, 48, 64)))
    for name in "ab":
        Image.new("RGB", (64, 48)).save(folder / "images" / f"{name}.png", exif=exif)
    line = found_errors(capfd, folder)
    for part in ("a.png: 64x48", "has 48x64", "EXIF"):
        assert part in line


def test_s13_16_bit_greys(tmp_path, model, capfd):
    """Grey photos of 16 bits are scaled by 1/257, from PNG and from TIFF of either byte order."""
    eight = np.arange(256, dtype=np.uint8)[None].repeat(8, 0)
    sixteen = eight.astype(np.uint16) * 257
    Image.fromarray(eight).save(tmp_path / "eight.png")
    Image.fromarray(sixteen).save(tmp_path / "png.png")
    Image.fromarray(sixteen).save(tmp_path / "little.tif")
    big = Image.frombytes("I;16B", (256, 8), sixteen.astype(">u2").tobytes())
    big.save(tmp_path / "big.tif")
    assert (tmp_path / "big.tif").read_bytes()[:2] == b"MM"
    for name in ("png.png", "little.tif", "big.tif"):
        np.testing.assert_array_equal(read_image(tmp_path / name)[0, :, 0], np.arange(256))
    code, _, err = command(
        capfd, "predict", model, tmp_path, "--out", tmp_path / "o", "--device", "cpu", "--quiet"
    )
    assert code == 0, err
    for name in ("png", "little", "big"):
        np.testing.assert_array_equal(written(tmp_path / "o", name), written(tmp_path / "o", "eight"))


def test_s13_greys_of_32_bits(tmp_path, model, capfd):
    """Photos of 32-bit integers are refused with file and mode: nothing says which value is white."""
    Image.fromarray((np.arange(256, dtype=np.int32) * 257)[None]).save(tmp_path / "long.tif")
    line = refusal(capfd, "predict", model, tmp_path / "long.tif", "--out", tmp_path / "o", "--quiet")
    for part in ("long.tif", "mode I", "32-bit integers"):
        assert part in line
    assert not (tmp_path / "o").exists()


def test_s14_colour_hidden_under_transparency(tmp_path):
    """Alpha is dropped, but a pixel with alpha 0 is white: what no viewer shows has no effect, from any source."""
    grey = halves((128, 128, 128, 255), (240, 30, 10, 0))
    other = halves((128, 128, 128, 255), (7, 200, 90, 0))
    Image.fromarray(grey).save(tmp_path / "a.png")
    Image.fromarray(grey).save(tmp_path / "a.webp", lossless=True, exact=True)
    Image.fromarray(grey).save(tmp_path / "a.tif")
    expected = halves((128,) * 3, (255,) * 3)
    sources = [tmp_path / "a.png", tmp_path / "a.webp", tmp_path / "a.tif", grey, other]
    sources += [Image.fromarray(grey), Image.fromarray(other), torch.from_numpy(grey).permute(2, 0, 1)]
    for source in sources:
        np.testing.assert_array_equal(read_image(source), expected)
    half = halves((128, 128, 128, 255), (240, 30, 10, 1))
    np.testing.assert_array_equal(read_image(half), half[..., :3])  # never blended


SWITCHES = """
import json, sys, warnings
import numpy, torch, PIL.Image, PIL.ImageFile
import huggingface_hub, matplotlib, scipy.sparse, scipy.special, timm, yaml  # what these change is theirs

def switches():
    return [
        PIL.ImageFile.LOAD_TRUNCATED_IMAGES, PIL.Image.MAX_IMAGE_PIXELS, str(torch.get_default_dtype()),
        repr(numpy.get_printoptions()), repr(warnings.filters), torch.get_num_threads(),
        matplotlib.rcParams._get_backend_or_none(), torch.is_grad_enabled(), sys.getrecursionlimit(),
        torch.backends.cudnn.benchmark, torch.get_float32_matmul_precision(), repr(numpy.geterr()),
    ]

before = switches()
import vit_adapter, vit_adapter.api
imported = switches()
failures = vit_adapter.api.predict(sys.argv[1], sys.argv[2:4], sys.argv[4], device="cpu", quiet=True)
print(json.dumps({"before": before, "imported": imported, "after": switches(), "failures": failures}))
"""


@pytest.mark.slow
def test_s15_process_wide_switches(tmp_path, model):
    """Importing and predicting change no setting of other libraries; half a file is refused by name."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "good.jpg")
    (tmp_path / "half.jpg").write_bytes((tmp_path / "good.jpg").read_bytes()[:2000])
    done = subprocess.run(
        [sys.executable, "-c", SWITCHES, model, tmp_path / "good.jpg", tmp_path / "half.jpg", tmp_path / "o"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    noted = json.loads(done.stdout)
    assert noted["imported"] == noted["before"]
    assert noted["after"] == noted["before"]
    ((file, reason),) = noted["failures"]
    assert file.endswith("half.jpg")
    assert "truncated" in reason
    assert [path.name for path in (tmp_path / "o").glob("*_labels.png")] == ["good_labels.png"]


def one_bit_png(path: Path, width: int, height: int) -> Path:
    """A 1-bit PNG, white in its lower right quarter, written without ever holding its pixels."""
    pack = zlib.compressobj(6)
    left = bytes(1 + (width + 7) // 8)
    half = bytearray(left)
    half[1 + width // 16 :] = b"\xff" * (len(half) - 1 - width // 16)
    data = b"".join(pack.compress(left if row < height // 2 else bytes(half)) for row in range(height))

    def block(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = block(b"IHDR", header) + block(b"IDAT", data + pack.flush()) + block(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    return path


@pytest.mark.slow
def test_s16_large_but_honest_images(tmp_path):
    """Up to 250 megapixels are read without a warning; labels have exactly the image's size."""
    photo = one_bit_png(tmp_path / "large.png", 12000, 9000)
    fast = varied_model(protocol=InferenceConfig(resize=(256, 64), crop=64, stride=64), classes=2)
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            labels = fast.predict(photo).labels
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert labels.shape == (9000, 12000)
    assert peak < 12 * labels.size, "the image, its labels, and one copy on the way"
    larger = read_image(one_bit_png(tmp_path / "larger.png", 16000, 12000), 1)
    assert larger.shape == (12000, 16000, 1)
    assert larger[::5999, ::7999, 0][:2, :2].tolist() == [[0, 0], [0, 0]]
    assert larger[-1, -1, 0] == 255


def test_s16_beyond_the_limit(tmp_path, model, capfd):
    """Beyond it: one line with file, pixels and the setting that raises the limit, which then helps."""
    photo = one_bit_png(tmp_path / "larger.png", 20000, 15000)
    line = refusal(capfd, "predict", model, photo, "--out", tmp_path / "o", "--quiet")
    for part in ("larger.png", "300000000 pixels", "250000000", "--max-pixels"):
        assert part in line
    small = one_bit_png(tmp_path / "small.png", 64, 48)
    words = ["predict", model, small, "--out", tmp_path / "o", "--device", "cpu", "--quiet", "--max-pixels"]
    assert "3072 pixels" in refusal(capfd, *words, 3071)
    assert command(capfd, *words, 3072)[0] == 0


NAMES = """
import os, sys
from vit_adapter.cli.main import main
model, photo, out, folder, sheet = sys.argv[1:]
missing = main(["predict", model, photo + ".missing", "--out", out])
data = main(["data", "check", folder, "--sheet", sheet])
print(missing, data, main(["predict", model, photo, "--out", out, "--device", "cpu"]))
"""


@pytest.mark.slow
def test_s17_names_outside_ascii(tmp_path, model, capfd):
    """Files and folders may have any name, under any locale; the label file has the same stem."""
    folder = save_pairs(tmp_path / "täst 図", {name: halves(0, 1) for name in ("фото 1", "фото 2", "b")})
    photo = folder / "images" / "фото 1.jpg"
    Image.open(folder / "images" / "фото 1.png").save(photo)
    (folder / "images" / "фото 1.png").unlink()
    (tmp_path / "ascii.jpg").write_bytes(photo.read_bytes())
    words = ["--device", "cpu", "--quiet"]
    for source, out in ((tmp_path / "ascii.jpg", "o"), (photo, "出力 ö")):
        assert command(capfd, "predict", model, source, "--out", tmp_path / out, *words)[0] == 0
    expected = (tmp_path / "o" / "ascii_labels.png").read_bytes()
    assert (tmp_path / "出力 ö" / "фото 1_labels.png").read_bytes() == expected
    parts = [open_dataset(DataConfig(root=str(folder)), part) for part in ("train", "val")]
    assert sorted(parts[0].names + parts[1].names) == ["b", "фото 1", "фото 2"]

    done = subprocess.run(
        [sys.executable, "-c", NAMES, model, photo, tmp_path / "出力 2", folder, tmp_path / "лист.png"],
        capture_output=True, check=False,
        env=os.environ | {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-3:] == [b"2", b"0", b"0"], done.stdout
    assert b"Traceback" not in done.stderr
    assert (tmp_path / "出力 2" / "фото 1_labels.png").read_bytes() == expected
    assert (tmp_path / "лист.png").is_file()


def test_s18_files_that_systems_add_to_folders(tmp_path, model, capfd):
    """Hidden files and folders and files that are no images are left out: only the pairs count."""
    folder = save_pairs(tmp_path / "data", {name: halves(0, 1) for name in "abc"})
    apple = b"\0\x05\x16\x07\0\x02\0\0Mac OS X" + bytes(4080)
    for name in ("images", "masks"):
        for stray in ("._a.jpg", "._a.png", ".DS_Store", "Thumbs.db", "desktop.ini"):
            (folder / name / stray).write_bytes(apple)
        (folder / name / ".ipynb_checkpoints").mkdir()
        (folder / name / "__MACOSX").mkdir()
        (folder / name / "__MACOSX" / "._a.png").write_bytes(apple)
        copy = (folder / name / "a.png").read_bytes()
        (folder / name / ".ipynb_checkpoints" / "a-checkpoint.png").write_bytes(copy)
    code, out, _ = command(capfd, "data", "check", folder, "--sheet", "")
    assert code == 0, out
    parts = [open_dataset(DataConfig(root=str(folder)), part) for part in ("train", "val")]
    assert sorted(parts[0].names + parts[1].names) == ["a", "b", "c"]
    words = ["--device", "cpu", "--quiet", "--out", tmp_path / "o"]
    code, _, err = command(capfd, "predict", model, folder / "images", *words)
    assert (code, err) == (0, "")
    assert len(list((tmp_path / "o").glob("*_labels.png"))) == 3


def test_s19_fractions_scaled_twice_or_never(tmp_path):
    """Floats are 0..1 and equal the bytes they stand for; larger ones are refused; bytes of 0 and 1 stay bytes."""
    image = np.random.default_rng(0).integers(0, 256, (40, 48, 3), np.uint8)
    small = varied_model()
    expected = small.predict(image)
    for kind in (np.float32, np.float64):
        np.testing.assert_array_equal(read_image((image / 255).astype(kind)), image)
    fractions = small.predict((image / 255).astype(np.float32))
    np.testing.assert_allclose(fractions.scores, expected.scores, atol=1e-6)
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    np.testing.assert_array_equal(small.predict(tensor / 255).labels, expected.labels)
    for wrong in (image.astype(np.float32), tensor.float()):
        with pytest.raises(InputError, match=f"largest value {image.max()}"):
            small.predict(wrong)
    dark = image % 2
    Image.fromarray(dark).save(tmp_path / "dark.png")
    np.testing.assert_array_equal(read_image(dark), dark)
    np.testing.assert_array_equal(small.predict(dark).scores, small.predict(tmp_path / "dark.png").scores)


@pytest.mark.slow
def test_s20_grey_and_colour_in_one_batch(tmp_path, capfd):
    """Images of any mode train in one batch; grey has three equal channels and equals its RGB copy."""
    mask = halves(0, 1, 64, 64)
    folder = save_pairs(tmp_path / "data", dict.fromkeys("abcdef", mask))
    grey = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8))
    forms = {"a": grey, "b": grey.convert("RGB"), "c": grey.convert("LA"), "d": grey.convert("P")}
    for name, image in forms.items():
        image.save(folder / "images" / f"{name}.png")
    config = DataConfig(root=str(folder), validation_share=0.2)
    same = Normalization((0, 0, 0), (1, 1, 1))
    seen = {}
    for part in ("train", "val"):
        items = TrainingSet(open_dataset(config, part), AS_STORED, same, 0)
        seen |= {items[0, i]["name"]: items[0, i]["image"] for i in range(len(items))}
    for name in forms:
        assert torch.equal(seen[name], seen["b"])
    assert torch.equal(seen["a"][0], seen["a"][1])
    assert torch.equal(seen["a"][0], seen["a"][2])
    code, _, err = command(
        capfd, "train", "--data.root", folder, *TRAINING, "--training.batch_size", 4,
        "--training.steps", 2, "--out", tmp_path / "run",
    )  # fmt: skip
    assert code == 0, err
    assert (tmp_path / "run" / "best" / "model.safetensors").is_file()
