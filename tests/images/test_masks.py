"""Masks are read as stored."""

import numpy as np
import pytest
from PIL import Image

from vit_adapter.config import InputError
from vit_adapter.images import read_mask

IDS = np.array([[0, 1, 2], [3, 255, 7]], np.uint8)


def save(array_or_image, path, **options):
    image = array_or_image if isinstance(array_or_image, Image.Image) else Image.fromarray(array_or_image)
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "gif", "pgm"])
def test_bytes_in_every_lossless_format(tmp_path, suffix):
    np.testing.assert_array_equal(read_mask(save(IDS, tmp_path / f"m.{suffix}")).values, IDS)


def test_sixteen_bits_are_kept(tmp_path):
    ids = np.array([[0, 300, 65535]], np.uint16)
    for name in ("m.png", "m.tif", "m.pgm"):
        values = read_mask(save(ids, tmp_path / name)).values
        assert values.tolist() == ids.tolist()
    np.save(tmp_path / "m.npy", ids)
    assert read_mask(tmp_path / "m.npy").values.dtype == np.uint16


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_give_the_stored_numbers(tmp_path, bits):
    ids = np.arange(2**bits, dtype=np.uint8)[None].repeat(2, axis=0)
    palette = Image.fromarray(ids)
    palette.putpalette(bytes(range(48)))
    assert read_mask(save(palette, tmp_path / "p.png", bits=bits)).values.tolist() == ids.tolist()
    if bits == 1:
        one_bit = save(Image.fromarray(ids.astype(bool)), tmp_path / "g.png")
        assert read_mask(one_bit).values.tolist() == ids.tolist()
        return
    grey = tmp_path / "g.png"
    grey.write_bytes(grey_png(ids, bits))
    assert read_mask(grey).values.tolist() == ids.tolist()


def grey_png(ids: np.ndarray, bits: int) -> bytes:
    """A grey PNG of 2 or 4 bits, which Pillow does not write."""
    import struct
    import zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    planes = (ids[..., None] >> np.arange(bits)[::-1]) & 1  # [H, W, bits]
    rows = b"".join(b"\0" + np.packbits(row.ravel()).tobytes() for row in planes.astype(np.uint8))
    header = struct.pack(">IIBBBBB", ids.shape[1], ids.shape[0], bits, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_palette_gives_indices_and_colours(tmp_path):
    image = Image.fromarray(np.array([[0, 2, 1]], np.uint8))
    image.putpalette([9, 8, 7, 6, 5, 4, 3, 2, 1])
    mask = read_mask(save(image, tmp_path / "m.png"))
    assert mask.values.tolist() == [[0, 2, 1]]
    assert mask.palette is not None
    assert mask.palette[:3].tolist() == [[9, 8, 7], [6, 5, 4], [3, 2, 1]]
    colours = mask.colours()
    assert colours is not None
    assert colours.tolist() == [[[9, 8, 7], [3, 2, 1], [6, 5, 4]]]


def test_rgb_is_colours_or_ids(tmp_path):
    colours = np.array([[[1, 2, 3], [4, 4, 4]]], np.uint8)
    mask = read_mask(save(colours, tmp_path / "c.png"))
    assert mask.values.tolist() == colours.tolist()
    assert not mask.equal_channels
    grey = np.repeat(IDS[..., None], 3, axis=2)
    mask = read_mask(save(grey, tmp_path / "g.png"))
    assert mask.values.tolist() == IDS.tolist()
    assert mask.equal_channels
    np.testing.assert_array_equal(mask.colours(), grey)
    with_alpha = np.concatenate([grey, np.zeros_like(grey[..., :1])], axis=2)
    assert read_mask(save(with_alpha, tmp_path / "a.png")).values.tolist() == IDS.tolist()
    assert read_mask(save(IDS, tmp_path / "i.png")).colours() is None


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_a_tag_of_its_own_is_applied(tmp_path, suffix):
    tags = Image.Exif()
    tags[0x0112] = 6
    stored = IDS if suffix != "webp" else np.repeat(IDS[..., None], 3, axis=2)
    options = {"lossless": True} if suffix == "webp" else {}
    path = save(stored, tmp_path / f"m.{suffix}", exif=tags, **options)
    np.testing.assert_array_equal(read_mask(path).values, np.rot90(IDS, -1))


def test_whole_floating_point_numbers_are_accepted(tmp_path):
    path = save(np.array([[0, 1, 2, 300]], np.float32), tmp_path / "m.tif")
    values = read_mask(path).values
    assert values.dtype.kind in "iu"
    assert values.tolist() == [[0, 1, 2, 300]]


@pytest.mark.parametrize(
    ("missing", "shown"), [(-9999.0, "-9999.0"), (np.nan, "nan"), (-3.4028235e38, "e+38")]
)
def test_missing_data_is_refused_until_it_is_named(tmp_path, missing, shown):
    path = save(np.array([[0, 1], [2, missing]], np.float32), tmp_path / "land.tif")
    with pytest.raises(InputError, match=r"land\.tif.*no_data") as caught:
        read_mask(path)
    assert shown in str(caught.value)
    assert read_mask(path, no_data=missing).values.tolist() == [[0, 1], [2, 255]]
    assert read_mask(path, no_data=missing, ignore=9).values.tolist() == [[0, 1], [2, 9]]
    with pytest.raises(InputError, match=r"land\.tif"):
        read_mask(path, no_data=7)


def test_no_data_of_whole_number_files(tmp_path):
    path = save(IDS, tmp_path / "m.png")
    assert read_mask(path, no_data=7, ignore=255).values.tolist() == [[0, 1, 2], [3, 255, 255]]
    assert read_mask(path, no_data=7, ignore=2**31 - 1).values.max() == 2**31 - 1
    # Values that a byte cannot hold are simply not there; -9999 must not become 241, nor 256 a 0.
    for absent in (-9999.0, float("nan"), 256.0, 0.5, 1e12):
        np.testing.assert_array_equal(read_mask(path, no_data=absent).values, IDS)


def test_fractions_are_refused(tmp_path):
    path = save(np.array([[0, 0.5]], np.float32), tmp_path / "half.tif")
    with pytest.raises(InputError, match=r"half\.tif.*0\.5"):
        read_mask(path)


def test_signed_negative_ids_are_refused(tmp_path):
    np.save(tmp_path / "m.npy", np.array([[0, -1]], np.int16))
    with pytest.raises(InputError, match=r"m\.npy.*-1"):
        read_mask(tmp_path / "m.npy")


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_lossy_formats_are_refused(tmp_path, suffix):
    path = save(np.repeat(IDS[..., None], 3, axis=2), tmp_path / f"m.{suffix}")
    with pytest.raises(InputError, match="lossless"):
        read_mask(path)


def test_pgm_with_another_maximum_is_refused(tmp_path):
    (tmp_path / "m.pgm").write_bytes(b"P5\n# made by hand\n3 1\n20\n\x00\x05\x14")
    with pytest.raises(InputError, match="found 20"):
        read_mask(tmp_path / "m.pgm")


def test_other_shapes_and_types_are_refused(tmp_path):
    np.save(tmp_path / "m.npy", np.zeros((4, 4, 5), np.uint8))
    with pytest.raises(InputError, match="4x4x5"):
        read_mask(tmp_path / "m.npy")
    np.save(tmp_path / "t.npy", np.array([["a"]]))
    with pytest.raises(InputError, match=r"t\.npy"):
        read_mask(tmp_path / "t.npy")
    np.save(tmp_path / "o.npy", np.array([[{}]]), allow_pickle=True)
    with pytest.raises(InputError, match=r"o\.npy"):
        read_mask(tmp_path / "o.npy")
    with pytest.raises(InputError, match="no such file"):
        read_mask(tmp_path / "none.png")
