"""Tiny models, and a real server of them on a port of this machine."""

import io
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from tiny import SMALL_MASK2FORMER, TINY, TINY_VIT, tiny_model
from vit_adapter import Segmenter, UPerNetConfig, ViTAdapter
from vit_adapter.api.open_model import OpenModel
from vit_adapter.config import ClassTable, InferenceConfig
from vit_adapter.serving.application import Endpoint, Limits
from vit_adapter.serving.listening import address_of, make_server, open_port, run_server

PROTOCOL = InferenceConfig(crop=64, stride=40)
CLASSES = ClassTable(
    ("road", "sky", "car"),
    (3, 7, 200),
    ((90, 80, 140), (60, 140, 200), (230, 90, 40)),
    is_thing=(False, False, True),
)


def png(image: np.ndarray) -> bytes:
    """An image as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return file.getvalue()


@dataclass(frozen=True)
class Answer:
    """Of a server."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def values(self) -> dict[str, Any]:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def image(self) -> np.ndarray:
        """The body as an image."""
        assert self.headers["content-type"] == "image/png", self.body[:200]
        return np.asarray(Image.open(io.BytesIO(self.body)))


@dataclass
class Client:
    """Asks a server, and nobody else."""

    address: str
    endpoint: Endpoint | None = None
    opener: urllib.request.OpenerDirector = field(
        default_factory=lambda: urllib.request.build_opener(urllib.request.ProxyHandler({}))
    )

    def ask(self, path: str, body: bytes | None = None, method: str | None = None, **headers: str) -> Answer:
        """The answer, also where it is an error."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        names.setdefault("Content-Type", "application/octet-stream")
        request = urllib.request.Request(self.address + path, data=body, headers=names, method=method)
        try:
            with self.opener.open(request, timeout=120) as response:
                return _answer(response)
        except urllib.error.HTTPError as error:
            return _answer(error)


def _answer(response: Any) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status, response.read(), headers)


@contextmanager
def served(model: OpenModel, **limits: Any) -> Iterator[Client]:
    """A server in a thread of this process, on a free port."""
    settings = {"file_bytes": 4_000_000, "waiting": 128, "batch_seconds": 0.02, **limits}
    endpoint, ready = Endpoint(model, Limits(**settings)), threading.Event()
    opened = open_port("127.0.0.1", 0)
    address = address_of(opened)
    server = make_server(endpoint.application(ready.set), grace=10)
    thread = threading.Thread(target=run_server, args=(server, opened))
    thread.start()
    try:
        assert ready.wait(30)
        yield Client(address, endpoint)
    finally:
        server.should_exit = True
        thread.join(30)
    assert not thread.is_alive()


def until(condition: Any, seconds: float = 60) -> None:
    """Waits until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)


def make_semantic() -> Segmenter:
    """A tiny model whose labels differ from pixel to pixel."""
    torch.manual_seed(0)
    head = UPerNetConfig(channels=16, auxiliary=False)
    made = Segmenter(
        ViTAdapter(TINY_VIT, options=TINY, img_size=64), head, classes=CLASSES, protocol=PROTOCOL
    )
    with torch.no_grad():
        for weight in made.head.parameters():
            weight.mul_(2)
    return made.eval()


def make_other(task: str) -> Segmenter:
    """A tiny model that finds objects or segments."""
    torch.manual_seed(1)
    head = "gfl" if task == "detection" else "mask2former"
    config = tiny_model(head=head, mask2former=SMALL_MASK2FORMER, **{"head.box_width": 16})
    made = Segmenter.from_config(config, CLASSES, PROTOCOL, task)  # pyright: ignore
    for module in made.modules():
        if isinstance(module, nn.Conv2d) and module.out_channels == len(CLASSES) and module.bias is not None:
            nn.init.zeros_(module.bias)  # detectors start from rare objects, of which none would be found
    return made.eval()
