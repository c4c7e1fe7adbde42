"""Every file of the collection of bad and odd images gives what its table says."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from vit_adapter.config import InputError
from vit_adapter.images import UnreadableImageError, read_image, read_mask

COLOUR, GREY = "png_named.jpg", "grey_8bit.png"  # stored without loss

# file -> (height, width), the file it looks like, largest mean difference in grey levels
PHOTOS = {
    "ok_photo.jpg": ((112, 160), COLOUR, 2),
    "grey_8bit.png": ((112, 160), GREY, 0),
    "grey_8bit.jpg": ((112, 160), GREY, 2),
    "grey_16bit.png": ((112, 160), GREY, 0),
    "grey_12bit_in_16bit.png": ((112, 160), None, 0),
    "rgb_16bit.png": ((112, 160), COLOUR, 0),
    "rgba.png": ((112, 160), COLOUR, 1),
    "grey_alpha.png": ((112, 160), GREY, 1),
    "palette.png": ((112, 160), COLOUR, 5),
    "palette_transparent.png": ((112, 160), COLOUR, 6),
    "bw_1bit.png": ((112, 160), None, 0),
    "cmyk.jpg": ((112, 160), COLOUR, 1.5),
    "progressive.jpg": ((112, 160), COLOUR, 3.5),
    "photo.bmp": ((112, 160), COLOUR, 0),
    "photo.webp": ((112, 160), COLOUR, 4),
    "photo.tif": ((112, 160), COLOUR, 0),
    "UPPER_CASE.JPG": ((112, 160), COLOUR, 3.5),
    "png_named.jpg": ((112, 160), COLOUR, 0),
    "jpeg_named.png": ((112, 160), COLOUR, 3.5),
    "animated.gif": ((112, 160), COLOUR, 5),
    "size_1x1.png": ((1, 1), None, 0),
    "strip_5x4000.png": ((4000, 5), None, 0),
    "strip_4000x5.png": ((5, 4000), None, 0),
    "odd_131x97.png": ((97, 131), None, 0),
    "all_black.png": ((96, 96), None, 0),
    "exif_upright.png": ((64, 96), "exif_upright.png", 0),
    **{f"exif_orientation_{i}.jpg": ((64, 96), "exif_upright.png", 3) for i in range(1, 9)},
    "exif_orientation_invalid_9.jpg": ((64, 96), "exif_upright.png", 3),
}

# file -> words of the message
REFUSED = {
    "truncated.jpg": "truncated",
    "truncated.png": "truncated",
    "truncated_header_only.jpg": "truncated",
    "bad_crc.png": "wrong checksum of the pixel data",
    "zero_bytes.jpg": "empty file",
    "text_named.jpg": "not an image",
    "html_named.jpg": "web page",
    "zero_width.png": "0x10",
    "bomb_declares_60000x60000.png": "3600000000 pixels",
    "bomb_real_30000x30000_1bit.png": "900000000 pixels",
}

# file -> shape, values; None: refused by the reader
MASKS = {
    "mask_ok.png": ((112, 160), {0, 1, 2, 255}),
    "mask_value_37_outside.png": ((112, 160), {0, 1, 2, 37, 255}),
    "mask_other_size_80x56.png": ((56, 80), {0, 1, 2, 255}),
    "mask_swapped_112x160.png": ((160, 112), {0, 1, 2, 255}),
    "mask_1bit.png": ((112, 160), {0, 1}),
    "mask_binary_0_255.png": ((112, 160), {0, 255}),
    "mask_rgb_colours.png": ((112, 160, 3), {0, 64, 128}),
    "mask_rgb_unknown_colour.png": ((112, 160, 3), {0, 1, 2, 3, 64, 128}),
    "mask_rgb_equal_channels.png": ((112, 160), {0, 1, 2, 255}),
    "mask_palette.png": ((112, 160), {0, 1, 2, 255}),
    "mask_palette_shuffled.png": ((112, 160), {0, 1, 2, 3}),
    "mask_16bit_instance_ids.png": ((112, 160), {0, 7, 11001, 26000}),
    "mask_grey_alpha.png": ((112, 160), {0, 1, 2, 255}),
    "mask_all_ignore.png": ((112, 160), {255}),
    "mask_all_zero.png": ((112, 160), {0}),
    "mask_lossy.jpg": None,
}


@pytest.fixture(scope="module")
def nasty(data_root):
    folder = data_root / "nasty"
    if not folder.is_dir():
        pytest.skip("VIT_ADAPTER_DATA has no folder nasty")
    return folder


@pytest.fixture(autouse=True)
def quiet():
    """Any library warning is a failure, as is a process-wide switch left behind."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings(record=True) as spoken:
        warnings.simplefilter("always")
        yield
    assert not spoken
    assert before == (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS)


def test_table_covers_every_file(nasty):
    files = {path.name for path in nasty.iterdir() if path.name != "README.md"}
    assert files == {*PHOTOS, *REFUSED, *MASKS}


@pytest.mark.parametrize("name", PHOTOS)
def test_photo_is_read(nasty, name):
    size, like, difference = PHOTOS[name]
    image = read_image(nasty / name)
    assert image.dtype == np.uint8
    assert image.shape == (*size, 3)
    assert image.flags.c_contiguous
    if like:
        other = read_image(nasty / like)
        assert np.abs(image.astype(int) - other).mean() <= difference


@pytest.mark.parametrize("name", REFUSED)
def test_bad_file_is_refused_with_its_name(nasty, name):
    with pytest.raises(UnreadableImageError) as caught:
        read_image(nasty / name)
    message = str(caught.value)
    assert "\n" not in message
    assert name in message
    assert REFUSED[name] in message


@pytest.mark.parametrize("name", REFUSED)
def test_bad_file_as_mask_stops_instead_of_being_skipped(nasty, name):
    with pytest.raises(InputError, match=name) as caught:
        read_mask(nasty / name)
    assert not isinstance(caught.value, UnreadableImageError)


@pytest.mark.parametrize("name", MASKS)
def test_mask_is_read_as_stored(nasty, name):
    if MASKS[name] is None:
        with pytest.raises(InputError, match=name):
            read_mask(nasty / name)
        return
    shape, values = MASKS[name]
    mask = read_mask(nasty / name)
    assert mask.values.shape == shape
    assert set(np.unique(mask.values).tolist()) == values
    if shape == (112, 160) and values == {0, 1, 2, 255}:
        np.testing.assert_array_equal(mask.values, read_mask(nasty / "mask_ok.png").values)


def test_colours_of_palette_masks_are_kept(nasty):
    expected = read_mask(nasty / "mask_rgb_colours.png").values
    for name in ("mask_palette.png", "mask_palette_shuffled.png"):
        np.testing.assert_array_equal(read_mask(nasty / name).colours(), expected)


def test_special_photos_have_the_right_values(nasty):
    dark = read_image(nasty / "grey_12bit_in_16bit.png")
    assert dark.max() == 16  # 4080 / 257
    assert set(np.unique(read_image(nasty / "bw_1bit.png"))) == {0, 255}
    assert not read_image(nasty / "all_black.png").any()
    # The alpha ramp is dropped; only its fully transparent first column becomes white.
    rgba, photo = read_image(nasty / "rgba.png"), read_image(nasty / COLOUR)
    assert (rgba[:, 0] == 255).all()
    np.testing.assert_array_equal(rgba[:, 1:], photo[:, 1:])


def test_half_a_file_is_refused_though_tolerant_decoding_is_on(nasty, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    for name in ("truncated.jpg", "truncated.png"):
        with pytest.raises(UnreadableImageError, match="truncated"):
            read_image(nasty / name)
    monkeypatch.undo()


def test_name_outside_ascii(nasty, tmp_path):
    folder = tmp_path / "täst 図"
    folder.mkdir()
    copy: Path = folder / "фото 1.jpg"
    copy.write_bytes((nasty / "ok_photo.jpg").read_bytes())
    np.testing.assert_array_equal(read_image(copy), read_image(nasty / "ok_photo.jpg"))
    copy.write_bytes(b"")
    with pytest.raises(UnreadableImageError, match=r"фото 1\.jpg"):
        read_image(copy)
