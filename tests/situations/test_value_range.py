"""Images of more than 8 bits: which values are black and white."""

import json
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vit_adapter import InputError, Segmenter
from vit_adapter.api import evaluate
from vit_adapter.config import DataConfig, InferenceConfig
from vit_adapter.data.dataset import open_dataset
from vit_adapter.images import ImageRemarks, read_image

from .making import GREEN, RED, TRAINING, colour_model, command, halves, refusal, save_pairs
from .tiff_files import write_tiff

HEADING = "More than 8 bits per channel"
TITLES = {
    163: "Greys and colours of 12 bits in 16-bit files",
    164: "Files that say how many of their bits they use",
    165: "Nearly black 16-bit images, and a range that does not fit",
    172: "Arrays and tensors of more than 8 bits",
}
RAMP = np.linspace(0, 4095, 1024).round().astype(np.uint16).reshape(32, 32)
WANTED = np.rint(RAMP * (255 / 4095)).astype(np.uint8)
"""What a range of 0 to 4095 makes of the ramp: all 256 values."""
COLOURS = np.stack([RAMP, RAMP[::-1], RAMP.T], axis=2)


def as_png(array: np.ndarray, path: Path, significant: bytes = b"") -> Path:
    """A 16-bit PNG file of grey, RGB, RGBA or grey with alpha, with an sBIT chunk if bits are named."""
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[array.shape[2] if array.ndim == 3 else 1]

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], 16, kind, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    parts = [(b"IHDR", header), *([(b"sBIT", significant)] if significant else [])]
    parts += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))
    return path


def save_folder(root: Path, count: int = 6) -> Path:
    """Pairs whose images are 12-bit greys in 16-bit PNG files: the left half 100, the right 4000."""
    save_pairs(root, {name: halves(0, 1) for name in "abcdefgh"[:count]})
    image = np.repeat(np.where(np.arange(32) < 16, 100, 4000).astype(np.uint16)[None], 32, axis=0)
    for file in (root / "images").iterdir():
        as_png(image, file)
    return root


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("form", ["grey", "colour"])
def test_s163_all_values_are_kept(form, suffix, tmp_path):
    """With `--data.value_range "[0, 4095]"` the 4096 values become 256, not 17, of greys and of colours, from PNG and
    from TIFF; images of 8 bits stay as they are."""
    array, wanted = (RAMP, WANTED[..., None]) if form == "grey" else (COLOURS, np.rint(COLOURS / 4095 * 255))
    path = tmp_path / f"a{suffix}"
    as_png(array, path) if suffix == ".png" else write_tiff(path, [(array, {})])
    image = read_image(path, value_range=(0, 4095))
    np.testing.assert_array_equal(image, np.broadcast_to(wanted, (32, 32, 3)).astype(np.uint8))
    assert len(np.unique(read_image(path))) == 17
    Image.fromarray(WANTED).save(tmp_path / "eight.png")
    np.testing.assert_array_equal(read_image(tmp_path / "eight.png", value_range=(0, 4095))[..., 0], WANTED)


def test_s163_alpha_beside_a_range(tmp_path):
    """Alpha has its own range: fully transparent pixels become white, others keep their colour."""
    alpha = np.where(np.arange(32) < 8, 0, 65535).astype(np.uint16)[None].repeat(32, axis=0)
    for name, array in (("rgba", np.dstack([COLOURS, alpha])), ("la", np.dstack([RAMP, alpha]))):
        image = read_image(as_png(array, tmp_path / f"{name}.png"), value_range=(0, 4095))
        assert (image[:, :8] == 255).all()
        np.testing.assert_array_equal(image[:, 8:, 0], WANTED[:, 8:])


def test_s163_other_number_types(tmp_path):
    """With a range, 32-bit and floating-point images are photos too; black need not be 0."""
    for name, values in (
        ("long", RAMP.astype(np.int32) - 1000),
        ("float", RAMP.astype(np.float32) - 1000),
    ):
        Image.fromarray(values).save(tmp_path / f"{name}.tif")
        with pytest.raises(InputError, match=r"data\.value_range"):
            read_image(tmp_path / f"{name}.tif")
        image = read_image(tmp_path / f"{name}.tif", value_range=(-1000, 3095))
        np.testing.assert_array_equal(image[..., 0], WANTED)
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(tmp_path / "nan.tif")
    with pytest.raises(InputError, match="nan"):
        read_image(tmp_path / "nan.tif", value_range=(0, 1))


@pytest.mark.parametrize("flag", ["--data.value_range", "--protocol.value_range"])
def test_s163_the_range_travels_with_the_model(flag, tmp_path, capfd):
    """The range is stored with the model: training, `eval`, `predict` and `Segmenter.predict` read images alike, and a
    folder without it is read as before."""
    data = save_folder(tmp_path / "data")
    words = ["--out", tmp_path / "run", *TRAINING, "--training.steps", 1, flag, "[0, 4095]"]
    code, out, err = command(capfd, "train", "--data.root", data, *words)
    assert code == 0, err
    assert "nearly black" not in out
    stored = json.loads((tmp_path / "run" / "best" / "config.json").read_text())
    assert stored["protocol"]["value_range"] == [0, 4095]
    file = data / "images" / "a.png"
    # The images are set by hand for a model that tells 6 from 249 by colour.
    near = colour_model(
        [(6, 6, 6), (249, 249, 249)], InferenceConfig(crop=64, stride=42, value_range=(0, 4095))
    )
    assert evaluate(near, DataConfig(root=str(data)), quiet=True).scores.mIoU == 1
    result = near.predict(file)
    assert sorted(np.unique(result.image)) == [6, 249]
    code, _, err = command(capfd, "predict", tmp_path / "run", file, "--out", tmp_path / "out", "--quiet")
    assert (code, err) == (0, "")
    del stored["protocol"]["value_range"]
    (tmp_path / "run" / "best" / "config.json").write_text(json.dumps(stored))
    assert Segmenter.from_pretrained(tmp_path / "run" / "best").protocol.value_range is None
    words = ["predict", tmp_path / "run", file, "--out", tmp_path / "other", "--quiet"]
    assert "nearly black" in command(capfd, *words)[2]
    assert command(capfd, *words, "--protocol.value_range", "[0, 4095]")[::2] == (0, "")


def test_s163_predict_and_eval_with_another_range(tmp_path, capfd):
    """`eval --data.value_range` and `predict --protocol.value_range` read images of another sensor; two ranges that
    contradict each other, and a range for bands, are refused."""
    data = save_folder(tmp_path / "data")
    near = colour_model([(6, 6, 6), (249, 249, 249)])
    config = DataConfig(root=str(data), value_range=(0, 4095))
    assert evaluate(near, config, quiet=True).scores.mIoU == 1
    assert near.protocol.value_range is None
    with pytest.raises(InputError, match=r"data\.value_range is \[0, 4095\] and protocol\.value_range"):
        evaluate(near, config, protocol={"value_range": (0, 1023)}, quiet=True)
    with pytest.raises(InputError, match=r"--data\.value_range.*5 channels"):
        open_dataset(config, "train", channels=5)
    for text in ("[5, 5]", "[0, .nan]", "[10, 0]"):
        line = refusal(capfd, "train", "--data.root", data, *TRAINING, "--data.value_range", text)
        assert "data.value_range" in line
        assert ("the values of black and of white" in line) == ("nan" not in text)
    with pytest.raises(InputError, match="value_range"):
        near.predict(data / "images" / "a.png", value_range=(0, 0))


@pytest.mark.parametrize(
    "tags",
    [{281: 4095}, {341: 4095}, {270: b'<OME><Pixels SignificantBits="12"/></OME>\0'}],
    ids=["MaxSampleValue", "SMaxSampleValue", "OME"],
)
def test_s164_tiff(tags, tmp_path):
    """TIFF says it by its largest sample value (of the form 4095, 16383 ...) or by OME's significant bits."""
    for array, wanted in ((RAMP, WANTED), (COLOURS, np.rint(COLOURS / 4095 * 255)[..., 0])):
        own = {
            tag: [value] * ((array.ndim == 3 and 3) or 1) if tag != 270 else value
            for tag, value in tags.items()
        }
        image = read_image(write_tiff(tmp_path / "a.tif", [(array, own)]))
        np.testing.assert_array_equal(image[..., 0], wanted)


def test_s164_packed_twelve_bits(tmp_path):
    """TIFF of 12 bits a sample uses exactly these."""
    pairs = RAMP.reshape(32, 16, 2).astype(np.uint32)
    first, second = pairs[..., 0], pairs[..., 1]
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=2).astype(np.uint8)
    path = write_tiff(tmp_path / "a.tif", [(packed.reshape(32, 48), {256: 32, 258: 12})])
    np.testing.assert_array_equal(read_image(path)[..., 0], WANTED)


@pytest.mark.parametrize("form", ["grey", "colour"])
def test_s164_png(form, tmp_path):
    """PNG says it by its sBIT chunk: values as the sensor gave them are scaled from its bits, values that were scaled
    up to 16 bits, as the format wants it, stay."""
    array = RAMP if form == "grey" else COLOURS
    bits = b"\x0c" * (1 if form == "grey" else 3)
    raw = read_image(as_png(array, tmp_path / "raw.png", bits))
    np.testing.assert_array_equal(raw[..., 0], WANTED)
    for name, scaled in (("repeated", array << 4 | array >> 8), ("zeros", array << 4)):
        image = read_image(as_png(scaled, tmp_path / f"{name}.png", bits))
        assert abs(image[..., 0].astype(int) - WANTED).max() <= 1
        # Dark ones too, whose values all lie below 4096.
        dark = (array >> 4) << 4 if name == "zeros" else (array >> 4) << 4 | array >> 12
        np.testing.assert_array_equal(
            read_image(as_png(dark, tmp_path / "dark.png", bits)),
            read_image(as_png(dark, tmp_path / "none.png")),
        )


def test_s164_pgm(tmp_path):
    """PGM says it by its maximum, with or without the same range named."""
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5\n# camera\n32 32 4095\n" + RAMP.astype(">u2").tobytes())
    remarks = ImageRemarks()
    for value_range in (None, (0, 4095)):
        np.testing.assert_array_equal(
            read_image(path, value_range=value_range, remarks=remarks)[..., 0], WANTED
        )
    assert remarks.lines() == []


def test_s164_what_a_file_cannot_mean(tmp_path):
    """A largest value that is only what the image happens to hold, or that its pixels exceed, is not white; a range
    that is named holds against what the file says."""
    plain = read_image(write_tiff(tmp_path / "plain.tif", [(RAMP, {})]))
    for value in (3127, 1023):
        image = read_image(write_tiff(tmp_path / "a.tif", [(RAMP, {281: value})]))
        np.testing.assert_array_equal(image, plain)
    file = write_tiff(tmp_path / "a.tif", [(RAMP, {281: 4095})])
    assert read_image(file, value_range=(0, 65535)).max() == plain.max()


def test_s165_nearly_black(tmp_path, capfd):
    """16-bit images that use less than an eighth of the range are warned of in one line, with the setting to use, by
    `data check`, `train`, `predict` and `Segmenter.predict`; black frames and bright images are not."""
    data = save_folder(tmp_path / "data")
    wanted = "6 of 6 16-bit images are nearly black (largest value 4000 of 65535)"
    setting = '--data.value_range "[0, 4095]"'
    code, out, _ = command(capfd, "data", "check", data, "--sheet", "")
    text = " ".join(out.split())
    assert code == 0
    assert text.count("nearly black") == 1
    assert wanted in text
    assert setting in text
    words = ["train", "--data.root", data, "--out", tmp_path / "run", *TRAINING, "--training.steps", 1]
    code, out, err = command(capfd, *words)
    assert code == 0, err
    assert wanted in " ".join(out.split())
    _, _, err = command(
        capfd, "predict", tmp_path / "run", data / "images", "--out", tmp_path / "out", "--quiet"
    )
    assert err.count("nearly black") == 1
    assert '--protocol.value_range "[0, 4095]"' in err
    model = colour_model([RED, GREEN])
    with pytest.warns(UserWarning, match="nearly black"):
        model.predict(data / "images" / "a.png")
    code, out, _ = command(capfd, "data", "check", data, "--sheet", "", "--data.value_range", "[0, 4095]")
    assert "nearly black" not in out
    remarks = ImageRemarks()
    for name, array in (("black", RAMP * 0), ("bright", RAMP * 16)):
        read_image(as_png(array, tmp_path / f"{name}.png"), remarks=remarks)
    assert remarks.lines() == []


def test_s165_dark_colours_and_a_mixture(tmp_path):
    """Dark 16-bit colours are told by all their bits; where other images are bright, no setting is proposed."""
    remarks = ImageRemarks()
    read_image(as_png(COLOURS // 2, tmp_path / "dark.png"), remarks=remarks)
    (line,) = remarks.lines()
    assert "largest value 2047 of 65535" in line
    assert '"[0, 4095]"' in line
    read_image(as_png(RAMP * 16, tmp_path / "bright.png"), remarks=remarks)
    (line,) = remarks.lines()
    assert "1 of 2 16-bit images are nearly black" in line
    assert "value_range" not in line


def test_s165_values_outside_the_range(tmp_path):
    """More than a hundredth of the values outside a named range is warned of, with the share."""
    remarks = ImageRemarks()
    for name, largest in (("a", 4095), ("b", 60000)):
        values = np.where(RAMP > 2048, largest, RAMP).astype(np.uint16)
        read_image(as_png(values, tmp_path / f"{name}.png"), value_range=(0, 4095), remarks=remarks)
    (line,) = remarks.lines()
    assert line.startswith("1 of 2 images have values outside the range that was named")
    assert "b.png (50%)" in line


def test_s172_arrays(tmp_path):
    """`predict(array, value_range=(0, 4095))` takes whole numbers and floats of any type; a model's own range holds for
    files and whole numbers, while floats without a range are in 0..1 as ever."""
    near = colour_model([(6, 6, 6), (249, 249, 249)])
    image = np.where(np.arange(32) < 16, 100, 4000)[None].repeat(32, axis=0)
    wanted = halves(0, 1)
    for array in (
        *(
            image.astype(kind)
            for kind in (np.uint16, ">u2", np.int16, np.int32, np.int64, np.float32, np.float64)
        ),
        torch.from_numpy(image)[None].to(torch.int32),
        torch.from_numpy(image)[None].float(),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = near.predict(array, value_range=(0, 4095))
        np.testing.assert_array_equal(result.labels, wanted)
        np.testing.assert_array_equal(np.unique(result.image), [6, 249])
    own = colour_model(
        [(6, 6, 6), (249, 249, 249)], InferenceConfig(crop=64, stride=42, value_range=(0, 4095))
    )
    for array in (image.astype(np.uint16), image / 4095):
        np.testing.assert_array_equal(own.predict(array).labels, wanted)
    with pytest.warns(UserWarning, match="nearly black"):
        near.predict(image.astype(np.uint16))
    for array in (image.astype(np.int32), image.astype(np.float32)):
        with pytest.raises(InputError, match="name both"):
            near.predict(array)
