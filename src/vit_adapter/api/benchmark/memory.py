"""Working memory of a forward pass above the weights, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from vit_adapter.config import InputError

from .rows import Row, find_rows

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


def measure_memory(row: Row, device: torch.device, threads: int) -> dict[str, Any]:
    """Starts one process for each side.

    Returns:
        Per side bytes above the weights and of all; ratios side / reference.

    Raises:
        InputError: A process failed, or this system does not tell peaks (only Linux and CUDA do).
    """
    sides = {}
    for name in row.sides:
        words = [sys.executable, "-m", __name__, json.dumps([row.name, row.size, name, str(device), threads])]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            raise InputError(f"bench: {row.name}, {name}: {done.stderr.strip().splitlines()[-1]}")
        sides[name] = json.loads(done.stdout.splitlines()[-1])
    base = sides[row.sides[0]]["working_bytes"]
    return {
        "sides": sides,
        "ratios": {name: sides[name]["working_bytes"] / base for name in row.sides[1:]},
        "agreement": {},
    }


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    return _status("VmHWM")


def _status(field: str) -> int:
    if not STATUS.exists():
        raise InputError("bench: peak memory is told by Linux and by CUDA only")
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(lines[field].split()[0]) * 1024


def _main(text: str) -> None:
    from .sides import make_sides

    name, size, side, place, threads = json.loads(text)
    torch.set_num_threads(threads)
    device = torch.device(place)
    (row,) = [one for one in find_rows([name.partition(f", {size} pixels")[0]]) if one.name in name]
    row = row if row.size == size else row.resized(size)
    row = Row(row.name, row.recipe, row.work, (side,), size, row.batch)
    run = make_sides(row, device)[side]
    small = Row(row.name, row.recipe, row.work, (side,), 64, 1)
    # Libraries are loaded and kernels made before what counts.
    run.model(
        torch.zeros(1, 3, small.size, small.size, device=device, dtype=next(run.model.parameters()).dtype)
    )
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    else:
        CLEAR.write_text("5")  # the peak starts again from what is held now
        before = _status("VmRSS")
    run()
    weights = sum(value.numel() * value.element_size() for value in run.model.state_dict().values())
    peak = _peak(device)
    print(
        json.dumps(
            {"working_bytes": peak - before, "peak_bytes": peak, "weight_bytes": weights, "dtype": run.dtype}
        )
    )


if __name__ == "__main__":
    with torch.no_grad():
        _main(sys.argv[1])
