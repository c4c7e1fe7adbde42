"""``predict`` by several real processes: the same files, tables and log as by one."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tiny import SMALL_MASK2FORMER, TINY, TINY_VIT
from vit_adapter import InputError, Segmenter, ViTAdapter
from vit_adapter.api.team import Team, open_team
from vit_adapter.cli.main import main
from vit_adapter.data.scenes import render_scene

CLI = ["-m", "vit_adapter.cli.main"]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """Two models, five images in two folders and one that cannot be read."""
    root = tmp_path_factory.mktemp("world")
    for name, head in (("semantic", "fcn"), ("objects", SMALL_MASK2FORMER)):
        backbone = ViTAdapter(TINY_VIT, options=TINY, img_size=64)
        Segmenter(backbone, head, class_names=["road", "sky", "car"]).save_pretrained(root / name)
    (root / "photos" / "more").mkdir(parents=True)
    for index, name in enumerate(("a.png", "b.png", "more/c.png", "more/d.png", "z.png")):
        scene = render_scene(index, size=(64, 64 + 16 * index))
        Image.fromarray(scene.image).save(root / "photos" / name)
    (root / "photos" / "broken.jpg").write_bytes(b"\xff\xd8\xff no image")
    return root


def command(model: str, out: Path, *words: str, photos: str = "photos") -> list[str]:
    return ["predict", model, photos, "--out", str(out), "--device", "cpu", "--summary", "--jsonl", *words]


def run(world: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    return subprocess.run(
        [sys.executable, *words],
        cwd=world,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def files_of(folder: Path) -> dict[str, bytes]:
    """Everything below a folder but the log, whose seconds differ."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.name != "results.jsonl"
    }


def log_of(folder: Path) -> list[dict]:
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    for line in lines:
        line.pop("seconds", None)
    return lines


@pytest.fixture(scope="module")
def alone(world) -> Path:
    """Results of one process."""
    out = world / "by one"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(world)
        assert main(command("semantic", out)) == 2
    return out


@pytest.mark.slow
def test_two_processes_leave_what_one_leaves(world, alone, tmp_path):
    done = run(world, *CLI, *command("semantic", tmp_path, "--devices", "2"))
    assert done.returncode == 2
    assert files_of(tmp_path) == files_of(alone)
    assert sorted(line["image"] for line in log_of(alone)) == sorted(
        line["image"] for line in log_of(tmp_path)
    )
    assert {line["image"]: line for line in log_of(tmp_path)} == {
        line["image"]: line for line in log_of(alone)
    }
    # The first one did half of it and speaks for both.
    assert "of process 1 of 2" in done.stderr
    assert "3/3" in done.stderr
    assert done.stderr.count("vit-adapter: error: photos/broken.jpg: damaged") == 1
    assert done.stdout.count("5 images: label maps and overlays in") == 1


@pytest.mark.slow
def test_tables_of_objects_are_joined(world, tmp_path, monkeypatch):
    words = ("--task", "instance", "--score-threshold", "0", "--min-area", "1", "--no-overlay")
    monkeypatch.chdir(world)
    assert main(command("objects", tmp_path / "one", *words)) == 2
    assert run(world, *CLI, *command("objects", tmp_path / "two", *words, "--devices", "2")).returncode == 2
    with (tmp_path / "one" / "objects.csv").open() as file:
        assert len({row["image"] for row in csv.DictReader(file)}) == 5
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


@pytest.mark.slow
def test_processes_that_torchrun_started(world, alone, tmp_path):
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    done = run(world, *launcher, *CLI, *command("semantic", tmp_path))
    assert done.returncode != 0  # the broken image
    assert files_of(tmp_path) == files_of(alone)
    assert len(log_of(tmp_path)) == 6


@pytest.mark.slow
def test_processes_that_slurm_started(world, alone, tmp_path):
    """Two tasks with the variables that srun gives them."""
    shared = {
        "SLURM_JOB_ID": "4711", "SLURM_JOB_NAME": "predict", "SLURM_NODELIST": "localhost", "SLURM_NNODES": "1",
        "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NODEID": "0", "OMP_NUM_THREADS": "1",
        "MASTER_ADDR": "127.0.0.1",
    }  # fmt: skip
    words = [sys.executable, *CLI, *command("semantic", tmp_path, "--devices", "2")]
    tasks = [
        subprocess.Popen(
            words, cwd=world, env={**os.environ, **shared, "SLURM_PROCID": number, "SLURM_LOCALID": number},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in ("0", "1")
    ]  # fmt: skip
    said = [task.communicate(timeout=300) for task in tasks]
    assert [task.returncode for task in tasks] == [2, 0], said
    assert said[1] == ("", "")
    assert files_of(tmp_path) == files_of(alone)


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on(world, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for index in range(40):
        Image.fromarray(render_scene(index, size=(96, 96)).image).save(photos / f"{index:02}.png")
    out = tmp_path / "out"
    words = [sys.executable, *CLI, *command("semantic", out, "--devices", "2", photos=str(photos))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    stopped = subprocess.Popen(words, cwd=world, env=environment, stderr=subprocess.PIPE, text=True)
    parts = [out / f"results.part-{number}.jsonl" for number in (0, 1)]
    end = time.monotonic() + 200
    while not all(part.exists() for part in parts) and time.monotonic() < end:
        time.sleep(0.05)
    children = [int(pid) for pid in _children_of(stopped.pid)]
    stopped.send_signal(signal.SIGTERM)
    _, said = stopped.communicate(timeout=60)
    assert stopped.returncode == 143, said
    assert "--skip-existing continues from there" in said
    assert children
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    before = {line["image"] for part in parts for line in map(json.loads, part.read_text().splitlines())}
    assert 0 < len(before) < 40

    done = run(world, *words[1:], "--resume")
    assert done.returncode == 0, done.stderr
    assert f"{len(before)} image" in done.stdout
    assert not any(part.exists() for part in parts)
    images = [line["image"] for line in log_of(out)]
    assert sorted(images) == [str(photos / f"{index:02}.png") for index in range(40)]
    with (out / "summary.csv").open() as file:
        assert len({row["image"] for row in csv.DictReader(file)}) == 40
    # One process takes over what parts hold as well, or begins anew.
    (out / "results.jsonl").rename(parts[1])
    assert main(command(str(world / "semantic"), out, "--resume", photos=str(photos))) == 0
    assert [line["image"] for line in log_of(out)] == images
    assert not parts[1].exists()


def _children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@pytest.mark.slow
def test_what_all_processes_refuse_is_said_once(world, tmp_path):
    (tmp_path / "results.jsonl").write_text("mine\n")
    done = run(world, *CLI, *command("semantic", tmp_path, "--devices", "2"))
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"vit-adapter: error: {tmp_path}/results.jsonl: exists already and is not a log of vit-adapter; choose another "
        "folder (--out)"
    ]


def test_numbers_that_do_not_fit(monkeypatch):
    for variable in ("TORCHELASTIC_RUN_ID", "SLURM_PROCID", "WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(variable, raising=False)
    assert type(open_team(None, 1, "auto")) is Team
    assert type(open_team("auto", 1, "cpu")) is Team
    for devices, nodes, device, message in (
        (0, 1, "cpu", "--devices 0"),
        (2, 0, "cpu", "--nodes 0"),
        (2, 1, "mps", "--device mps beside --devices 2 --nodes 1: expected auto, cpu or cuda"),
        (1, 2, "cuda:1", "--device cuda:1 beside --devices 1 --nodes 2"),
    ):
        with pytest.raises(InputError, match=message):
            open_team(devices, nodes, device)
    with monkeypatch.context() as torchrun:
        for name, value in {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}.items():
            torchrun.setenv(name, value)
        with pytest.raises(InputError, match="--devices 3: torchrun started 2 processes on this machine"):
            open_team(3, 2, "cpu")
    monkeypatch.setenv("SLURM_PROCID", "1")
    with pytest.raises(InputError, match="SLURM started several tasks of this command"):
        open_team(None, 1, "cpu")


@pytest.mark.parametrize("size", [1, 2, 3])
def test_shares_are_all_of_it_once(size):
    team = Team("cpu")
    team.size = size
    shares = []
    for team.rank in range(size):
        shares += team.share(range(7))
    assert sorted(shares) == list(range(7))
