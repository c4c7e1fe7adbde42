"""The command line as a user meets it: processes, images and messages of one line."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tiny import TINY_FLAGS
from vit_adapter.cli.main import COMMANDS, main

TINY = [
    *TINY_FLAGS, "--model.head.auxiliary", "false", "--data.augmentation.crop", "64", "--data.workers", "0",
    "--training.batch_size", "2", "--training.accelerator", "cpu",
]  # fmt: skip


def run(*words, cwd=None, env=None):
    return subprocess.run(
        [sys.executable, "-m", "vit_adapter.cli.main", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=env,
        check=False,
    )


def one_line(done, *parts):
    """The only thing on the error stream is one line that names what is wrong."""
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    for part in parts:
        assert part in lines[0]


@pytest.fixture
def folder(tmp_path):
    """Ten images whose left part is class 0 and dark, the right part class 1 and bright."""
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (tmp_path / "mine" / name).mkdir(parents=True)
    for number in range(10):
        mask = np.zeros((48, 80), np.uint8)
        mask[:, int(rng.integers(20, 60)) :] = 7
        noise = rng.integers(0, 60, (48, 80, 3))
        image = (40 + 150 * (mask[..., None] == 7) + noise).astype(np.uint8)
        Image.fromarray(image).save(tmp_path / "mine" / "images" / f"{number}.jpg")
        Image.fromarray(mask).save(tmp_path / "mine" / "masks" / f"{number}.png")
    return tmp_path


@pytest.mark.slow
def test_help_of_every_command_answers_at_once():
    for command in COMMANDS:
        begin = time.monotonic()
        done = run(command, "--help")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("usage: vit-adapter")
        assert time.monotonic() - begin < 5  # the page itself takes a fraction of a second on a quiet machine


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["tran"], ["'tran'", "did you mean 'train'"]),
        (["train", "--data.root", "nowhere"], ["nowhere"]),
        (["train", "--training.steps", "many"], ["--training.steps", "many"]),
        (["train", "--training.stepz", "3"], ["--training.stepz"]),
        (
            ["train", "upernet_deit_adapter_tinny_512_160k_ade20k"],
            ["upernet_deit_adapter_tiny_512_160k_ade20k"],
        ),
        (["predict", "nowhere", "x.jpg"], ["nowhere"]),
        (["predict"], ["model"]),
        (["eval", "nowhere", "--data.root", "x"], ["nowhere"]),
        (["data", "chek"], ["chek"]),
        (["data", "check", "nowhere"], ["nowhere"]),
        (["recipe", "nothing"], ["nothing"]),
    ],
    ids=lambda words: " ".join(words),
)
def test_mistakes_get_one_line_and_exit_code_2(words, parts, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = main(words)
    one_line(subprocess.CompletedProcess(words, code, *capsys.readouterr()), *parts)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_mistake_ends_the_process_with_code_2(tmp_path):
    one_line(run("train", "--data.root", "nowhere", cwd=tmp_path), "nowhere")


@pytest.mark.slow
def test_train_predict_and_evaluate_on_a_folder_of_ten(folder):
    done = run(
        "train", "--data.root", "mine", *TINY, "--training.steps", 12, "--out", "run", "--quiet", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "run" / "best" / "model.safetensors").is_file()
    image = folder / "mine" / "images" / "0.jpg"
    done = run("predict", "run", image, "--out", "out", "--device", "cpu", "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    labels = np.asarray(Image.open(folder / "out" / "0_labels.png"))
    assert labels.shape == (48, 80)
    assert set(np.unique(labels)) <= {0, 7}  # the user's own values
    done = run("eval", "run", "--data.root", "mine", "--out", "measured", "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((folder / "measured" / "metrics.json").read_text())
    assert metrics["images"] == 2
    assert 0 <= metrics["mIoU"] <= 1
    assert sum(map(sum, metrics["confusion"])) == 2 * 48 * 80


@pytest.mark.slow
def test_prediction_goes_on_over_bad_files_and_keeps_equal_stems_apart(folder, tmp_path):
    done = run(
        "train", "--data.root", "mine", *TINY, "--training.steps", 2, "--out", "run", "--quiet", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    photos = folder / "photos"
    photos.mkdir()
    Image.new("RGB", (40, 30), "red").save(photos / "a.jpg")
    Image.new("RGB", (20, 10), "blue").save(photos / "a.png")
    (photos / "b.jpg").write_bytes(b"")
    done = run("predict", "run", photos, "--out", "out", "--device", "cpu", cwd=folder)
    assert done.returncode == 2
    assert done.stdout.splitlines()[-1].startswith("2 images: label maps and overlays in out (")
    assert "b.jpg" in done.stderr
    assert "Traceback" not in done.stderr
    written = sorted(path.name for path in (folder / "out").glob("*_labels.png"))
    assert written == ["a_jpg_labels.png", "a_png_labels.png"]
    assert Image.open(folder / "out" / "a_png_labels.png").size == (20, 10)


@pytest.mark.slow
def test_info_and_zoo_and_recipe():
    information = run("info").stdout
    assert all(name in information for name in ("deformable_attention", "attention_masks", "mask_matching"))
    assert "upernet_augreg_adapter_large_512_160k_ade20k" in run("zoo").stdout
    page = run("recipe", "upernet_deit_adapter_base_512_160k_ade20k")
    assert "layer_decay: 0.95" in page.stdout


def test_every_command_is_a_function(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("vit-adapter ")
    assert {
        path.stem for path in (Path(__file__).parents[2] / "src/vit_adapter/cli").glob("*_command.py")
    } == {f"{name}_command" for name in COMMANDS}
