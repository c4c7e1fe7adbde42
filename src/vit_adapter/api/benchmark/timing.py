"""Measuring one row: sides in turn, medians, forms, parts, arithmetic and agreement."""

import statistics
import time
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from vit_adapter.ops import recorded_forms

from .rows import VIT_ALONE, Row
from .sides import Side, make_sides, timed_parts

LEAST_REPEATS = 3


def measure_row(row: Row, device: torch.device, repeats: int, seconds: float, warmup: int) -> dict[str, Any]:
    """Times the sides of a row in turn.

    Args:
        row: Not of work "memory".
        device: Where it runs.
        repeats: Largest number of timed runs of each side.
        seconds: After so long no further run begins, once each side has three.
        warmup: Runs of each side before those that count, at least one.

    Returns:
        Plain values: per side seconds, forms and so on; ratios; agreement with the first side.
    """
    sides = make_sides(row, device)
    values: dict[str, dict[str, Any]] = {}
    outputs: dict[str, Tensor | None] = {}
    for name, side in sides.items():
        with recorded_forms() as ran:
            outputs[name] = side()
        values[name] = {"dtype": side.dtype, "forms": ran, "gflop": _arithmetic(side), "parts": _parts(side)}
        for _ in range(warmup - 1):
            side()
    times: dict[str, list[float]] = {name: [] for name in sides}
    begin = time.perf_counter()
    for turn in range(max(repeats, LEAST_REPEATS)):
        if turn >= LEAST_REPEATS and time.perf_counter() - begin > seconds:
            break
        for name, side in sides.items():
            start = time.perf_counter()
            side()
            times[name].append(time.perf_counter() - start)
    for name, found in times.items():
        median = statistics.median(found)
        values[name] |= {
            "seconds": median,
            "p95": sorted(found)[min(len(found) - 1, round(0.95 * (len(found) - 1)))],
            "repeats": len(found),
            "images_per_second": row.batch / median,
        }
    first = times[row.sides[0]]
    ratios = {
        # Of every turn, then the median: a load that comes and goes slows both sides of a turn alike.
        name: statistics.median(base / own for base, own in zip(first, times[name]))
        for name in row.sides[1:]
    }
    if row.sides[0] == VIT_ALONE:
        ratios = {name: 1 / ratio for name, ratio in ratios.items()}
    return {
        "sides": values,
        "ratios": ratios,
        "agreement": {name: _agreement(outputs[row.sides[0]], outputs[name]) for name in row.sides[1:]},
    }


def matrix_peak(device: torch.device, dtype: torch.dtype, side: int = 2048) -> float:
    """Arithmetic of a product of square matrices in 10^9 operations a second: the best of a few."""
    matrix = torch.randn(side, side, device=device).to(dtype)
    best = float("inf")
    for _ in range(6):
        start = time.perf_counter()
        torch.mm(matrix, matrix)
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best / 1e9


def _arithmetic(side: Side) -> float:
    """Products and additions of matrix products and convolutions that a run really does, in 10^9."""
    with FlopCounterMode(display=False) as counter:
        side()
    return counter.get_total_flops() / 1e9


def _parts(side: Side) -> dict[str, float]:
    """Seconds of ViT, adapter (what else the backbone does) and head with all that follows; one run."""
    found: dict[str, float] = {}

    def add(part: str, seconds: float) -> None:
        found[part] = found.get(part, 0.0) + seconds

    with timed_parts(side.model, add):
        start = time.perf_counter()
        side()
        whole = time.perf_counter() - start
    if "backbone" not in found:
        return {}
    vit, backbone = found.get("vit", 0.0), found["backbone"]
    return {"vit": vit, "adapter": backbone - vit, "head": whole - backbone}


def _agreement(base: Tensor | None, other: Tensor | None) -> dict[str, float]:
    """Largest difference relative to the largest score, and share of pixels with the same label."""
    if base is None or other is None or base.shape != other.shape:
        return {}
    if not base.is_floating_point():  # labels of other pixels than the reference's: nothing to compare
        return {}
    other = other.to(base.dtype)
    return {
        "largest_difference": float((base - other).abs().max() / base.abs().max()),
        "equal_labels": float((base.argmax(1) == other.argmax(1)).double().mean()),
    }
