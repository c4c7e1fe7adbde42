"""The whole measurement: rows one after the other, each written as soon as it is there."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from vit_adapter.config import InputError
from vit_adapter.config.files import atomic_path
from vit_adapter.config.paths import takes_paths
from vit_adapter.config.values import check_argument
from vit_adapter.ops import describe_forms
from vit_adapter.segmenter.optimizing import half_precision_pays

from ..models import choose_device
from .memory import measure_memory
from .page import page_lines, row_lines
from .rows import find_rows, without_half_precision
from .timing import matrix_peak, measure_row

FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


@takes_paths("out", "page")
def bench(
    rows: Sequence[str] = ("main",),
    out: str | Path = "bench.json",
    *,
    device: str = "auto",
    threads: int | None = None,
    size: int | None = None,
    repeats: int = 5,
    seconds: float = 40.0,
    warmup: int = 1,
    again: bool = False,
    page: str | Path | None = None,
) -> dict[str, Any]:
    """Measures our forms beside the reference forms, prints ratios and writes them to a JSON file.

    Rows that the file has already, measured with the same settings on the same machine, are not measured again: a run
    that was stopped goes on.

    Args:
        rows: Groups ("main", "more", "curves", "peers", "all") or parts of rows' names.
        out: The JSON file.
        device: Where it runs.
        threads: Threads of the CPU; None: torch's own number.
        size: Side of the images in pixels, instead of the rows' own.
        repeats: Timed runs of each side, at most.
        seconds: Time after which a row stops repeating (with three runs at least).
        warmup: Runs before those that count.
        again: Measure rows that are there as well.
        page: A Markdown page to write from the file.

    Returns:
        What the file holds.

    Raises:
        InputError: No such rows, or a file cannot be read or written.
    """
    check_argument("--repeats", repeats, int, at_least=1)
    check_argument("--warmup", warmup, int, at_least=1)
    wanted = find_rows(list(rows), size)
    place = choose_device(device)
    if threads is not None:
        check_argument("--threads", threads, int, at_least=1)
        torch.set_num_threads(threads)
    settings = {"repeats": repeats, "seconds": seconds, "warmup": warmup}
    facts = _machine(place)
    for line in _head_lines(facts, settings):
        print(line, flush=True)
    result = _start(Path(out), facts)
    if not half_precision_pays(place):
        wanted = list(without_half_precision(wanted))
        print("no bfloat16: this device multiplies it more slowly than float32", flush=True)
    for row in wanted:
        known = result["rows"].get(row.name)
        if known is not None and known["settings"] == settings and not again:
            print(f"{row.name}: there already")
        else:
            found = (
                measure_memory(row, place, torch.get_num_threads())
                if row.work == "memory"
                else measure_row(row, place, repeats, seconds, warmup)
            )
            known = {**asdict(row), "settings": settings, "load": round(os.getloadavg()[0], 2), **found}
            # A round trip, so that what is printed and paged is what a reader of the file gets.
            result["rows"][row.name] = json.loads(json.dumps(known))
            _write(Path(out), json.dumps(result, indent=1) + "\n")
        for line in row_lines(row.name, result["rows"][row.name]):
            print(line, flush=True)
    if page is not None:
        _write(Path(page), "\n".join(page_lines(result)) + "\n")
    return result


def _start(path: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """What was measured before on this machine, or an empty result.

    Raises:
        InputError: The file holds something else, or another machine's figures.
    """
    if path.exists():
        try:
            result = json.loads(path.read_text("utf-8"))
            same = {
                name: result["machine"][name] == facts[name]
                for name in ("processor", "threads", "device", "torch")
            }
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: not a result of bench; choose another file (--out)") from error
        differing = [name for name, equal in same.items() if not equal]
        if differing:
            raise InputError(
                f"{path}: measured with another {differing[0]} ({result['machine'][differing[0]]}); choose another "
                "file (--out)"
            )
        return result
    device = torch.device(facts["device"])
    # Where half precision is emulated, a single product takes a minute.
    kinds = ("float32", "bfloat16") if half_precision_pays(device) else ("float32",)
    peaks = {kind: matrix_peak(device, getattr(torch, kind)) for kind in kinds}
    return {"machine": facts, "peak_gflop_per_second": peaks, "rules": dict(describe_forms()), "rows": {}}


def _machine(device: torch.device) -> dict[str, Any]:
    """What every figure depends on."""
    information = Path("/proc/cpuinfo")
    text = information.read_text(errors="replace") if information.exists() else ""
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    values = {name.strip(): value.strip() for name, value in fields.items()}
    flags = set(values.get("flags", "").split())
    return {
        "processor": values.get("model name", platform.processor() or "unknown"),
        "flags": [flag for flag in FLAGS if flag in flags],
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": str(device),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "allocator": {name: os.environ[name] for name in ("LD_PRELOAD", "MALLOC_CONF") if name in os.environ},
        "mode": "eager, nothing compiled",
    }


def _head_lines(facts: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    return [
        f"{facts['gpu'] or facts['processor']} ({', '.join(facts['flags'])}), device {facts['device']}, "
        f"{facts['threads']} threads, torch {facts['torch']}, {facts['mode']}",
        f"warm-up {settings['warmup']}, at most {settings['repeats']} repeats in turn, medians",
    ]


def _write(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
