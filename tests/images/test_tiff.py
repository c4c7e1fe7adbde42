"""Images of many bands: TIFF blocks in every arrangement, NPY files."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vit_adapter.config import InputError
from vit_adapter.images import UnreadableImageError, read_image, tiff_directory

UNCOMPRESSED, DEFLATE = 1, 8


def write_tiff(
    path, array, *, order="<", planar=False, tile=None, rows=None, compression=1, predictor=1, tags=()
):
    """A small TIFF writer that arranges bands as asked."""
    height, width, bands = array.shape
    planes = [array[..., i : i + 1] for i in range(bands)] if planar else [array]
    blocks = []
    for plane in planes:
        if tile:
            padded = np.zeros((-height % tile + height, -width % tile + width, plane.shape[2]), array.dtype)
            padded[:height, :width] = plane
            for top in range(0, height, tile):
                blocks += [padded[top : top + tile, left : left + tile] for left in range(0, width, tile)]
        else:
            blocks += [plane[top : top + (rows or height)] for top in range(0, height, rows or height)]
    data, places = b"", []
    for block in blocks:
        if predictor == 2:
            block = np.diff(block, axis=1, prepend=np.zeros_like(block[:, :1]))
        raw = block.astype(array.dtype.newbyteorder(order)).tobytes()
        if predictor == 3:
            lines = np.frombuffer(block.astype(array.dtype.newbyteorder(">")).tobytes(), np.uint8)
            lines = lines.reshape(block.shape[0], -1, array.itemsize).swapaxes(1, 2)
            lines = lines.reshape(block.shape[0], -1, block.shape[2])
            raw = np.diff(lines, axis=1, prepend=np.zeros_like(lines[:, :1])).tobytes()
        raw = zlib.compress(raw) if compression == DEFLATE else raw
        places.append((8 + len(data), len(raw)))
        data += raw + bytes(len(raw) % 2)
    sample_format = {"u": 1, "i": 2, "f": 3}[array.dtype.kind]
    entries = {
        256: [width],
        257: [height],
        258: [array.itemsize * 8] * bands,
        259: [compression],
        262: [1],
        277: [bands],
        284: [2 if planar else 1],
        317: [predictor],
        339: [sample_format] * bands,
        **dict(tags),
    }
    offsets, counts = ([place[i] for place in places] for i in (0, 1))
    entries |= {322: [tile], 323: [tile], 324: offsets, 325: counts} if tile else {}
    entries |= {273: offsets, 278: [rows or height], 279: counts} if not tile else {}
    start = 8 + len(data)
    extra_start = start + 2 + 12 * len(entries) + 4
    directory, extra = struct.pack(order + "H", len(entries)), b""
    for tag, values in sorted(entries.items()):
        packed = struct.pack(f"{order}{len(values)}I", *values)
        if len(packed) > 4:
            directory += struct.pack(order + "HHII", tag, 4, len(values), extra_start + len(extra))
            extra += packed
        else:
            directory += struct.pack(order + "HHI", tag, 4, len(values)) + packed
    header = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, start)
    path.write_bytes(header + data + directory + bytes(4) + extra)
    return path


def bands(shape, dtype):
    values = np.random.default_rng(0).random(shape) * 60000
    return (values % 256).astype(dtype) if np.dtype(dtype).itemsize == 1 else values.astype(dtype)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    count=st.sampled_from([2, 4, 5, 13]),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32]),
    order=st.sampled_from("<>"),
    planar=st.booleans(),
    arrangement=st.sampled_from([{}, {"rows": 7}, {"tile": 16}]),
    compression=st.sampled_from([UNCOMPRESSED, DEFLATE]),
    predicted=st.booleans(),
)
def test_every_arrangement_of_bands(
    tmp_path_factory, height, width, count, dtype, order, planar, arrangement, compression, predicted
):
    array = bands((height, width, count), dtype)
    predictor = 1 if not predicted else 3 if dtype == np.float32 else 2
    path = write_tiff(
        tmp_path_factory.mktemp("bands") / "a.tif",
        array,
        order=order,
        planar=planar,
        compression=compression,
        predictor=predictor,
        **arrangement,
    )
    image = read_image(path, channels=count)
    assert image.dtype == dtype
    assert image.dtype.isnative
    np.testing.assert_array_equal(image, array)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "packbits", "tiff_adobe_deflate"])
def test_files_of_another_writer(tmp_path, compression):
    array = np.random.default_rng(0).integers(0, 50, (33, 47, 4)).astype(np.uint8)
    Image.fromarray(array).save(tmp_path / "a.tif", compression=compression)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", channels=4), array)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "packbits"])
def test_beyond_pillows_limit_photos_are_the_same(tmp_path, monkeypatch, compression):
    array = np.random.default_rng(0).integers(0, 256, (33, 47, 3)).astype(np.uint8)
    path = tmp_path / "a.tif"
    Image.fromarray(array).save(path, compression=compression, tiffinfo={278: 4})
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    np.testing.assert_array_equal(read_image(path), array)
    if compression != "raw":
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        with pytest.raises(UnreadableImageError, match=r"a\.tif.*block of 564 bytes"):
            read_image(path)


def test_orientation_of_bands(tmp_path):
    array = bands((4, 6, 5), np.uint16)
    path = write_tiff(tmp_path / "a.tif", array, tags={274: [6]})
    np.testing.assert_array_equal(read_image(path, channels=5), np.rot90(array, -1))


def test_number_of_bands_is_checked(tmp_path):
    path = write_tiff(tmp_path / "five.tif", bands((4, 6, 5), np.uint8))
    with pytest.raises(InputError, match=r"five\.tif.*5 channels.*4x6x5.*x 4"):
        read_image(path, channels=4)
    with pytest.raises(InputError, match=r"five\.tif.*4x6x5"):
        read_image(path)
    photo = tmp_path / "photo.png"
    Image.fromarray(bands((4, 6, 3), np.uint8)).save(photo)
    with pytest.raises(InputError, match=r"photo\.png.*3 channels"):
        read_image(photo, channels=4)


def test_value_that_is_not_finite_is_refused(tmp_path):
    array = bands((4, 6, 5), np.float32)
    array[1, 2, 3] = np.nan
    with pytest.raises(InputError, match=r"a\.tif.*nan"):
        read_image(write_tiff(tmp_path / "a.tif", array), channels=5)


def test_cut_off_blocks_are_refused(tmp_path):
    array = bands((16, 16, 5), np.uint8)
    path = write_tiff(tmp_path / "a.tif", array, rows=4, tags={279: [80] * 4})
    data = bytearray(path.read_bytes())
    path.write_bytes(data)
    np.testing.assert_array_equal(read_image(path, channels=5), array)
    short = write_tiff(tmp_path / "b.tif", array, rows=16)
    content = short.read_bytes()
    # The strip's length, 1280, is declared as 1000.
    short.write_bytes(
        content.replace(struct.pack("<HHII", 279, 4, 1, 1280), struct.pack("<HHII", 279, 4, 1, 1000))
    )
    with pytest.raises(UnreadableImageError, match=r"b\.tif.*cut off"):
        read_image(short, channels=5)


def test_declared_size_is_checked_before_memory_is_taken(tmp_path):
    path = write_tiff(tmp_path / "a.tif", bands((4, 6, 5), np.uint8), tags={256: [60000], 257: [60000]})
    with pytest.raises(UnreadableImageError, match="60000x60000"):
        read_image(path, channels=5)


def test_bands_beyond_memory_are_refused(tmp_path):
    path = write_tiff(
        tmp_path / "a.tif", bands((4, 6, 5), np.uint8), tags={256: [10000], 257: [10000], 277: [60000]}
    )
    with pytest.raises(UnreadableImageError, match="60000 bands"):
        read_image(path, channels=5)


def test_deflate_bomb_gives_only_what_is_declared(tmp_path):
    path = write_tiff(tmp_path / "a.tif", np.zeros((64, 64, 5), np.uint8), compression=DEFLATE)
    assert read_image(path, channels=5).shape == (64, 64, 5)


def test_npy_files(tmp_path):
    for dtype in (np.uint8, np.uint16, np.float32):
        array = bands((5, 7, 6), dtype)
        np.save(tmp_path / "a.npy", array)
        image = read_image(tmp_path / "a.npy", channels=6)
        np.testing.assert_array_equal(image, array)
        assert image.dtype == dtype
        assert image.flags.writeable
    np.save(tmp_path / "b.npy", bands((5, 7, 6), np.float64))
    assert read_image(tmp_path / "b.npy", channels=6).dtype == np.float32
    np.save(tmp_path / "c.npy", np.array([[[{}]]]), allow_pickle=True)
    with pytest.raises(UnreadableImageError, match=r"c\.npy"):
        read_image(tmp_path / "c.npy", channels=1)
    with pytest.raises(InputError, match=r"a\.npy.*5x7x6"):
        read_image(tmp_path / "a.npy", channels=7)


def test_arrays_of_bands_are_taken_as_they_are():
    array = bands((5, 7, 6), np.float32)
    image = read_image(array[:, ::-1], channels=6)
    np.testing.assert_array_equal(image, array[:, ::-1])
    assert image.flags.c_contiguous


def test_orientation_block_of_every_kind():
    def block(order, value, kind=3):
        entry = struct.pack(order + "HHI", 0x0112, kind, 1) + struct.pack(order + "HH", value, 0)
        return (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, 8, 1) + entry + bytes(4)

    for order in "<>":
        for value in range(1, 9):
            assert tiff_directory.read_orientation(block(order, value)) == value
            assert tiff_directory.read_orientation(b"Exif\0\0" + block(order, value)) == value
        for value in (0, 9, 65535):
            assert tiff_directory.read_orientation(block(order, value)) == 1
    whole = block("<", 6)
    for length in range(len(whole) - 4):
        assert tiff_directory.read_orientation(whole[:length]) in (1, 6)
    assert tiff_directory.read_orientation(None) == 1
    assert tiff_directory.read_orientation(b"Exif\0\0nonsense") == 1
