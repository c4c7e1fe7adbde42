"""A disk that is full while a run writes (S48 c)."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from children import Child
from safetensors.torch import load_file
from stand_ins import TinyData, TinyModel, TinyTrainingSet, tiny_config

from vit_adapter.training import run_training
from vit_adapter.training.checkpoints import read_checkpoint


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


class HeavyModel(TinyModel):
    """With a part of given weight in bytes, which the loss reaches."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(size // 4))

    def loss(self, images: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        losses = super().loss(images, labels)
        losses["loss"] = losses["loss"] + self.weight.sum() * 0
        return losses


def train_heavy(out: str, size: int, **settings: Any) -> None:
    run_training(
        HeavyModel(size), TinyTrainingSet(TinyData(4)), TinyData(2), tiny_config(Path(out), **settings)
    )


def test_no_room_for_a_checkpoint(small_disk, tmp_path):
    run = small_disk / "run"
    arguments = {"out": str(run), "size": 1_000_000, "steps": 4, "validate_every": 1}
    child = Child(train_heavy, arguments, tmp_path / "output.txt")
    assert child.wait() == 2, child.text
    assert [line for line in child.text.splitlines() if line.startswith("error")] == [
        f"error: {run}/last.ckpt: cannot be written: the disk is full; free some space or choose another folder"
    ]
    assert "Traceback" not in child.text
    assert load_file(run / "best" / "model.safetensors")["weight"].numel() == 250_000
    assert not (run / "last.ckpt").exists()
    assert not [path for path in run.rglob("*") if "partial" in path.name]


def test_no_room_for_the_second_model_keeps_the_first(small_disk, tmp_path):
    run = small_disk / "run"
    arguments = {"out": str(run), "size": 300_000, "steps": 40, "validate_every": 2, "checkpoint_every": 2}
    child = Child(train_heavy, {**arguments, "learning_rate": 3e-2}, tmp_path / "output.txt")
    assert child.wait() == 2, child.text
    assert child.text.count("the disk is full") == 1, child.text
    load_file(run / "best" / "model.safetensors")
    step = read_checkpoint(run / "last.ckpt")["step"]
    # With room again the run goes on from there.
    copy = tmp_path / "run"
    subprocess.run(["cp", "-r", str(run), str(copy)], check=True)
    child = Child(train_heavy, {**arguments, "out": str(copy), "resume": True}, tmp_path / "again.txt")
    assert child.wait() == 0, child.text
    assert f"step {step}" in child.text
