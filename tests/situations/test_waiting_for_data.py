"""A batch that never comes: killed and crashed workers, full shared memory, signals while the run waits."""

import ctypes
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from children import Child, quiet_console
from stand_ins import TinyData, TinyModel, TinyTrainingSet, tiny_config
from torch.utils.data import get_worker_info

from vit_adapter.training import run_training, shared_memory
from vit_adapter.training.checkpoints import read_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")

HEADING = "Waiting for data"

TITLES = {
    221: "A loader worker is killed",
    222: "Shared memory smaller than a batch",
    223: "Asked to stop while it waits for data",
    224: "A loader worker crashes",
}

STEPS = 6


class Troubled(TinyTrainingSet):
    """Something happens at the fifth image that is read.

    Args:
        trouble: "kill" (once, in a worker), "crash" (in a worker) or "wait" (for ever).
        marker: File that says that it happened.
    """

    def __init__(self, trouble: str, marker: Path) -> None:
        super().__init__(TinyData(20))
        self.trouble, self.marker = trouble, marker

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        """A sample, or trouble."""
        in_worker = get_worker_info() is not None
        if self.trouble == "wait" and key in self.late:
            self.marker.touch()
            time.sleep(1000)
        elif in_worker and self.trouble and key in self.late and not self.marker.exists():
            if self.trouble == "kill":
                self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL if self.trouble == "kill" else signal.SIGSEGV)
        return super().__getitem__(key)

    late: frozenset[tuple[int, int]] = frozenset()


def late_keys() -> frozenset[tuple[int, int]]:
    """Keys of the images of step 3."""
    from vit_adapter.training.sampler import SampleOrder, StepSampler

    return frozenset(StepSampler(SampleOrder(20, 0), 2, 1, 0, STEPS).step_keys(3))


def train_troubled(out: str, trouble: str, workers: int, console: Any = None) -> None:
    """A run that meets it."""
    torch.manual_seed(0)
    source = Troubled(trouble, Path(f"{out}.marker"))
    source.late = late_keys()
    config = tiny_config(Path(out), steps=STEPS, workers=workers, checkpoint_every=100)
    run_training(TinyModel(), source, None, config, console=console)


def same_end(first: Path, second: Path) -> bool:
    """Whether two runs ended with the same weights."""
    states = [read_checkpoint(run / "last.ckpt") for run in (first, second)]
    assert [state["step"] for state in states] == [STEPS, STEPS]
    return all(torch.equal(value, states[1]["model"][name]) for name, value in states[0]["model"].items())


@pytest.fixture
def whole(tmp_path):
    """The folder of a run without trouble."""
    train_troubled(str(tmp_path / "whole"), "", 0, quiet_console())
    return tmp_path / "whole"


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_s221_a_loader_worker_is_killed(tmp_path, whole, workers):
    """The run goes on from the very next step with fewer workers, or none, says so, and ends with the same weights."""
    run = tmp_path / "run"
    child = Child(
        train_troubled, {"out": str(run), "trouble": "kill", "workers": workers}, tmp_path / "o.txt"
    )
    assert child.wait(60) == 0, child.text
    (line,) = [line for line in child.text.splitlines() if "killed" in line]
    assert re.match(r"step [0-3]: a worker process was killed \(SIGKILL\)", line)
    assert "continuing with " + ("no workers" if workers == 1 else "1 worker") in line
    assert "Traceback" not in child.text
    assert same_end(run, whole)


def train_in_little_memory(out: str, size: str, surprise: bool) -> None:
    """A run in a mount of its own; exit code 77 where that is not allowed."""
    new_mounts = 0x20000
    if ctypes.CDLL(None).unshare(new_mounts) != 0:
        os._exit(77)
    for command in (
        ["mount", "--make-rprivate", "/"],
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", "/dev/shm"],
    ):
        if subprocess.run(command, capture_output=True, check=False).returncode:
            os._exit(77)
    if surprise:  # another program takes the room behind the look at the start
        shared_memory.free_shared_memory = lambda: 10**12
    train_troubled(out, "", 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "surprise", "line"),
    [
        ("64k", False, "continuing with no workers; a container gets more with --shm-size"),
        ("240k", False, "continuing with 1 worker; a container gets more with --shm-size"),
        ("88k", True, "a batch does not fit into shared memory"),
        ("32k", True, "workers cannot be started (no space left on device)"),
    ],
    ids=["for none", "for one worker", "noticed on the way", "not even for locks"],
)
def test_s222_shared_memory_smaller_than_a_batch(tmp_path, whole, size, surprise, line):
    """What batches need is held against the free room at the start; too little means fewer workers and a line, also
    where the room goes on the way."""
    run = tmp_path / "run"
    arguments = {"out": str(run), "size": size, "surprise": surprise}
    child = Child(train_in_little_memory, arguments, tmp_path / "o.txt")
    code = child.wait(60)
    if code == 77:
        pytest.skip("no right to mount a small file system here")
    assert code == 0, child.text
    assert child.text.count(line) == 1, child.text
    assert "Traceback" not in child.text
    assert same_end(run, whole)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_s223_asked_to_stop_while_it_waits_for_data(tmp_path, workers, number, code):
    """The first SIGINT or SIGTERM ends the run within seconds, with a checkpoint of the last step that was done."""
    run = tmp_path / "run"
    child = Child(
        train_troubled, {"out": str(run), "trouble": "wait", "workers": workers}, tmp_path / "o.txt"
    )
    began = time.monotonic()
    while not (Path(f"{run}.marker").exists() and "\n3," in read(run / "metrics.csv")):
        assert time.monotonic() - began < 60, child.text
        time.sleep(0.02)
    child.signal(number)
    began = time.monotonic()
    assert child.wait(30) == code, child.text
    assert time.monotonic() - began < 8
    assert read_checkpoint(run / "last.ckpt")["step"] == 3
    assert "stopped at step 3" in child.text
    assert "Traceback" not in child.text


def read(path: Path) -> str:
    """A file that may not be there yet."""
    return path.read_text() if path.exists() else ""


@pytest.mark.slow
def test_s224_a_loader_worker_crashes(tmp_path):
    """A worker that ends by itself (a decoder that crashes) ends the run in seconds, with one line that names the
    image that it was reading."""
    run = tmp_path / "run"
    child = Child(train_troubled, {"out": str(run), "trouble": "crash", "workers": 2}, tmp_path / "o.txt")
    assert child.wait(30) == 2, child.text
    (line,) = [line for line in child.text.splitlines() if "error: " in line]
    names = [f"image {index}" for _, index in late_keys()]
    assert re.search(r"error: step [0-3]: a worker process ended by SIGSEGV while it read image \d+$", line)
    assert line.endswith(tuple(names))
    assert "Traceback" not in child.text
