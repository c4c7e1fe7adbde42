"""``vit-adapter serve`` as a process of its own: signals, exported files, recipes, and what cannot be served."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from live_server import Client, png, served, until

from tiny import TINY, changed
from vit_adapter.api import build, export
from vit_adapter.api.open_model import open_model
from vit_adapter.cli.main import main
from vit_adapter.data.scenes import render_scene
from vit_adapter.weights.official import to_official
from vit_adapter.zoo.recipes import RECIPES

SCENE = render_scene(3, size=(90, 130)).image
LARGE = render_scene(4, size=(200, 260)).image


@contextmanager
def process(model: Path, *flags: str, python_path: str = "") -> Iterator[tuple[subprocess.Popen, Client]]:
    """A running ``vit-adapter serve``, and what asks it; it is killed where it did not end by itself."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([python_path, *sys.path])}
    words = [
        sys.executable,
        "-m",
        "vit_adapter.cli.main",
        "serve",
        str(model),
        "--port",
        "0",
        "--device",
        "cpu",
    ]
    running = subprocess.Popen(
        [*words, *flags], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    try:
        assert running.stdout is not None
        line = running.stdout.readline()
        address = re.search(r"http://[\d.]+:\d+", line)
        assert address is not None, line + running.stdout.read()
        yield running, Client(address[0])
    finally:
        running.kill()
        running.wait()


@pytest.fixture(scope="module")
def folder(semantic, tmp_path_factory) -> Path:
    """The semantic model as a folder."""
    place = tmp_path_factory.mktemp("served") / "model"
    semantic.save_pretrained(place)
    return place


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_what_is_in_flight_be_answered(folder, sign):
    with process(folder, "--batch-size", "1") as (running, client), ThreadPoolExecutor(6) as clients:
        body = png(LARGE)
        asked = [clients.submit(client.ask, "/predict", body) for _ in range(6)]
        until(lambda: client.ask("/health").values["in_flight"] == 6)
        running.send_signal(sign)
        answers = [one.result() for one in asked]
        assert [answer.status for answer in answers] == [200] * 6
        assert running.wait(60) == 0
        assert running.stdout is not None
        assert running.stdout.read().splitlines() == ["stopped: 6 requests answered, 0 refused"]
        with pytest.raises(OSError, match="refused"):
            client.ask("/health")


@pytest.mark.slow
def test_what_takes_too_long_at_the_end_is_told_to_come_again(folder):
    with process(folder, "--grace", "1") as (running, client), ThreadPoolExecutor(1) as clients:
        asked = clients.submit(client.ask, "/predict", png(render_scene(4, size=(1200, 1600)).image))
        until(lambda: client.ask("/health").values["in_flight"] == 1)
        running.send_signal(signal.SIGTERM)
        answer = asked.result()
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.slow
def test_an_exported_file_is_served_without_torch(semantic, tmp_path):
    export(semantic, tmp_path / "model.onnx")
    (tmp_path / "without").mkdir()
    (tmp_path / "without/torch.py").write_text("raise ImportError('torch was imported')")
    with process(tmp_path / "model.onnx", python_path=str(tmp_path / "without")) as (_, client):
        labels = client.ask("/predict?format=map", png(SCENE)).image
        assert client.ask("/predict", png(SCENE)).values["model"] == "model.onnx"
        with ThreadPoolExecutor(8) as clients:
            several = list(clients.map(lambda _: client.ask("/predict?format=map", png(SCENE)), range(8)))
    assert (labels == semantic.predict(SCENE).own_ids()).mean() > 0.999
    assert all(np.array_equal(answer.image, labels) for answer in several)


@pytest.mark.slow
def test_a_recipe_with_its_checkpoint_is_served(monkeypatch, tmp_path):
    name = "upernet_deit_adapter_tiny_512_160k_ade20k"
    recipe = RECIPES[name]
    narrow = changed(recipe.model, vit_options=TINY, head_channels=16, auxiliary_channels=16)
    protocol = replace(recipe.protocol, resize=(256, 64), crop=64, stride=43)
    monkeypatch.setitem(RECIPES, name, replace(recipe, model=narrow, protocol=protocol))
    model = build(name).eval()
    torch.save({"state_dict": to_official(model.state_dict())}, tmp_path / "official.pth")
    with served(open_model(name, tmp_path / "official.pth", device="cpu")) as client:
        assert client.ask("/model").values["name"] == name
        answer = client.ask("/predict?format=map", png(SCENE))
    np.testing.assert_array_equal(answer.image, model.predict(SCENE).own_ids())


def test_a_taken_port_is_said_before_the_model_is_read(folder, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", "no-such-model", "--port", port]) == 2
    assert f"--port {port}: Address already in use" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["no-such-folder"], "no-such-folder"),
        (["MODEL", "--host", "no.such.host.invalid"], "--host no.such.host.invalid"),
        (["MODEL", "--port", "70000"], "--port"),
        (["MODEL", "--max-megabytes", "0"], "--max-megabytes"),
        (["MODEL", "--batch-size", "0"], "--batch-size"),
        (["MODEL", "--task", "panoptic"], "panoptic"),
        (["MODEL", "--protocol.stride", "100"], "stride"),
    ],
)
def test_what_cannot_be_served(folder, words, line, capsys):
    words = [str(folder) if word == "MODEL" else word for word in words]
    assert main(["serve", *words, *([] if "--port" in words else ["--port", "0"])]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("vit-adapter: error: ")
    assert line in error
