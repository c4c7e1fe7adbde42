"""Going on with a run: the printed command, moved folders, finished runs, other data."""

import io
import json
import os
import re
import shlex
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from children import Child, train_slowly, wait_for_step
from rich.console import Console
from safetensors.torch import load_file
from stand_ins import TinyData, TinyModel, TinyTrainingSet, tiny_config

from vit_adapter import InputError
from vit_adapter.cli.main import main
from vit_adapter.config import AugmentationConfig, DataConfig
from vit_adapter.data.dataset import open_dataset
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.evaluation import measure
from vit_adapter.training import run_training
from vit_adapter.training.checkpoints import CheckpointFolder, read_checkpoint
from vit_adapter.training.metrics_table import read_table

from .making import TRAINING, command, halves, refusal, save_pairs
from .training_parts import save_part

pytestmark = pytest.mark.usefixtures("one_thread")

HEADING = "Going on with a run"

TITLES = {
    225: "The command printed for continuing",
    226: "Continuing from another place",
    227: "Going on with a finished run",
    228: "Going on with other data",
    230: "Two runs with one folder",
    231: "The run's folder is deleted meanwhile",
    232: "Asked to stop twice",
    233: "Asked to stop during a validation",
}


def typed(folder: str, words: list[str]) -> None:
    """A command in a working folder."""
    os.chdir(folder)
    raise SystemExit(main(words))


def in_process(capfd, monkeypatch, folder: Path, *words) -> tuple[int, str, str]:
    """The same without a process of its own."""
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    return command(capfd, *words)


def printed_command(text: str) -> list[str]:
    """The words behind the last "continue with"."""
    line = next(line for line in reversed(text.splitlines()) if "continue with: " in line)
    words = shlex.split(line.split("continue with: ")[1])
    assert words[:2] == ["vit-adapter", "train"]
    return words[1:]


@pytest.fixture
def work(tmp_path):
    """A working folder with data in it, which are named relative to it."""
    masks = {f"image {number}": halves(0, 1, 32, 32 + 4 * number) for number in range(6)}
    save_pairs(tmp_path / "work here" / "data", masks)
    return tmp_path / "work here"


def weights(run: Path) -> dict[str, torch.Tensor]:
    """Of the last checkpoint."""
    return read_checkpoint(run / "last.ckpt")["model"]


STEPS = 20
SETTINGS = [
    "--data.root",
    "data",
    *TRAINING,
    "--training.learning_rate",
    "0.002",
    "--training.validate_every",
    "100",
]


@pytest.mark.slow
def test_s225_the_command_printed_for_going_on(work, tmp_path, capfd, monkeypatch):
    """What an interrupted run prints is the whole command, which goes on from any working folder with the run's own
    settings and ends with the weights of a run that was not interrupted."""
    steps = ["--training.steps", "14"]
    code, _, err = in_process(capfd, monkeypatch, work, "train", *SETTINGS, *steps, "--out", "runs/whole")
    assert code == 0, err
    words = ["train", *SETTINGS, *steps, "--out", "runs/stopped"]
    child = Child(typed, {"folder": str(work), "words": words}, tmp_path / "o.txt")
    wait_for_step(work / "runs" / "stopped", 2)
    child.signal(signal.SIGTERM)
    assert child.wait() == 143, child.text
    assert 2 <= read_checkpoint(work / "runs" / "stopped" / "last.ckpt")["step"] < 14
    hint = printed_command(child.text)
    assert hint == ["train", "--resume", str(work / "runs" / "stopped")]
    code, out, err = in_process(capfd, monkeypatch, tmp_path / "elsewhere", *hint)
    assert code == 0, err
    assert "changed" not in out
    whole, resumed = (weights(work / "runs" / name) for name in ("whole", "stopped"))
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    assert list((tmp_path / "elsewhere").iterdir()) == []


class Breaking(TinyModel):
    """Breaks off at the fifth forward pass."""

    def loss(self, *args, **settings):
        """One forward pass."""
        if int(self.passes) == 4:
            raise InputError("something cannot be used")
        return super().loss(*args, **settings)


def test_s225_the_command_printed_after_a_failure(tmp_path):
    """A run that fails prints the command too, and so does one that is refused because its folder holds a run."""
    output = io.StringIO()
    config = tiny_config(tmp_path / "my run", steps=6, checkpoint_every=2)
    with pytest.raises(InputError, match="something cannot be used"):
        run_training(
            Breaking(), TinyTrainingSet(TinyData(4)), None, config, console=Console(file=output, width=300)
        )
    assert "last.ckpt (step 4) is kept" in output.getvalue()
    assert printed_command(output.getvalue()) == ["train", "--resume", str(tmp_path / "my run")]
    with pytest.raises(InputError) as refused:
        run_training(TinyModel(), TinyTrainingSet(TinyData(4)), None, config)
    assert f"vit-adapter train --resume '{tmp_path / 'my run'}'" in str(refused.value)


@pytest.mark.slow
def test_s226_going_on_from_another_place(work, tmp_path, capfd, monkeypatch):
    """A run folder that was moved, data that were moved (their new place is named) and the older form of the command
    go on as well; what is given beside it changes the run's settings."""
    run = work / "runs" / "one"
    steps = ["--training.steps", "2"]
    assert in_process(capfd, monkeypatch, work, "train", *SETTINGS, *steps, "--out", "runs/one")[0] == 0
    moved = tmp_path / "moved"
    (work / "runs" / "one").rename(moved)
    (work / "data").rename(tmp_path / "other data")
    line = refusal(capfd, "train", "--resume", moved, "--training.steps", "3")
    assert f"{work / 'data'}: there is no such folder (--data.root)" in line
    monkeypatch.chdir(tmp_path)
    more = ["--data.root", "other data", "--training.steps"]
    code, out, err = command(capfd, "train", "--resume", "moved", *more, "3")
    assert code == 0, err
    assert "training.steps: 2 -> 3" in out
    assert "training.learning_rate" not in out
    assert not run.exists()
    code, out, err = command(capfd, "train", "--resume", moved / "last.ckpt", "--training.steps", "4")
    assert code == 0, err
    code, out, err = command(capfd, "train", "--out", moved, "--resume", "--training.steps=5")
    assert code == 0, err
    assert read_checkpoint(moved / "last.ckpt")["step"] == 5
    for words, part in (
        (["--resume", "nowhere"], "nowhere: not there"),
        (["--resume", tmp_path / "other data"], "no settings of a run in it"),
        (["--resume", moved, "--out", "other"], "two folders"),
    ):
        assert part in refusal(capfd, "train", *words)


@pytest.mark.slow
def test_s227_going_on_with_a_finished_run(work, capfd, monkeypatch):
    """It says that it is finished and changes nothing; with more steps it goes on."""
    words = ["--training.steps", "2", "--out", "run"]
    assert in_process(capfd, monkeypatch, work, "train", *SETTINGS, *words)[0] == 0
    before = {path: path.read_bytes() for path in (work / "run").rglob("*") if path.is_file()}
    code, out, err = command(capfd, "train", "--resume", "run")
    assert code == 0, err
    assert "the run is finished, at step 2" in out
    assert before == {path: path.read_bytes() for path in (work / "run").rglob("*") if path.is_file()}
    code, out, err = command(capfd, "train", "--resume", "run", "--training.steps", "3")
    assert code == 0, err
    assert read_checkpoint(work / "run" / "last.ckpt")["step"] == 3


def save_data(root: Path, seed: int = 0, exchanged: bool = False) -> Path:
    """Four images and two for validation; files of one kind have one size."""
    for part, count in (("train", 4), ("val", 2)):
        images, masks = [], []
        for number in range(count):
            draws = np.random.default_rng([seed, number])
            labels = draws.integers(0, 2, (4, 4)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
            images.append(labels[..., None] * 150 + draws.integers(0, 50, (32, 32, 3), np.uint8))
            masks.append(1 - labels if exchanged else labels)
        save_part(root, images, masks, part, ".tif")
    return root


def train_on(root: Path, out: Path, **settings) -> tuple[str, dict]:
    """What a run of a tiny model says, and its ``score.json``."""
    torch.manual_seed(0)
    data = DataConfig(root=str(root), workers=0)
    parts = {part: open_dataset(data, part) for part in ("train", "val")}
    augmentation = AugmentationConfig(crop=32, scale_range=(1.0, 1.0), photometric=False)
    model = TinyModel(classes=parts["train"].classes)
    source = TrainingSet(parts["train"], augmentation, model.protocol.normalization, 0)
    output = io.StringIO()
    config = tiny_config(out, validate_every=10, **settings)
    run_training(model, source, parts["val"], config, console=Console(file=output, width=300))
    return output.getvalue(), json.loads((out / "best" / "score.json").read_text())


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A run on a folder, long enough to learn something, and its score."""
    folder = tmp_path_factory.mktemp("learned")
    save_data(folder / "data")
    _, score = train_on(folder / "data", folder / "run", steps=STEPS, learning_rate=3e-2)
    return folder, score


@pytest.fixture
def trained(learned, tmp_path):
    """A copy of it, to be changed."""
    for name in ("data", "run"):
        shutil.copytree(learned[0] / name, tmp_path / name)
    return tmp_path, learned[1]


def changes(text: str) -> list[str]:
    """Notes about the data."""
    return re.findall(r"changed: ((?:training|validation) (?:images|masks).*)", text)


def test_s228_classes_exchanged_in_all_masks(trained):
    """Masks with other content under the same names and sizes are noticed by the content of some of them; the best
    score, which is of other masks, is measured anew."""
    folder, score = trained
    shutil.rmtree(folder / "data" / "masks")
    save_data(folder / "data", exchanged=True)
    told, again = train_on(folder / "data", folder / "run", steps=STEPS + 1, learning_rate=3e-2, resume=True)
    content = "other content under the same names and sizes"
    assert changes(told) == [
        f"training masks: {content} (4 of 4 looked into)",
        f"validation masks: {content} (2 of 2 looked into); the best score is measured again on them",
    ]
    assert again["mIoU"] != score["mIoU"]


def test_s228_only_the_validation_part_is_replaced(trained):
    """The old best score does not stay for ever: the best model's score on the new images takes its place."""
    folder, score = trained
    best = folder / "run" / "best"
    kept = shutil.copytree(best, folder / "kept")
    for kind in ("images", "masks"):
        shutil.rmtree(folder / "data" / kind / "val")
        shutil.copytree(
            save_data(folder / "other", 7, exchanged=True) / kind / "val", folder / "data" / kind / "val"
        )
    model = TinyModel(classes=open_dataset(DataConfig(root=str(folder / "data")), "val").classes)
    model.load_state_dict(load_file(kept / "model.safetensors"))
    expected = measure(
        model.eval(), open_dataset(DataConfig(root=str(folder / "data")), "val"), progress=False
    )
    told, again = train_on(folder / "data", folder / "run", steps=STEPS + 1, learning_rate=1e-9, resume=True)
    assert [line.split(":")[0] for line in changes(told)] == ["validation images", "validation masks"]
    last = [float(row["mIoU"]) for row in read_table(folder / "run" / "metrics.csv")[1] if row["mIoU"]][-1]
    assert again["mIoU"] == pytest.approx(max(float(expected.scores.mIoU), last), abs=1e-6)
    assert again["mIoU"] != score["mIoU"]
    assert read_checkpoint(folder / "run" / "last.ckpt")["validation"]["best_score"] == again["mIoU"]


def test_s228_other_files_and_the_same_ones_elsewhere(trained):
    """Other names or sizes are noted; the same files in another folder, and a checkpoint of an older version, which
    knows nothing of its data, are not."""
    folder, score = trained
    (folder / "data").rename(folder / "moved")
    told, again = train_on(folder / "moved", folder / "run", steps=STEPS, learning_rate=3e-2, resume=True)
    assert "finished" in told
    assert changes(told) == []
    assert again == score
    for file in (folder / "moved").rglob("*/train/0.*"):
        file.rename(file.with_stem("another"))
    told, _ = train_on(folder / "moved", folder / "run", steps=STEPS, learning_rate=3e-2, resume=True)
    lines = [
        f"training {kind}: other files than before (names or sizes differ)" for kind in ("images", "masks")
    ]
    assert changes(told) == lines
    checkpoint = read_checkpoint(folder / "run" / "last.ckpt")
    del checkpoint["run"]["data"]
    torch.save(checkpoint, folder / "run" / "last.ckpt")
    told, _ = train_on(folder / "moved", folder / "run", steps=STEPS, learning_rate=3e-2, resume=True)
    assert changes(told) == []


@pytest.mark.slow
def test_s230_two_runs_with_one_folder(tmp_path):
    """The second run is refused with one line while the first one writes, also where it wants to go on with it; when
    the first one was killed, the next goes on at once."""
    arguments = {"out": str(tmp_path / "run"), "steps": 400, "checkpoint_every": 1, "workers": 2}
    first = Child(train_slowly, arguments, tmp_path / "1.txt")
    wait_for_step(tmp_path / "run", 2)
    second = Child(train_slowly, {**arguments, "resume": True}, tmp_path / "2.txt")
    assert second.wait() == 2, second.text
    assert "another run is writing into this folder" in second.text
    assert "Traceback" not in second.text
    assert first.running
    first.kill()
    done = CheckpointFolder(tmp_path / "run").load()[0]["step"]
    third = Child(train_slowly, {**arguments, "resume": True}, tmp_path / "3.txt")
    wait_for_step(tmp_path / "run", done + 2)
    third.kill()


class Deleting(TinyModel):
    """Deletes the run's folder in the fifth forward pass."""

    def __init__(self, folder: Path) -> None:
        torch.manual_seed(0)
        super().__init__()
        self.folder = folder

    def loss(self, *args, **settings):
        """One forward pass."""
        if int(self.passes) == 4:
            shutil.rmtree(self.folder)
        return super().loss(*args, **settings)


def test_s231_the_folder_is_deleted_meanwhile(tmp_path):
    """It is made again with settings, all rows, the next checkpoint and a best model, and a line says so."""
    output = io.StringIO()
    config = tiny_config(tmp_path / "run", steps=8, checkpoint_every=2, validate_every=4)
    model = Deleting(tmp_path / "run")
    run_training(
        model, TinyTrainingSet(TinyData(4)), TinyData(2), config, console=Console(file=output, width=300)
    )
    assert "was deleted or renamed while the run wrote into it; made again at step 5" in output.getvalue()
    assert read_checkpoint(tmp_path / "run" / "last.ckpt")["step"] == 8
    rows = read_table(tmp_path / "run" / "metrics.csv")[1]
    assert [row["step"] for row in rows] == [str(step) for step in range(1, 9)]
    assert (tmp_path / "run" / "best" / "model.safetensors").exists()
    assert (tmp_path / "run" / "config.yaml").exists()


class Slow(TinyModel):
    """One forward pass takes a minute, from the fourth on."""

    def loss(self, *args, **settings):
        """One forward pass."""
        if int(self.passes) == 3:
            Path(os.environ["MARKER"]).touch()
            for _ in range(600):
                time.sleep(0.1)
        return super().loss(*args, **settings)


def train_very_slowly(out: str) -> None:
    """A run that is in a long step."""
    config = tiny_config(Path(out), steps=6, checkpoint_every=1)
    run_training(Slow(), TinyTrainingSet(TinyData(4)), None, config)


@pytest.mark.slow
def test_s232_asked_to_stop_twice(tmp_path):
    """The first signal waits for the step, the second ends the run at once; the checkpoint before stays whole."""
    marker = tmp_path / "marker"
    child = Child(train_very_slowly, {"out": str(tmp_path / "run")}, tmp_path / "o.txt", MARKER=str(marker))
    began = time.monotonic()
    while not marker.exists():
        assert time.monotonic() - began < 60, child.text
        time.sleep(0.02)
    child.signal(signal.SIGTERM)
    time.sleep(0.5)
    assert child.running
    child.signal(signal.SIGTERM)
    assert child.wait(10) == -signal.SIGTERM
    assert read_checkpoint(tmp_path / "run" / "last.ckpt")["step"] == 3


class Asking(TinyModel):
    """Asks its own process to end while the second validation is under way."""

    asks = False

    def predict(self, image, **options):
        """Labels; the signal comes before those of step 6."""
        if self.asks and int(self.passes) == 6:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().predict(image, **options)


@pytest.mark.slow
def test_s233_asked_to_stop_during_a_validation(tmp_path):
    """The validation is broken off and a checkpoint written at once; when the run goes on, that validation comes first,
    and all ends as if nothing had been."""

    def train(name: str, asks: bool = False, **settings) -> None:
        torch.manual_seed(0)
        model = Asking()
        model.asks = asks
        config = tiny_config(tmp_path / name, steps=9, validate_every=3, ema_decay=0.8, **settings)
        source = TinyTrainingSet(TinyData(6))
        run_training(model, source, TinyData(3), config, console=Console(file=io.StringIO()))

    train("whole")
    with pytest.raises(SystemExit) as stopped:
        train("run", asks=True)
    assert stopped.value.code == 143
    state = read_checkpoint(tmp_path / "run" / "last.ckpt")
    assert (state["step"], state["validation"]["due"]) == (6, True)
    assert json.loads((tmp_path / "run" / "best" / "score.json").read_text())["step"] == 3
    train("run", resume=True)
    whole, resumed = (read_checkpoint(tmp_path / name / "last.ckpt") for name in ("whole", "run"))
    assert all(torch.equal(value, resumed["model"][name]) for name, value in whole["model"].items())
    assert resumed["validation"] == whole["validation"]
    for file in ("metrics.csv", "best/model.safetensors", "best/score.json"):
        assert (tmp_path / "run" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), file
