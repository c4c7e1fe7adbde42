"""The scripts of ``examples/`` run as a newcomer runs them, one after the other in one folder, and do what they say."""

import csv
import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tiny import TINY, TINY_VIT
from vit_adapter import FCNConfig, Segmenter, SemanticResult, ViTAdapter
from vit_adapter.data.scenes import render_scene

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
TRIED = {
    "train_on_my_folder.py", "segment_my_images.py", "count_objects.py", "backbone_in_my_own_loop.py", "with_ray.py",
}  # fmt: skip


def run(name: str, folder: Path, *words: str) -> str:
    """What a script prints."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, str]:
    """A folder in which the first script ran, and what it printed."""
    folder = tmp_path_factory.mktemp("examples")
    return folder, run("train_on_my_folder.py", folder)


def test_every_script_is_tried():
    assert {file.name for file in EXAMPLES.glob("*.py")} == TRIED


def test_train_on_my_folder(trained):
    folder, printed = trained
    score = re.search(r"The best model is in runs/my_folder/best; mIoU ([\d.]+) %", printed)
    assert score is not None, printed
    assert float(score[1]) > 40  # 58 when it was written; random weights reach 5
    assert (folder / "data_check.png").is_file()


def test_segment_my_images(trained):
    folder, _ = trained
    photo = folder / "mine.jpg"
    Image.fromarray(np.full((50, 70, 3), 128, np.uint8)).save(photo)
    printed = run("segment_my_images.py", folder)
    assert len(re.findall(r"^photos/street_\d.png: \w+ \d+ %, ", printed, re.MULTILINE)) == 3
    run("segment_my_images.py", folder, "runs/my_folder", "mine.jpg")
    with Image.open(folder / "segmented" / "mine_labels.png") as labels:
        assert labels.size == (70, 50)
    assert (folder / "segmented" / "street_0_overlay.png").is_file()


def test_count_objects(tmp_path):
    run("count_objects.py", tmp_path)
    with (tmp_path / "counts.csv").open() as file:
        rows = list(csv.DictReader(file))
    truth = [
        len(np.unique(np.asarray(Image.open(tmp_path / "cells" / "instances" / Path(row["image"]).name)))) - 1
        for row in rows
    ]
    mistakes = [abs(int(row["cell"]) - count) for row, count in zip(rows, truth, strict=True)]
    assert sum(mistakes) <= 0.25 * sum(truth), (mistakes, truth)
    assert len(list((tmp_path / "counted").glob("*_overlay.png"))) == len(rows)


def test_backbone_in_my_own_loop(tmp_path):
    printed = run("backbone_in_my_own_loop.py", tmp_path)
    pixels = [float(value) for value in re.findall(r"([\d.]+) pixels", printed)]
    assert pixels[-1] < 0.6 * pixels[0], printed
    assert (tmp_path / "distance_model.pt").is_file()


def test_with_ray(tmp_path, monkeypatch):
    """Ray is large, so that only who has it runs this: label maps and shares are those of the model itself."""
    pytest.importorskip("ray")
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    model = Segmenter(
        ViTAdapter(TINY_VIT, options=TINY, img_size=64),
        FCNConfig(channels=16),
        class_names=["road", "sky", "car"],
    ).eval()
    model.save_pretrained(tmp_path / "model")
    (tmp_path / "photos" / "more").mkdir(parents=True)
    for index, name in enumerate(("a.png", "b.png", "more/c.png")):
        Image.fromarray(render_scene(index, size=(64, 64 + 16 * index)).image).save(
            tmp_path / "photos" / name
        )
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"no image")
    run("with_ray.py", tmp_path, str(tmp_path / "model"), str(tmp_path / "photos"), str(tmp_path / "out"))
    rows = {Path(row["path"]).name: row for row in parquet.read_table(tmp_path / "out").to_pylist()}
    assert set(rows) == {"a.png", "b.png", "c.png", "broken.jpg"}
    assert "image" in rows.pop("broken.jpg")["error"]
    for name, row in rows.items():
        expected = model.predict(next((tmp_path / "photos").rglob(name)))
        assert isinstance(expected, SemanticResult)
        np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(row["labels"]))), expected.labels)
        assert row["shares"] == pytest.approx([(expected.labels == label).mean() for label in range(3)])
        assert row["error"] == ""
