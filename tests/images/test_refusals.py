"""Limits, and files that are no images: one line each, nothing else."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFile

from vit_adapter.config import InputError
from vit_adapter.images import UnreadableImageError, read_image


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def save(array_or_image, path, **options):
    image = array_or_image if isinstance(array_or_image, Image.Image) else Image.fromarray(array_or_image)
    image.save(path, **options)
    return path


@pytest.mark.parametrize(("width", "height"), [(12000, 9000), (16000, 12000)])
@pytest.mark.slow
def test_large_honest_images_are_read_without_a_word(tmp_path, width, height, capfd):
    path = save(Image.new("1", (width, height)), tmp_path / "large.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(path, channels=1).shape == (height, width, 1)
    assert capfd.readouterr() == ("", "")


def test_pixel_limit_is_the_tools_own_and_can_be_set(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    path = save(noise(20, 30, 3), tmp_path / "a.png")
    assert read_image(path).shape == (20, 30, 3)
    with pytest.raises(UnreadableImageError, match="600 pixels are more than the limit of 599"):
        read_image(path, max_pixels=599)
    tiff = save(noise(20, 30, 3), tmp_path / "a.tif")
    np.testing.assert_array_equal(read_image(tiff), read_image(path))
    with pytest.raises(UnreadableImageError, match="30x20"):
        read_image(tiff, max_pixels=599)
    assert Image.MAX_IMAGE_PIXELS == 10


NOT_IMAGES = {
    "pointer.png": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "Git LFS"),
    "page.jpg": (b"\n<!DOCTYPE html><html>404", "web page"),
    "movie.avi": (b"RIFF\x10\0\0\0AVI LIST" + bytes(50), "a video, expected an image"),
    "movie.mp4": (b"\0\0\0\x18ftypisom" + bytes(50), "a video, expected an image"),
    "movie.jpg": (b"\0\0\0\x18ftypmp42" + bytes(50), "a video, expected an image"),
    "phone.heic": (b"\0\0\0\x18ftypheic" + bytes(50), "JPEG, PNG, TIFF"),
    "zeros.png": (bytes(200), "JPEG, PNG, TIFF"),
    "letters.jpg": ("täst".encode() * 30, "text"),
    "bare.bmp": (b"BM", "damaged or truncated BMP"),
    "bare.gif": (b"GIF89a", "damaged or truncated GIF"),
    "bare.webp": (b"RIFF\x10\0\0\0WEBPVP8 ", "damaged or truncated WEBP"),
    "bare.tif": (b"II*\0\x08\0\0\0", "damaged TIFF"),
    "bare.png": (b"\x89PNG\r\n\x1a\n", "truncated PNG"),
    "bare.npy": (b"\x93NUMPY", "NPY"),
}


@pytest.mark.parametrize("name", NOT_IMAGES)
def test_files_that_are_no_images_say_what_they_are(tmp_path, name):
    content, words = NOT_IMAGES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableImageError) as caught:
        read_image(tmp_path / name)
    message = str(caught.value)
    assert name in message
    assert words in message
    assert "\n" not in message


def test_real_video_is_named_as_such(tmp_path):
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 12.5, (32, 32))
    if not writer.isOpened():
        pytest.skip("this OpenCV cannot write AVI")
    for _ in range(3):
        writer.write(noise(32, 32, 3))
    writer.release()
    with pytest.raises(UnreadableImageError, match="a video, expected an image"):
        read_image(path)


def test_missing_file_and_folder_are_input_errors_but_not_skippable(tmp_path):
    for path, words in ((tmp_path / "no.jpg", "no such file"), (tmp_path, "a folder")):
        with pytest.raises(InputError, match=words) as caught:
            read_image(path)
        assert not isinstance(caught.value, UnreadableImageError)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "bmp", "gif", "webp"])
def test_every_cut_and_every_flipped_byte_is_an_answer(tmp_path, suffix):
    """Whatever is done to a file, it is an image of the declared kind or one line; nothing else escapes."""
    buffer = io.BytesIO()
    names = {"jpg": "JPEG", "tif": "TIFF"}
    Image.fromarray(noise(16, 16, 3)).save(buffer, names.get(suffix, suffix.upper()))
    whole = buffer.getvalue()
    rng = np.random.default_rng(1)
    path = tmp_path / f"a.{suffix}"
    answers = []
    # Recorded, not raised: a raised warning would be taken for a decoder's error.
    with warnings.catch_warnings(record=True) as spoken:
        warnings.simplefilter("always")
        for _ in range(60):
            data = bytearray(whole)
            if rng.random() < 0.5:
                del data[rng.integers(1, len(data)) :]
            else:
                data[rng.integers(0, min(len(data), 200))] ^= 1 << rng.integers(0, 8)
            path.write_bytes(data)
            try:
                image = read_image(path)
            except InputError as error:
                answers.append(str(error))
            else:
                assert image.dtype == np.uint8
                assert image.ndim == 3
    assert not spoken
    assert len(answers) > 10
    assert not any("\n" in message for message in answers)


def test_lazily_opened_half_image_is_refused(tmp_path):
    path = save(noise(64, 64, 3), tmp_path / "a.jpg", quality=95)
    path.write_bytes(path.read_bytes()[:3000])
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    with pytest.raises(UnreadableImageError, match=r"a\.jpg"):
        read_image(Image.open(path))


@pytest.mark.parametrize(("block", "words"), [(b"IDAT", "the pixel data"), (b"IHDR", "the block IHDR")])
def test_damaged_png_blocks_are_named_in_words(tmp_path, block, words):
    file = tmp_path / "a.png"
    Image.fromarray(np.zeros((5, 5, 3), np.uint8)).save(file)
    data = bytearray(file.read_bytes())
    # The last byte of the chunk: of the header the interlace method, whose checksum no longer fits.
    start = data.index(block)
    data[start + 3 + int.from_bytes(data[start - 4 : start], "big")] ^= 1
    file.write_bytes(data)
    with pytest.raises(UnreadableImageError, match=rf"wrong checksum of {words}\)$"):
        read_image(file)
