"""The machine, as every recorded result names it."""

import json
import os
import platform
from pathlib import Path
from typing import Any

import torch

FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def describe_machine() -> dict[str, Any]:
    """Processor, its vector instructions, cores, load, and versions."""
    information = Path("/proc/cpuinfo")
    text = information.read_text() if information.exists() else ""
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    values = {name.strip(): value.strip() for name, value in fields.items()}
    flags = set(values.get("flags", "").split())
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "processor": values.get("model name", platform.processor()),
        "flags": [flag for flag in FLAGS if flag in flags],
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
        "cuda": cuda,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Writes a result."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
