"""Where tests find real data (folders named by environment variables), and which rooms they are about."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from rooms import rooms_of

# A shell that starts the suite in the background lets it ignore Ctrl-C, and every process that it starts.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples everywhere and at every run; a busy machine is no failure.
settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test with the rooms that it is about."""
    for item in items:
        record = getattr(item, "callspec", None) and item.callspec.params.get("record")  # pyright: ignore
        for room in rooms_of(item.path, getattr(record, "area", None)):
            item.add_marker(room)


def _roots(variable: str) -> list[Path]:
    return [Path(part) for part in os.environ.get(variable, "").split(os.pathsep) if part]


def _first(variable: str, what: str) -> Path:
    for root in _roots(variable):
        if root.is_dir():
            return root
    pytest.skip(f"{variable} names no folder with {what}")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of real images and masks (``camvid``, ``ade20k``, ``photos``, ``nasty`` ...)."""
    return _first("VIT_ADAPTER_DATA", "real images")


@pytest.fixture(scope="session")
def weights_root() -> Path:
    """Folder of real pretrained weights."""
    return _first("VIT_ADAPTER_WEIGHTS", "pretrained weights")


@pytest.fixture(scope="module")
def one_thread():
    """Processes of their own run on one thread; with more, sums are rounded differently."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MB; needs the right to mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("no right to mount a small file system here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
