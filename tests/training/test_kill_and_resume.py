"""SIGKILL at some moment, then resume: the run ends as if nothing had been (S45, S48), and polite signals."""

import os
import random
import shutil
import signal
import time

import pytest
import torch
from children import Child, train_slowly, wait_for_step

from vit_adapter.training.checkpoints import read_checkpoint

SETTINGS = {
    "steps": 30,
    "accumulate": 2,
    "batch_size": 2,
    "validate_every": 8,
    "checkpoint_every": 3,
    "ema_decay": 0.8,
    "workers": 2,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that was never killed, and the time it took."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    began = time.monotonic()
    child = Child(train_slowly, {"out": str(folder), **SETTINGS}, folder.parent / "output.txt")
    assert child.wait() == 0, child.text
    return folder, time.monotonic() - began


def assert_same_end(folder, whole):
    first, second = read_checkpoint(folder / "last.ckpt"), read_checkpoint(whole / "last.ckpt")
    assert first["step"] == second["step"] == SETTINGS["steps"]
    for part in ("model", "average"):
        ours = first[part] if part == "model" else first[part]["weights"]
        theirs = second[part] if part == "model" else second[part]["weights"]
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    for name, state in first["optimizer"].items():
        assert all(torch.equal(value, second["optimizer"][name][key]) for key, value in state.items()), name
    assert first["validation"] == second["validation"]
    for file in ("metrics.csv", "best/model.safetensors", "best/score.json"):
        assert (folder / file).read_bytes() == (whole / file).read_bytes(), file


@pytest.mark.slow
def test_killed_at_a_step_between_checkpoints(tmp_path, whole):
    run = tmp_path / "run"
    child = Child(train_slowly, {"out": str(run), **SETTINGS}, tmp_path / "1.txt")
    wait_for_step(run, 11)
    child.kill()
    assert read_checkpoint(run / "last.ckpt")["step"] in (9, 12)
    assert not (run / "curves.png").exists() or read_checkpoint(run / "last.ckpt")["step"] < 30
    child = Child(
        train_slowly, {"out": str(run), **SETTINGS, "workers": 0, "resume": True}, tmp_path / "2.txt"
    )
    assert child.wait() == 0, child.text
    assert "continued from" in child.text
    assert_same_end(run, whole[0])


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path, whole):
    """VIT_ADAPTER_KILLED_RUNS=10 tries as many runs, each killed up to twice."""
    folder, seconds = whole
    draws = random.Random(0)
    for number in range(int(os.environ.get("VIT_ADAPTER_KILLED_RUNS", "2"))):
        run = tmp_path / f"run {number}"
        arguments = {"out": str(run), **SETTINGS, "workers": draws.choice([0, 1, 3])}
        for attempt in range(3):
            resume = (run / "last.ckpt").exists() or (run / "previous.ckpt").exists()
            child = Child(train_slowly, {**arguments, "resume": resume}, tmp_path / f"{number} {attempt}.txt")
            time.sleep(draws.uniform(0, seconds))
            if attempt == 2 or not child.running:
                break
            child.kill()
        assert child.wait() == 0, child.text
        assert_same_end(run, folder)
        shutil.rmtree(run)


def test_killed_while_saving_always_leaves_a_checkpoint(tmp_path):  # S48 b
    draws = random.Random(1)
    run = tmp_path / "run"
    settings = {
        **SETTINGS,
        "steps": 400,
        "checkpoint_every": 1,
        "accumulate": 1,
        "validate_every": 400,
        "workers": 0,
    }
    steps = [0]
    for number in range(4):
        child = Child(
            train_slowly,
            {"out": str(run), "validation": None, **settings, "resume": number > 0},
            tmp_path / f"{number}.txt",
        )
        wait_for_step(run, steps[-1] + 2)
        time.sleep(draws.uniform(0, 0.3))
        child.kill()
        good = [path for path in (run / "last.ckpt", run / "previous.ckpt") if path.exists()]
        steps.append(read_checkpoint(good[0])["step"])
    assert steps == sorted(set(steps)), "every time it went on from where it was"
    assert steps[-1] < 400


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGINT, 130)])
def test_a_polite_signal_finishes_the_step_and_saves(tmp_path, whole, number, code):
    run = tmp_path / "run"
    child = Child(train_slowly, {"out": str(run), **SETTINGS, "checkpoint_every": 100}, tmp_path / "1.txt")
    wait_for_step(run, 4)
    child.signal(number)
    assert child.wait() == code, child.text
    step = read_checkpoint(run / "last.ckpt")["step"]
    assert 4 <= step < 30
    assert f"stopped at step {step}; continue with: vit-adapter train --resume {run}" in child.text
    assert "Traceback" not in child.text
    if number == signal.SIGTERM:
        child = Child(train_slowly, {"out": str(run), **SETTINGS, "resume": True}, tmp_path / "2.txt")
        assert child.wait() == 0, child.text
        assert_same_end(run, whole[0])
