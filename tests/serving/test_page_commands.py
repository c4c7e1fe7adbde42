"""The commands of docs/serving.md, with a server on another port."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from live_server import served
from PIL import Image

from vit_adapter.api.open_model import open_model
from vit_adapter.data.scenes import render_scene

PAGE = Path(__file__).parents[2] / "docs" / "serving.md"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_as_the_page_says(semantic, tmp_path):
    commands = re.findall(r"^curl .*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(commands) >= 6
    image = render_scene(3, size=(90, 130)).image
    Image.fromarray(image).save(tmp_path / "photo.jpg", quality=100, subsampling=0)
    with served(open_model(semantic, device="cpu")) as client:
        for command in commands:
            words = command.replace("localhost:8000", client.address.removeprefix("http://"))
            done = subprocess.run(
                f"{words} --silent --show-error --fail --noproxy '*'",
                shell=True, cwd=tmp_path, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            assert done.stdout.startswith('{"') or "-o " in command
    labels = np.asarray(Image.open(tmp_path / "labels.png"))
    np.testing.assert_array_equal(labels, semantic.predict(tmp_path / "photo.jpg").own_ids())
    assert Image.open(tmp_path / "overlay.png").width > 130
