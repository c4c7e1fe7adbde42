"""Files are readable for whom the user's umask says."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vit_adapter import api
from vit_adapter.config import DataConfig
from vit_adapter.config.files import write_atomically
from vit_adapter.training.checkpoints import CheckpointFolder
from vit_adapter.training.validation import save_model

from .making import command, halves, save_pairs, varied_model

HEADING = "Files that others are to read"
TITLES = {
    205: "Results that only their maker may read",
    341: "Folders and weights that may not be read",
}


def _modes(folder: Path) -> dict[str, int]:
    """Permissions of everything below a folder, by name."""
    return {
        str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in sorted(folder.rglob("*"))
    }


@pytest.fixture(params=[0o022, 0o027, 0o002], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_s205_every_file_follows_the_umask(tmp_path, umask, capfd):
    """Weights, cards, checkpoints, results, reports and converted data get the permissions that the umask says."""
    root, out = save_pairs(tmp_path / "data", {"a": halves(0, 1), "b": halves(1, 2)}), tmp_path / "out"
    model = varied_model()
    model.save_pretrained(out / "model")
    save_model(model, out / "run" / "best", {"step": 1})
    files = CheckpointFolder(out / "run")
    for step in (1, 2):
        files.save({"step": step, "optimizer": {}, "version": 1})
    api.predict(model, [root / "images"], out / "predictions", scores=True, quiet=True)
    data = DataConfig(root=str(root), classes=["a", "b", "c"])
    api.evaluate(model, data, split="train", out=out / "report", quiet=True)
    api.check_data(data, sheet=out / "sheet.png")
    shape = {"label": "cell", "shape_type": "polygon", "points": [[1, 1], [20, 1], [20, 20]]}
    (tmp_path / "labelme").mkdir()
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "labelme" / "a.png")
    (tmp_path / "labelme" / "a.json").write_text(json.dumps({"imagePath": "a.png", "shapes": [shape]}))
    code, _, err = command(capfd, "data", "convert", tmp_path / "labelme", "--out", out / "converted")
    assert code == 0, err
    modes = _modes(out)
    assert {"model/model.safetensors", "run/last.ckpt", "run/previous.ckpt", "report/confusion.png"} <= set(
        modes
    )
    assert {"predictions/a_scores.npy", "converted/classes.txt"} <= set(modes)
    for name, mode in modes.items():
        expected = 0o777 if (out / name).is_dir() else 0o666
        assert mode == expected & ~umask, f"{name}: {oct(mode)}"


def test_s205_a_writer_that_replaces_its_file(tmp_path, umask):
    """A library that writes its own temporary file, for the owner alone, and renames it changes nothing about that."""

    def writer(path: Path) -> None:
        other = path.with_suffix(".other")
        torch.save({}, other)
        other.chmod(0o600)
        other.replace(path)

    write_atomically(tmp_path / "a.pt", writer)
    assert stat.S_IMODE((tmp_path / "a.pt").stat().st_mode) == 0o666 & ~umask


DROPPED = "-dac_override,-dac_read_search"
"""What lets root read everything."""


@pytest.mark.slow  # a process each: root has to lose its rights first
@pytest.mark.parametrize("closed", ["data", "model", "model/model.safetensors"])
def test_s341_what_may_not_be_read(tmp_path, closed):
    """A data set, a model folder or weights that the user may not read are one line that names them."""
    root = save_pairs(tmp_path / "data", {"a": halves(0, 1), "b": halves(1, 2)})
    varied_model().save_pretrained(tmp_path / "model")
    words = [sys.executable, "-m", "vit_adapter.cli.main", "eval", tmp_path / "model", "--data.root", root]
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root may read everything, and there is no setpriv to take that away")
        words = [setpriv, f"--bounding-set={DROPPED}", f"--inh-caps={DROPPED}", *words]
    (tmp_path / closed).chmod(0)
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    finally:
        (tmp_path / closed).chmod(0o755)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert line.startswith(f"vit-adapter: error: {tmp_path / closed}")
    assert line.endswith("permission denied")
