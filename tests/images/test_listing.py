"""Which files count as images."""

import pytest

from vit_adapter.config import InputError
from vit_adapter.images import list_images


@pytest.fixture
def folder(tmp_path):
    for name in ("b.jpg", "a.PNG", "c.Tiff", "frame_10.png", "frame_2.png", "phone.heic", "bands.npy"):
        (tmp_path / name).write_bytes(b"x")
    for name in ("._b.jpg", ".DS_Store", "Thumbs.db", "desktop.ini", "notes.txt", "noext"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / "b.jpg").write_bytes(b"x")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "d.jpg").write_bytes(b"x")
    (tmp_path / "folder.jpg").mkdir()
    return tmp_path


def names(paths):
    return [path.name for path in paths]


def test_folder_is_listed_in_order_of_names_without_hidden_files(folder):
    expected = ["a.PNG", "b.jpg", "c.Tiff", "frame_10.png", "frame_2.png", "phone.heic"]
    assert names(list_images(folder)) == expected
    assert names(list_images(str(folder))) == expected
    assert names(list_images(folder, channels=5)) == sorted([*expected, "bands.npy"])


def test_patterns(folder):
    assert names(list_images(folder / "*.jpg")) == ["b.jpg"]
    assert names(list_images(folder / "**" / "*.jpg")) == ["b.jpg", "d.jpg"]
    assert names(list_images(folder / "frame_?.png")) == ["frame_2.png"]


def test_one_file_is_taken_whatever_its_suffix(folder):
    assert names(list_images(folder / "noext")) == ["noext"]


def test_file_whose_name_looks_like_a_pattern(tmp_path):
    (tmp_path / "a[1].jpg").write_bytes(b"x")
    assert names(list_images(tmp_path / "a[1].jpg")) == ["a[1].jpg"]


def test_nothing_to_list_is_an_error_with_the_place(folder, tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        list_images(folder / "nowhere")
    with pytest.raises(InputError, match=r"\*\.bmp"):
        list_images(folder / "*.bmp")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty.*no image"):
        list_images(tmp_path / "empty")
