"""The rules of the reader, on small made images."""

import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from vit_adapter.config import InputError
from vit_adapter.images import read_image

RAMP = np.arange(256, dtype=np.uint16)[None] * 257  # 1x256, 16 bit
RAMP_8 = np.arange(256, dtype=np.uint8)[None]


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def save(array_or_image, path, **options):
    image = array_or_image if isinstance(array_or_image, Image.Image) else Image.fromarray(array_or_image)
    image.save(path, **options)
    return path


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_square_photos_in_every_format(tmp_path, suffix, orientation):
    stored = np.zeros((64, 64, 3), np.uint8)
    stored[:32, :, 0] = 255  # upper half red
    stored[:, :8, 2] = 255  # left border blue, to tell mirror images apart
    options = {"lossless": True} if suffix == "webp" else {"quality": 95} if suffix == "jpg" else {}
    path = save(stored, tmp_path / f"a.{suffix}", exif=exif(orientation), **options)
    turned = {
        1: stored,
        2: np.fliplr(stored),
        3: np.rot90(stored, 2),
        4: np.flipud(stored),
        5: np.fliplr(np.rot90(stored, -1)),
        6: np.rot90(stored, -1),
        7: np.fliplr(np.rot90(stored, 1)),
        8: np.rot90(stored, 1),
    }[orientation]
    for source in (path, Image.open(path)):
        assert np.abs(read_image(source).astype(int) - turned).mean() < 6
    image = read_image(path)
    assert ((image[..., 0] > 128) == (turned[..., 0] > 128)).all()


def test_damaged_exif_is_no_reason_to_warn_or_fail(tmp_path):
    tags = exif(6).tobytes()
    path = save(noise(16, 24, 3), tmp_path / "a.jpg", exif=tags[:-6])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(path).shape in ((16, 24, 3), (24, 16, 3))


@pytest.mark.parametrize("kind", ["png", "little-endian tiff", "big-endian tiff", "pgm", "pillow", "array"])
def test_sixteen_bits_become_eight(tmp_path, kind):
    if kind == "png":
        source = save(RAMP, tmp_path / "a.png")
    elif kind == "little-endian tiff":
        source = save(RAMP, tmp_path / "a.tif")
    elif kind == "big-endian tiff":
        source = save(Image.frombytes("I;16B", (256, 1), RAMP.astype(">u2").tobytes()), tmp_path / "a.tif")
        assert source.read_bytes()[:2] == b"MM"
    elif kind == "pgm":
        source = tmp_path / "a.pgm"
        source.write_bytes(b"P5 256 1 65535\n" + RAMP.astype(">u2").tobytes())
    elif kind == "pillow":
        source = Image.fromarray(RAMP)
    else:
        source = RAMP[..., None]
    image = read_image(source)
    np.testing.assert_array_equal(image, np.repeat(RAMP_8[..., None], 3, axis=2))


def test_sixteen_bits_are_rounded():
    assert read_image(np.array([[128, 129, 65535 - 128, 65535 - 129]], np.uint16))[0, :, 0].tolist() == [
        0,
        1,
        255,
        254,
    ]


@pytest.mark.parametrize(("values", "mode"), [(RAMP.astype(np.int32), "I"), (RAMP.astype(np.float32), "F")])
def test_photos_of_32_bits_are_refused_with_their_mode(tmp_path, values, mode):
    path = save(values, tmp_path / "wide.tif")
    with pytest.raises(InputError, match=rf"wide\.tif.* mode {mode} "):
        read_image(path)


def rgba_pair() -> tuple[np.ndarray, np.ndarray]:
    first = np.zeros((32, 32, 4), np.uint8)
    first[:, :16] = (128, 128, 128, 255)
    first[:, 16:] = (240, 30, 10, 0)
    second = first.copy()
    second[:, 16:, :3] = (1, 2, 3)
    return first, second


@pytest.mark.parametrize("kind", ["png", "webp", "tif", "pillow", "array", "tensor", "float array"])
def test_what_is_hidden_under_transparency_has_no_effect(tmp_path, kind):
    images = []
    for i, array in enumerate(rgba_pair()):
        if kind == "pillow":
            source = Image.fromarray(array)
        elif kind == "array":
            source = array
        elif kind == "tensor":
            source = torch.from_numpy(array).permute(2, 0, 1)
        elif kind == "float array":
            source = array / np.float32(255)
        else:
            options = {"lossless": True, "exact": True} if kind == "webp" else {}
            source = save(array, tmp_path / f"{i}.{kind}", **options)
        images.append(read_image(source))
    np.testing.assert_array_equal(*images)
    assert (images[0][:, :16] == 128).all()
    assert (images[0][:, 16:] == 255).all()


def test_alpha_above_zero_is_dropped_without_blending(tmp_path):
    array = noise(8, 8, 4)
    array[..., 3] = np.maximum(array[..., 3], 1)
    np.testing.assert_array_equal(read_image(save(array, tmp_path / "a.png")), array[..., :3])
    np.testing.assert_array_equal(read_image(save(array[..., 2:], tmp_path / "b.png"))[..., 1], array[..., 2])


def test_transparent_palette_entries_and_colour_keys_become_white(tmp_path):
    palette = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    palette.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    path = save(palette, tmp_path / "p.png", transparency=1)
    assert read_image(path)[0].tolist() == [[10, 20, 30], [255] * 3, [70, 80, 90]]
    assert read_image(Image.open(path))[0].tolist() == read_image(path)[0].tolist()
    grey = save(np.array([[7, 8]], np.uint8), tmp_path / "g.png", transparency=7)
    assert read_image(grey)[0].tolist() == [[255] * 3, [8] * 3]
    colour = save(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8), tmp_path / "c.png", transparency=(4, 5, 6))
    assert read_image(colour)[0].tolist() == [[1, 2, 3], [255] * 3]


def test_fractions_equal_bytes_and_other_ranges_are_refused():
    image = noise(5, 7, 3)
    for dtype in (np.float32, np.float64, np.float16):
        np.testing.assert_array_equal(read_image((image / 255).astype(dtype)), image)
    np.testing.assert_array_equal(read_image(torch.from_numpy(image).permute(2, 0, 1) / 255), image)
    image[0, 0, 0] = 255
    with pytest.raises(InputError, match=r"largest value 255; expected 0\.\.1"):
        read_image(image.astype(np.float32))
    with pytest.raises(InputError, match="smallest value -1;"):
        read_image(image / 127.5 - 1)
    with pytest.raises(InputError, match="nan"):
        read_image(np.full((2, 2, 3), np.nan))


def test_bytes_of_zeros_and_ones_stay_bytes(tmp_path):
    image = noise(6, 6, 3) % 2
    np.testing.assert_array_equal(read_image(image), image)
    np.testing.assert_array_equal(read_image(save(image, tmp_path / "a.png")), image)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, bool, complex])
def test_other_types_are_refused_by_name(dtype):
    with pytest.raises(InputError, match=np.dtype(dtype).name):
        read_image(np.zeros((3, 3, 3), dtype))


def test_shapes_that_are_no_images_are_refused():
    with pytest.raises(InputError, match="3x8x8"):
        read_image(np.zeros((3, 8, 8), np.uint8))
    with pytest.raises(InputError, match="0x8x3"):
        read_image(np.zeros((0, 8, 3), np.uint8))
    with pytest.raises(InputError, match=r"\(1, 3, 8, 8\)"):
        read_image(torch.zeros(1, 3, 8, 8))
    with pytest.raises(InputError, match="list"):
        read_image([[1, 2]])  # pyright: ignore[reportArgumentType]


def test_memory_order_of_the_source_does_not_matter():
    image = noise(10, 12, 3)
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    big = torch.from_numpy(noise(3, 20, 24))
    big[:, ::2, ::2] = tensor
    for source in (
        image[:, ::-1][:, ::-1],
        np.asfortranarray(image),
        tensor,
        tensor.contiguous(),
        big[:, ::2, ::2],
    ):
        np.testing.assert_array_equal(read_image(source), image)
    np.testing.assert_array_equal(read_image(image[:, ::-1]), image[:, ::-1].copy())
    grey = torch.from_numpy(image[..., :1]).permute(2, 0, 1).expand(3, -1, -1)
    np.testing.assert_array_equal(read_image(grey), read_image(image[..., 0]))


def test_source_is_never_changed_or_shared():
    image = noise(4, 4, 3)
    result = read_image(image)
    assert not np.shares_memory(result, image)
    result[:] = 0
    assert image.any()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_every_mode_gives_three_equal_or_true_channels(mode):
    grey = Image.fromarray(noise(8, 8))
    photo = Image.fromarray(RAMP) if mode == "I;16" else grey.convert("RGB").convert(mode)
    image = read_image(photo)
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
    if mode in ("1", "L", "LA", "RGB", "RGBA"):
        np.testing.assert_array_equal(image[..., 0], np.asarray(photo.convert("L")))
        np.testing.assert_array_equal(image[..., 0], image[..., 2])


def test_one_channel_of_colour_is_luma():
    image = noise(9, 9, 3)
    grey = read_image(image, channels=1)
    assert grey.shape == (9, 9, 1)
    np.testing.assert_array_equal(grey[..., 0], np.asarray(Image.fromarray(image).convert("L")))
