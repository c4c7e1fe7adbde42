"""What the shell around a command may be like: pipes that close, full disks, no terminal, one machine of several."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vit_adapter.cli.main import EXTRAS
from vit_adapter.config import InputError, TrainingConfig
from vit_adapter.training.engine import make_fabric

from .making import command, refusal

HEADING = "The shell around a command"
TITLES = {
    361: "Nobody reads on what is printed",
    362: "The standard output on a full disk",
    363: "No standard input",
    364: "Several machines, and nobody who starts them",
    365: "A package that is missing",
    366: "Flags that contradict each other, and values that no choice has",
    382: "A path that is empty",
    383: "A folder inside that of a run",
    384: "Asked to stop while it waits for another machine",
}

CLI = [sys.executable, "-m", "vit_adapter.cli.main"]


@pytest.mark.parametrize(
    ("words", "code"), [("zoo", 0), ("recipe own_data", 0), ("train --help", 0), ("bench --repeats 1 -x", 2)]
)
def test_s361_nobody_reads_on(words, code):
    """`vit-adapter zoo | head -1` ends without a traceback; what only prints ends with exit code 0, what works and
    could not say its result with 141, as the system's own tools."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*CLI, *words.split()], stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


def test_s361_work_whose_result_nobody_heard(monkeypatch, capfd):
    """A command that does more than printing says by its exit code that its reader had gone."""
    monkeypatch.setattr("vit_adapter.api.export", _closed_pipe)
    assert command(capfd, "export", "model", "-o", "a.onnx")[0] == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
@pytest.mark.parametrize("words", ["zoo", "recipe own_data", "help"])
def test_s362_the_output_on_a_full_disk(words):
    """What cannot be printed since the disk is full ends with one line and exit code 2."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*CLI, *words.split()], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr == (
        "vit-adapter: error: the standard output cannot be written: the disk is full; free some space or choose "
        "another folder\n"
    )


def test_s363_no_standard_input(monkeypatch, capfd):
    """`--list -` without a standard input is refused in one line."""
    from vit_adapter.api.prediction_inputs import read_path_list

    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match=r"^--list -: the standard input is closed$"):
        read_path_list("-")


def test_s364_one_machine_alone(monkeypatch):
    """Several machines without torchrun or SLURM are refused at once, by `predict` and by `train`, instead of a wait
    for ever for the others."""
    for variable in ("MASTER_ADDR", "TORCHELASTIC_RUN_ID", "SLURM_PROCID", "SLURM_NTASKS"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(InputError, match=r"^training.nodes=2: .* torchrun or SLURM"):
        make_fabric(TrainingConfig(nodes=2, devices=1, accelerator="cpu"))
    from vit_adapter.training.team import join_team

    with pytest.raises(InputError, match=r"^--nodes 2: .* torchrun or SLURM"):
        join_team(1, 2, "cpu")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_s384_asked_to_stop_while_it_waits_for_another_machine(number):
    """The first machine does not answer: the process ends at once, instead of after half an hour."""
    program = (
        "from vit_adapter.training.team import join_team\n"
        "from vit_adapter.cli.termination import ended_by_sigterm\n"
        "with ended_by_sigterm():\n"
        "    print('waits', flush=True)\n"
        "    join_team(1, 2, 'cpu')\n"
    )
    with socket.socket() as server:  # a port where nobody listens any more
        server.bind(("127.0.0.1", 0))
        port = str(server.getsockname()[1])
    environment = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "NODE_RANK": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == b"waits\n"
        time.sleep(2)
        waiting.send_signal(number)
        try:
            assert waiting.wait(timeout=20) == -number
        finally:
            waiting.kill()


@pytest.mark.parametrize(
    ("package", "words", "extra"),
    [
        ("starlette", ["serve", "model"], "serve"),
        ("starlette", ["app", "model"], "app"),
        ("lightning_fabric", ["train", "--data.root", "data"], "train"),
        ("onnxruntime", ["export", "model", "-o", "a.onnx"], "onnx"),
        ("av", ["predict", "model", "--video", "in.mp4", "-o", "out.mp4"], "video"),
    ],
)
def test_s365_a_package_that_is_missing(monkeypatch, capfd, package, words, extra):
    """One line names the package and the one extra that brings all that the command needs."""

    def missing(*_: object) -> int:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)

    monkeypatch.setattr(f"vit_adapter.cli.{words[0]}_command.run", missing)
    line = refusal(capfd, *words)
    assert line.endswith(f"{words[0]} needs the package {package!r}: pip install 'vit-adapter[{extra}]'")
    assert extra in EXTRAS.values()


def test_s366_flags_that_contradict_each_other(tmp_path, capfd):
    """A file that is to give two things, a value that no choice has, and what is missing: one line with the flag."""
    line = refusal(capfd, "export", "model", "-o", tmp_path / "a.onnx", "--argmax", "--queries")
    assert line == "vit-adapter: error: --argmax and --queries: a file gives one of them"
    line = refusal(capfd, "predict", "model", "a.png", "--probabilities", "12")
    assert line == "vit-adapter: error: --probabilities 12: expected 8 or 16"
    line = refusal(capfd, "demo", "--head", "yolo")
    assert line == "vit-adapter: error: --head yolo: expected upernet, mask2former, mask_rcnn or atss"
    assert "are required: --out" in refusal(capfd, "export", "model")
    line = refusal(capfd, "data", "convert", tmp_path, "--out", tmp_path / "out", "--line-width", "nan")
    assert line == "vit-adapter: error: --line-width nan: expected a finite number"


def test_s382_an_empty_path(tmp_path, capfd, monkeypatch):
    """An empty path, as an unset variable of the shell gives it, is refused: it is not the working folder, whose
    images would all be taken, nor the default."""
    monkeypatch.chdir(tmp_path)
    for name, words in {
        "images": ["predict", "model", ""],
        "model": ["predict", "", "a.png"],
        "out": ["predict", "model", "a.png", "--out", ""],
        "list_file": ["predict", "model", "--list", ""],
        "source": ["data", "convert", "", "--out", "new"],
    }.items():
        line = refusal(capfd, *words)
        assert line == f"vit-adapter: error: {name}: an empty path; is a variable of the shell not set?"
    assert not list(tmp_path.iterdir())


def test_s383_a_folder_inside_that_of_a_run(tmp_path, capfd):
    """`--resume` with the model in the folder of a run, or another folder in it, proposes the folder of the run."""
    (tmp_path / "run" / "best").mkdir(parents=True)
    (tmp_path / "run" / "config.yaml").write_text("data: {root: nowhere}\n")
    line = refusal(capfd, "train", "--resume", tmp_path / "run" / "best")
    assert line.endswith(f"expected the folder of a run, with config.yaml; did you mean {tmp_path / 'run'}?")


def _closed_pipe(*_: object, **__: object) -> None:
    raise BrokenPipeError
