"""Resume and crash: a run that is killed at any moment ends as if nothing had been."""

import io
import json
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from children import Child, quiet_console
from PIL import Image
from rich.console import Console
from safetensors.torch import load_file
from stand_ins import TinyData, TinyModel, TinyTrainingSet, tiny_config

from vit_adapter import InputError
from vit_adapter.training import run_training
from vit_adapter.training.checkpoints import CheckpointFolder, read_checkpoint
from vit_adapter.training.metrics_table import read_table
from vit_adapter.training.schedule import Schedule

from .programs import save_for_ever, train_heavy, train_mortal
from .training_parts import ConstantScores, Images, bars, noise, run, tiny_run, tiny_segmenter


def kill_and_resume(tmp_path: Path, die_before: int, **settings) -> tuple[list[str], list[str]]:
    """Logs of a whole run and of one that was killed and resumed; the weights at their end are compared."""
    train_mortal(str(tmp_path / "whole"), str(tmp_path / "whole.txt"), **settings)
    arguments = {"out": str(tmp_path / "run"), "log": str(tmp_path / "run.txt"), **settings}
    child = Child(train_mortal, {**arguments, "die_before": die_before}, tmp_path / "output.txt")
    assert child.wait(240) == -9, child.text
    done = read_checkpoint(tmp_path / "run" / "last.ckpt")["step"] * settings.get("accumulate", 1)
    first = (tmp_path / "run.txt").read_text().splitlines()
    assert len(first) == die_before - 1
    train_mortal(**arguments, resume=True)
    second = (tmp_path / "run.txt").read_text().splitlines()[len(first) :]
    ends = [read_checkpoint(tmp_path / name / "last.ckpt")["model"] for name in ("whole", "run")]
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())
    return (tmp_path / "whole.txt").read_text().splitlines(), first[:done] + second


@pytest.mark.parametrize(
    ("die_before", "settings"),
    [
        (6, {}),
        (8, {"workers": 3}),
        (14, {"accumulate": 2}),  # between the two passes of step 7
    ],
    ids=["after step 5", "after step 7, 3 workers", "inside an accumulated step"],
)
@pytest.mark.slow
def test_s45_killed_in_the_middle_of_a_pass(tmp_path, die_before, settings):
    """A resumed run goes on with the very next image and ends with the same weights, bit for bit on the CPU."""
    settings = {"steps": 12, "batch_size": 1, "checkpoint_every": 5, **settings}
    whole, resumed = kill_and_resume(tmp_path, die_before, **settings)
    assert resumed == whole
    assert len(whole) == 12 * settings.get("accumulate", 1)
    assert len({line.split()[1] for line in whole[:10]}) == 10  # every image once in the first pass


@pytest.mark.slow
def test_s46_the_best_score_is_forgotten(tmp_path):
    """Best score, best model and the patience of early stopping survive a restart."""
    settings = {"steps": 60, "validate_every": 5, "checkpoint_every": 5, "early_stopping": 3, "peaking": True}
    kill_and_resume(tmp_path, 26, **settings)
    for name in ("whole", "run"):
        score = json.loads((tmp_path / name / "best" / "score.json").read_text())
        assert score == {"step": 20, "mIoU": 1.0}
        assert int(load_file(tmp_path / name / "best" / "model.safetensors")["passes"]) == 20
        assert read_checkpoint(tmp_path / name / "last.ckpt")["step"] == 35
    weights = [(tmp_path / name / "best" / "model.safetensors").read_bytes() for name in ("whole", "run")]
    assert weights[0] == weights[1]


def train_tiny(out: Path, **settings) -> str:
    torch.manual_seed(0)
    output = io.StringIO()
    console = Console(file=output, width=200)
    run_training(
        TinyModel(), TinyTrainingSet(TinyData(4)), None, tiny_config(out, **settings), console=console
    )
    return output.getvalue()


def test_s47_a_longer_run_from_an_old_checkpoint(tmp_path):
    """The rate is a function of step and length: a longer run follows its own schedule at once, and says so."""
    train_tiny(tmp_path / "run", steps=20, warmup_steps=2)
    told = train_tiny(tmp_path / "run", steps=40, warmup_steps=2, resume=True)
    rates = [float(row["learning_rate"]) for row in read_table(tmp_path / "run" / "metrics.csv")[1]]
    assert len(rates) == 40
    assert rates[20] == pytest.approx(0.5e-2)  # half of the base
    schedule = Schedule(40, 2)
    assert rates[20:] == pytest.approx([schedule.rate(1e-2, step) for step in range(20, 40)])
    assert "training.steps: 20 -> 40" in told
    assert "0.005 in the next step" in told
    with pytest.raises(InputError, match=r"40 steps are done, but training\.steps=30"):
        train_tiny(tmp_path / "run", steps=30, resume=True)


def test_s48_checkpoint_cut_short(tmp_path):
    """A damaged checkpoint is named, and the run goes on from the one before; without one it is refused in a line."""
    train_tiny(tmp_path / "run", steps=6, checkpoint_every=2)
    last = tmp_path / "run" / "last.ckpt"
    last.write_bytes(last.read_bytes()[: last.stat().st_size // 2])
    told = train_tiny(tmp_path / "run", steps=8, checkpoint_every=2, resume=True)
    assert f"{last}: cut short or damaged" in told
    assert "previous.ckpt (step 4)" in told
    assert read_checkpoint(last)["step"] == 8
    (tmp_path / "run" / "previous.ckpt").unlink()
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"last\.ckpt: cut short or damaged \(1000 bytes\)") as error:
        train_tiny(tmp_path / "run", steps=8, resume=True)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_s48_killed_while_saving(tmp_path):
    """Whatever moment a run is killed at, one of its two checkpoints can be loaded."""
    draws, steps = random.Random(0), [0]
    for attempt in range(20):
        child = Child(save_for_ever, {"folder": str(tmp_path)}, tmp_path / "output.txt")
        began = time.monotonic()
        while not (tmp_path / "last.ckpt").exists() and time.monotonic() - began < 60:
            time.sleep(0.005)
        time.sleep(draws.uniform(0, 0.4 if attempt == 0 else 0.2))
        child.kill()
        checkpoint, _ = CheckpointFolder(tmp_path).load()
        assert bool((checkpoint["model"]["weight"] == checkpoint["step"]).all())
        steps.append(checkpoint["step"])
    assert steps == sorted(steps)
    assert steps[-1] > 5


@pytest.mark.slow
def test_s48_no_room_for_a_checkpoint(small_disk, tmp_path):
    """A full disk ends the run with one line; the best model stays, and no partial file is left."""
    folder = small_disk / "run"
    arguments = {"out": str(folder), "size": 1_000_000, "steps": 4, "validate_every": 1}
    child = Child(train_heavy, arguments, tmp_path / "output.txt")
    assert child.wait(240) == 2, child.text
    assert [line for line in child.text.splitlines() if line.startswith("error")] == [
        f"error: {folder}/last.ckpt: cannot be written: the disk is full; free some space or choose another folder"
    ]
    assert "Traceback" not in child.text
    assert load_file(folder / "best" / "model.safetensors")["weight"].numel() == 250_000
    assert not (folder / "last.ckpt").exists()
    assert not [path for path in folder.rglob("*") if "partial" in path.name]


@pytest.mark.slow
def test_s48_no_room_for_the_second_model(small_disk, tmp_path):
    """What was written before stays whole, and with room again the run goes on from there."""
    folder = small_disk / "run"
    arguments = {"out": str(folder), "size": 300_000, "steps": 40, "validate_every": 2, "checkpoint_every": 2}
    child = Child(train_heavy, {**arguments, "learning_rate": 3e-2}, tmp_path / "output.txt")
    assert child.wait(240) == 2, child.text
    assert child.text.count("the disk is full") == 1, child.text
    load_file(folder / "best" / "model.safetensors")
    step = read_checkpoint(folder / "last.ckpt")["step"]
    copy = tmp_path / "run"
    subprocess.run(["cp", "-r", str(folder), str(copy)], check=True)
    child = Child(train_heavy, {**arguments, "out": str(copy), "resume": True}, tmp_path / "again.txt")
    assert child.wait(240) == 0, child.text
    assert f"step {step}" in child.text


@pytest.mark.parametrize(
    ("model", "training", "message"),
    [
        ({"frozen": "vit"}, {}, r"model\.vit\.frozen was None and is vit now"),
        ({}, {"layer_decay": 0.9}, r"training\.layer_decay was None and is 0\.9 now"),
        ({"auxiliary": False}, {}, r"the first that is missing now: auxiliary_head\."),
        ({"head_channels": 8}, {}, r"head\..* has shape .* the model's is"),
    ],
    ids=["frozen", "layer decay", "without auxiliary head", "another width"],
)
@pytest.mark.slow
def test_s49_optimiser_memory_matched_by_position(tmp_path, model, training, message):
    """Another frozen part, layer decay or set of trained weights is refused, naming the setting and both values."""
    out = tmp_path / "run"
    config = tiny_run(out, steps=2)
    source = Images(noise(2, 32), [bars(0, 1, 2, side=32)] * 2)
    segmenter = tiny_segmenter(config)
    # What counts is the checkpoint; the run itself need not be long.
    run(segmenter, source, replace(config, training=replace(config.training, steps=1)))
    changed = tiny_run(out, model, steps=3, resume=True, **training)
    with pytest.raises(InputError, match=message):
        run(tiny_segmenter(changed), source, changed)


class Exchanged(TinyModel):
    """Two parameters of one shape, in this order or the other; training breaks off at a given pass."""

    def __init__(self, order: str, break_at: int = 0) -> None:
        torch.manual_seed(0)
        super().__init__()
        for name in order:
            self.register_parameter(name, torch.nn.Parameter(torch.full((3,), 0.5)))
        self.break_at = break_at

    def loss(self, images, labels, divisor=None):
        if int(self.passes) + 1 == self.break_at:
            raise InterruptedError
        losses = super().loss(images, labels, divisor)
        losses["loss"] = losses["loss"] + (self.a**2).sum() - 3 * self.b.sum()
        return losses


def test_s49_parameters_in_another_order(tmp_path):
    """The optimiser's memory follows the names of parameters, never their numbers."""

    def train(name: str, model: TinyModel, **settings) -> dict:
        config = tiny_config(tmp_path / name, steps=6, checkpoint_every=3, **settings)
        run_training(model, TinyTrainingSet(TinyData(4)), None, config, console=quiet_console())
        return read_checkpoint(tmp_path / name / "last.ckpt")

    whole = train("whole", Exchanged("ab"))
    with pytest.raises(InterruptedError):
        train("run", Exchanged("ab", break_at=4))
    resumed = train("run", Exchanged("ba"), resume=True)
    assert not torch.equal(whole["optimizer"]["a"]["exp_avg"], whole["optimizer"]["b"]["exp_avg"])
    for name in ("a", "b", "head.weight"):
        assert torch.equal(resumed["optimizer"][name]["exp_avg"], whole["optimizer"][name]["exp_avg"])
        assert torch.equal(resumed["model"][name], whole["model"][name])


SCAN = """
import hashlib, sys
from pathlib import Path
from vit_adapter.config import DataConfig
from vit_adapter.data.conversion import convert_labelme
from vit_adapter.data.dataset import open_dataset
root = Path(sys.argv[1])
convert_labelme(root / "drawn", root / "data")
digest = hashlib.sha256()
for part in ("train", "val"):
    data = open_dataset(DataConfig(root=str(root / "data")), part)
    for index in range(len(data)):
        digest.update(data.read(index).labels.tobytes())
print(*data.classes.names, digest.hexdigest())
"""


@pytest.mark.slow
def test_s50_order_of_classes_out_of_a_set(tmp_path):
    """Classes found by a scan are sorted, so hash seeds and the order of files on disk change no class number."""
    told = []
    for seed, order in enumerate(((0, 1, 2, 3), (3, 1, 0, 2), (2, 3, 1, 0))):
        root = tmp_path / str(seed)
        (root / "drawn").mkdir(parents=True)
        for number in order:
            name = ("tree", "car", "road", "sky")[number]
            Image.new("RGB", (16, 16)).save(root / "drawn" / f"{number}.png")
            points = [[2, 2], [2, 2 + number + 4], [9, 9], [9, 2]]
            drawing = {"imagePath": f"{number}.png", "imageHeight": 16, "imageWidth": 16, "imageData": None}
            drawing["shapes"] = [{"label": name, "points": points, "shape_type": "polygon"}]
            (root / "drawn" / f"{number}.json").write_text(json.dumps(drawing))
        done = subprocess.run(
            [sys.executable, "-c", SCAN, str(root)],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told.append(done.stdout)
    assert told[0].split()[-5:-1] == ["car", "road", "sky", "tree"]
    assert told[0] == told[1] == told[2]


def test_s50_another_class_list_on_resume(tmp_path):
    """A class list that differs from the checkpoint's is an error that names the first difference."""
    labels = [bars(0, 1, side=8)] * 2

    def train(names: tuple[str, ...], **settings) -> None:
        model = ConstantScores([0.0, 1.0])
        model.class_names = names
        run(model, Images(noise(2, 8), labels, classes=2), tiny_run(tmp_path / "run", **settings))

    train(("car", "road"), steps=2)
    with pytest.raises(
        InputError, match="class 1 was 'road' and is 'tree' now; expected the same class list"
    ):
        train(("car", "tree"), steps=4, resume=True)
