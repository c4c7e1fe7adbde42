"""The endpoint of ``vit-adapter serve`` under load: images a second, waiting times, and whether anything is lost.

    python benchmarks/serving/run.py [MODEL]

The server is a process of its own on this machine, as are its clients (threads of one process). Without a MODEL it is
the demo's, with random weights: they take as long as trained ones. Writes results.json and README.md beside this file.
"""

import http.client
import io
import json
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image

from vit_adapter import Segmenter
from vit_adapter.config import ClassTable, InferenceConfig
from vit_adapter.data.scenes import SCENE_CLASSES, render_scene
from vit_adapter.zoo import demo_config

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import describe_machine, write_json

HERE = Path(__file__).parent
SIDE = 128
ROWS = ((1, 1, 50), (100, 1, 200), (100, 8, 200))
"""Clients, largest batch, requests; every tenth request of many clients is a broken file."""
BROKEN_EVERY = 10


def photos() -> list[bytes]:
    """Scenes as JPEG files."""
    files = []
    for number in range(20):
        file = io.BytesIO()
        Image.fromarray(render_scene(number, size=(SIDE, SIDE), split="val").image).save(
            file, "JPEG", quality=90
        )
        files.append(file.getvalue())
    return files


def save_demo_model(folder: Path) -> None:
    """The demo's model with random weights."""
    names = tuple(entry.name for entry in SCENE_CLASSES)
    classes = ClassTable(names, tuple(range(len(names))))
    protocol = InferenceConfig(crop=SIDE, stride=SIDE * 2 // 3)
    Segmenter.from_config(demo_config("unused").model, classes, protocol).save_pretrained(folder)


def ask(address: str, body: bytes) -> tuple[int, float]:
    """Status of an answer, and the seconds that it took."""
    begin = time.perf_counter()
    connection = http.client.HTTPConnection(address, timeout=300)
    connection.request("POST", "/predict", body)
    response = connection.getresponse()
    json.loads(response.read())
    connection.close()
    return response.status, time.perf_counter() - begin


def measure(address: str, clients: int, requests: int) -> dict[str, Any]:
    """So many clients ask, each again as soon as it has its answer."""
    files = photos()
    bodies = [files[number % len(files)] for number in range(requests)]
    broken = range(BROKEN_EVERY - 1, requests, BROKEN_EVERY) if clients > 1 else range(0)
    for number in broken:
        bodies[number] = bodies[number][: len(bodies[number]) // 2]
    together = threading.Barrier(clients)

    def one(number: int) -> tuple[int, float]:
        if number < clients:
            together.wait()
        return ask(address, bodies[number])

    for body in files[:3]:
        ask(address, body)
    begin = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        answers = list(pool.map(one, range(requests)))
    seconds = time.perf_counter() - begin
    good = sorted(waited for status, waited in answers if status == 200)
    expected = [400 if number in broken else 200 for number in range(requests)]
    return {
        "clients": clients,
        "requests": requests,
        "broken": len(broken),
        "images_per_second": round(len(good) / seconds, 1),
        "p50_ms": round(1000 * statistics.median(good)),
        "p95_ms": round(1000 * good[int(0.95 * len(good))]),
        "unexpected_or_lost": sum(
            found != wanted for (found, _), wanted in zip(answers, expected, strict=True)
        ),
    }


def row(model: Path, clients: int, batch: int, requests: int) -> dict[str, Any]:
    """A server with a batch size, measured and ended."""
    words = [sys.executable, "-m", "vit_adapter.cli.main", "serve", str(model), "--port", "0"]
    server = subprocess.Popen([*words, "--batch-size", str(batch)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        found = re.search(r"http://([\d.:]+)/", server.stdout.readline())
        assert found is not None, "the server did not start"
        result = {"batch_size": batch, **measure(found[1], clients, requests)}
        connection = http.client.HTTPConnection(found[1])
        connection.request("GET", "/health")
        result["images_per_call"] = json.loads(connection.getresponse().read())["images_per_call"]
        connection.close()
    finally:
        server.terminate()
        code = server.wait()
    return {**result, "exit_code": code}


def write_page(results: dict[str, Any]) -> None:
    """README.md from the results."""
    machine = results["machine"]
    flags = ", ".join(machine["flags"]) or "no vector instructions that count here"
    lines = [
        "# The endpoint under load",
        "",
        f"`vit-adapter serve` with {results['model']}, JPEG images of {SIDE}x{SIDE} pixels, JSON answers. Clients and",
        "server share the machine; each client asks again as soon as it has its answer. Made by",
        "`python benchmarks/serving/run.py`.",
        "",
        "| clients | --batch-size | requests | images/s | p50 ms | p95 ms | images per call | broken | lost or wrong |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    keys = (
        "clients",
        "batch_size",
        "requests",
        "images_per_second",
        "p50_ms",
        "p95_ms",
        "images_per_call",
        "broken",
    )
    for one in results["rows"]:
        cells = [*(str(one[key]) for key in keys), str(one["unexpected_or_lost"])]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        f"Machine: {machine['processor']} ({flags}), {machine['cores']} cores, {machine['threads']} thread(s) of torch",
        f"{machine['torch']}, GPU: {machine['cuda'] or 'none'}, load {machine['load']} when it began.",
        "Broken files were answered with 400; nothing is lost or wrong where the last column is 0.",
        "With a load above 0 other work ran beside it: take the figures as a lower bound, and the ratios as rough.",
        "",
    ]
    (HERE / "README.md").write_text("\n".join(lines), encoding="utf-8")


def main() -> None:
    """Measures every row."""
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder) / "demo"
        if len(sys.argv) == 1:
            save_demo_model(model)
        name = "the demo's model (random weights)" if len(sys.argv) == 1 else model.name
        rows = []
        for settings in ROWS:
            rows.append(row(model, *settings))
            results = {"model": name, "machine": machine, "rows": rows}
            write_json(HERE / "results.json", results)
            write_page(results)


if __name__ == "__main__":
    main()
