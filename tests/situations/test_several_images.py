"""Files that hold several images: none but the first would be looked at."""

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vit_adapter import InputError
from vit_adapter.images import ImageRemarks, read_image, read_mask

from .making import GREEN, RED, TRAINING, colour_model, command, found_errors, halves, refusal, save_pairs
from .tiff_files import write_tiff

HEADING = "Several images in one file"
TITLES = {
    161: "Pages and frames, as image and as mask",
    162: "Overviews, thumbnails and previews",
}


def frames(count: int = 3, size: int = 32) -> list[np.ndarray]:
    """Masks of 0 and 1 that differ."""
    masks = []
    for number in range(count):
        mask = np.zeros((size, size), np.uint8)
        mask[:, : 8 * (number + 1)] = 1
        masks.append(mask)
    return masks


def save_frames(path: Path, count: int = 3) -> Path:
    """Several images in a file of the kind that its suffix says."""
    arrays = frames(count)
    if path.suffix == ".pgm":
        path.write_bytes(b"".join(b"P5\n# frame\n32 32\n255\n" + array.tobytes() for array in arrays))
        return path
    first, *others = [Image.fromarray(array) for array in arrays]
    options = {".webp": {"lossless": True}}.get(path.suffix, {})
    first.save(path, save_all=True, append_images=others, **options)
    return path


KINDS = [".tif", ".gif", ".png", ".webp", ".pgm"]


@pytest.mark.parametrize("suffix", KINDS)
def test_s161_a_mask_of_several_images(suffix, tmp_path, capfd):
    """A mask with several pages or frames (TIFF, GIF, animated PNG and WebP, PGM) is refused with their number, by
    `data check`, before training, and in Python."""
    data = save_pairs(tmp_path / "data", {name: halves(0, 1) for name in "abcdef"})
    (data / "masks" / "b.png").unlink()
    file = save_frames(data / "masks" / f"b{suffix}")
    wanted = f"{file}: holds 3 images (pages or frames), and nothing says which of them is the mask"
    assert wanted in found_errors(capfd, data)
    assert wanted in refusal(capfd, "train", "--data.root", data, "--out", tmp_path / "run", *TRAINING)
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="holds 3 images"):
        read_mask(file)


@pytest.mark.parametrize("suffix", KINDS)
def test_s161_an_image_of_several(suffix, tmp_path, capfd):
    """Of an image the first is read, with a warning that names the file and the number: by `data check`, by training
    before it starts, by `predict`, and by `Segmenter.predict`."""
    data = save_pairs(tmp_path / "data", {name: halves(0, 1) for name in "abcdef"})
    (data / "images" / "b.png").unlink()
    file = save_frames(data / "images" / f"b{suffix}")
    wanted = f"{file}: holds 3 images (pages or frames), of which the first is read"
    code, out, _ = command(capfd, "data", "check", data, "--sheet", "")
    assert code == 0
    assert f"warning: {wanted}" in out
    words = ["--out", tmp_path / "run", *TRAINING, "--training.steps", 1, "--dry-run"]
    code, out, err = command(capfd, "train", "--data.root", data, *words)
    assert code == 0, err
    assert wanted in " ".join(out.split())
    model = colour_model([RED, GREEN])
    with pytest.warns(UserWarning, match="holds 3 images"):
        model.predict(file)
    first = np.repeat(frames()[0][..., None], 3, axis=2)
    np.testing.assert_array_equal(read_image(file) > 0, first > 0)


def test_s161_predict_names_them_in_one_line(tmp_path, capfd, monkeypatch):
    """Thousands of such files give one line."""
    from vit_adapter import api

    for number in range(5):
        save_frames(tmp_path / f"{number}.gif", 2 + number)
    Image.fromarray(frames()[0]).save(tmp_path / "single.png")
    api.predict(colour_model([RED, GREEN]), [tmp_path], tmp_path / "out", quiet=True)
    lines = [line for line in capfd.readouterr().err.splitlines() if "images" in line]
    assert len(lines) == 1
    assert lines[0].startswith(
        "warning: 5 files hold several images (pages or frames), of which the first is read: "
    )
    assert "0.gif (2), " in lines[0]
    assert lines[0].endswith(" and 2 more")
    assert "single" not in lines[0]


def test_s161_a_stack_in_a_single_page(tmp_path):
    """A stack that ImageJ wrote as one page is counted too; a text that the file's size contradicts is not believed."""
    arrays = frames(3)
    text = b"ImageJ=1.53t\nimages=3\nslices=3\n\0"
    stack = write_tiff(tmp_path / "stack.tif", [(arrays[0], {270: text})])
    page = stack.read_bytes()
    with pytest.raises(InputError, match="holds 3 images"):
        # As ImageJ does: header and directory first, then the images behind each other.
        read_mask(_with_pixels_last(stack, page, b"".join(array.tobytes() for array in arrays)))
    alone = write_tiff(tmp_path / "alone.tif", [(arrays[0], {270: text})])
    np.testing.assert_array_equal(read_mask(alone).values, arrays[0])


def _with_pixels_last(path: Path, page: bytes, pixels: bytes) -> Path:
    """A TIFF file whose strip is moved to its end."""
    where = page.index((273).to_bytes(2, "little") + b"\4\0\1\0\0\0")
    changed = page[: where + 8] + len(page).to_bytes(4, "little") + page[where + 12 :]
    path.write_bytes(changed + pixels)
    return path


@pytest.mark.parametrize(
    "tags", [{254: 1}, {255: 2}, {254: 4}, {}], ids=["reduced", "old tag", "transparency mask", "unmarked"]
)
def test_s162_overviews(tags, tmp_path):
    """Smaller copies in a TIFF file (pyramids, thumbnails, with or without a mark) and transparency masks are no
    further images: the file is read as image and as mask without a word."""
    mask = np.kron(np.arange(4, dtype=np.uint8).reshape(2, 2), np.ones((31, 48), np.uint8))
    smaller = [(mask[::step, ::step], tags) for step in ((1,) if tags == {254: 4} else (2, 4, 8))]
    file = write_tiff(tmp_path / "pyramid.tif", [(mask, {}), *smaller])
    np.testing.assert_array_equal(read_mask(file).values, mask)
    remarks = ImageRemarks()
    np.testing.assert_array_equal(read_image(file, remarks=remarks)[..., 0], mask)
    assert remarks.lines() == []
    pages = write_tiff(tmp_path / "pages.tif", [(mask, {}), (mask, {}), *smaller])
    with pytest.raises(InputError, match="holds 2 images"):
        read_mask(pages)


def test_s162_overviews_in_sub_directories(tmp_path):
    """So are overviews in sub-directories."""
    mask = frames()[0]
    file = write_tiff(tmp_path / "a.tif", [(mask, {330: 0}), (mask, {})])
    with pytest.raises(InputError, match="holds 2 images"):
        read_mask(file)
    data = bytearray(file.read_bytes())
    start = int.from_bytes(data[4:8], "little")
    link = start + 2 + 12 * int.from_bytes(data[start : start + 2], "little")
    entry = data.index((330).to_bytes(2, "little") + b"\4\0\1\0\0\0", start)
    data[entry + 8 : entry + 12], data[link : link + 4] = data[link : link + 4], bytes(4)
    file.write_bytes(data)
    np.testing.assert_array_equal(read_mask(file).values, mask)


@pytest.mark.parametrize("kind", ["MPO", "thumbnail"])
def test_s162_phones(kind, tmp_path):
    """The further images of a phone's photo (MPO, EXIF thumbnail) are no reason to warn."""
    photo = Image.fromarray(halves(RED, GREEN, 64, 64))
    if kind == "MPO":
        photo.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[photo.resize((16, 16))])
    else:
        buffer = io.BytesIO()
        photo.resize((16, 16)).save(buffer, "JPEG")
        write_tiff(
            tmp_path / "exif", [(frames()[0], {}), (frames()[1], {513: 8, 514: len(buffer.getvalue())})]
        )
        photo.save(tmp_path / "a.jpg", exif=(tmp_path / "exif").read_bytes() + buffer.getvalue())
    remarks = ImageRemarks()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(tmp_path / "a.jpg", remarks=remarks).shape == (64, 64, 3)
        colour_model([RED, GREEN]).predict(tmp_path / "a.jpg")
    assert remarks.lines() == []


def test_s162_damage_behind_the_first_page(tmp_path):
    """A chain of pages that leads in a circle or beyond the end of the file is no reason to refuse the first."""
    mask = frames()[0]
    for name, following in (("circle", 8 + mask.nbytes), ("beyond", 10**6)):
        file = write_tiff(tmp_path / f"{name}.tif", [(mask, {})])
        file.write_bytes(file.read_bytes()[:-4] + following.to_bytes(4, "little"))
        np.testing.assert_array_equal(read_mask(file).values, mask)
