"""Nothing half-written is left behind, and every failure is one line that names the file."""

import errno
import os
import subprocess
import sys

import pytest

from vit_adapter.config import InputError
from vit_adapter.config.files import write_atomically


def test_the_file_appears_whole_and_alone(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    assert write_atomically(path, lambda place: place.write_text("hello")) == path
    assert path.read_text() == "hello"
    assert list(path.parent.iterdir()) == [path]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_an_error_of_the_writer_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def broken(place):
        place.write_text("half")
        raise KeyError("writer")

    with pytest.raises(KeyError):
        write_atomically(path, broken)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_leaves_nothing(tmp_path):
    def interrupted(place):
        assert place.suffix == ".png"
        assert place.name.startswith(".")
        place.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a.png", interrupted)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_named(tmp_path):
    def full(place):
        place.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(InputError, match=r"a\.txt: cannot be written: the disk is full"):
        write_atomically(tmp_path / "a.txt", full)
    assert not list(tmp_path.iterdir())


def test_a_real_size_limit_is_one_line(tmp_path):
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from vit_adapter.config.files import write_atomically\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_atomically(sys.argv[1], lambda place: place.write_bytes(bytes(5000)))\n"
    )
    path = tmp_path / "model.safetensors"
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True)
    last = done.stderr.strip().splitlines()[-1]
    assert last.endswith(f"{path}: cannot be written: file too large")
    assert not list(tmp_path.iterdir())


def test_a_folder_or_file_in_the_way_is_named(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="folder: cannot be written"):
        write_atomically(tmp_path / "folder", lambda place: place.write_text("x"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be written"):
        write_atomically(tmp_path / "file" / "a.txt", lambda place: place.write_text("x"))


def test_an_error_about_another_file_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "a.txt", lambda place: (tmp_path / "absent").read_text())
    assert not list(tmp_path.iterdir())


def test_a_writer_within_a_writer_names_the_file_that_was_asked_for(tmp_path):
    """Export writes by a function that makes its own temporary file: the message names neither of them."""

    def full(place):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(place))

    with pytest.raises(InputError) as caught:
        write_atomically(tmp_path / "model.onnx", lambda place: write_atomically(place, full))
    assert str(caught.value).startswith(f"{tmp_path / 'model.onnx'}: cannot be written: the disk is full")
    assert list(tmp_path.iterdir()) == []
