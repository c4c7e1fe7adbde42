"""Images that are no files on disk: bytes and open files."""

import asyncio
import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from vit_adapter.config import InputError
from vit_adapter.images import read_image

from .making import BLUE, RED, colour_model, halves

HEADING = "Images in memory"
TITLES = {191: "Bytes and open files"}


def encoded(format_name: str, **settings) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(halves(RED, BLUE, 32, 64)).save(buffer, format_name, **settings)
    return buffer.getvalue()


def test_s191_bytes_and_open_files_of_every_kind(tmp_path):
    """The bytes of a file, an open file and a member of an archive are read as the file itself is, orientation
    included; open files stay open."""
    turned = Image.Exif()
    turned[0x0112] = 6
    contents = {
        "a.png": encoded("PNG"),
        "a.jpg": encoded("JPEG", exif=turned.tobytes()),
        "a.tif": encoded("TIFF"),
        "a.bmp": encoded("BMP"),
        "a.webp": encoded("WEBP", lossless=True),
        "a.ppm": encoded("PPM"),
    }
    buffer = io.BytesIO()
    np.save(buffer, halves(RED, BLUE, 32, 64))
    contents["a.npy"] = buffer.getvalue()
    model = colour_model([RED, BLUE])
    with tarfile.open(tmp_path / "all.tar", "w") as archive:
        for name, content in contents.items():
            (tmp_path / name).write_bytes(content)
            archive.add(tmp_path / name, name)
    with tarfile.open(tmp_path / "all.tar") as archive:
        for name, content in contents.items():
            expected = read_image(tmp_path / name)
            assert expected.shape == ((64, 32, 3) if name == "a.jpg" else (32, 64, 3))
            member = archive.extractfile(name)
            assert member is not None
            with (tmp_path / name).open("rb") as file:
                for source in (
                    content,
                    bytearray(content),
                    memoryview(content),
                    io.BytesIO(content),
                    file,
                    member,
                ):
                    np.testing.assert_array_equal(read_image(source), expected)
                assert not file.closed
    labels = model.predict([contents["a.png"], io.BytesIO(contents["a.tif"])])
    for result in labels:
        np.testing.assert_array_equal(result.labels, halves(0, 1, 32, 64))
    assert model.predict(contents["a.jpg"]).labels.shape == (64, 32)


def test_s191_bands_as_bytes(tmp_path):
    """Arrays of bands come from bytes, too."""
    bands = np.arange(4 * 6 * 5, dtype=np.uint16).reshape(4, 6, 5)
    buffer = io.BytesIO()
    np.save(buffer, bands)
    np.testing.assert_array_equal(read_image(buffer.getvalue(), channels=5), bands)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: b"", "image bytes: empty file (0 bytes)"),
        (lambda path: encoded("PNG")[:-20], "image bytes: truncated PNG file"),
        (lambda path: b"a.png", "image bytes: not an image but text"),
        (lambda path: io.StringIO("text"), "image file: read() gives str, expected bytes"),
        (lambda path: path.open(), "a.png: cannot be read"),
        (lambda path: closed(path), "a.png: cannot be read (read of closed file)"),
        (lambda path: Upload(), "read() gives coroutine, expected bytes"),
    ],
)
def test_s191_bytes_that_are_no_image(tmp_path, make, expected):
    """Half a file, text, an empty, closed or text-mode file and a read() to be awaited are refused in one line."""
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    with pytest.raises(InputError) as caught:
        colour_model([RED, BLUE]).predict(make(tmp_path / "a.png"))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_s191_too_many_pixels_in_bytes():
    """The limit of pixels holds for bytes before anything is decoded."""
    for content in (encoded("PNG"), encoded("TIFF")):
        with pytest.raises(InputError, match="64x32 = 2048 pixels are more than the limit of 100"):
            read_image(content, max_pixels=100)


def closed(path):
    with path.open("rb") as file:
        pass
    return file


class Upload:
    """As web frameworks hand uploads over."""

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        return b""
