"""What ``vit-adapter demo --head ...`` ends with: the commands themselves, for several seeds.

    python benchmarks/demo/objects.py                   every row that has no result yet
    python benchmarks/demo/objects.py mask2former-0 ... these rows

A row is a head and a seed. Its result is a JSON file in ``results/objects/``; OBJECTS.md is made anew from all of them.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from vit_adapter.api import demo
from vit_adapter.zoo.demo import demo_config

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import describe_machine, write_json

HERE = Path(__file__).parent
RESULTS, RUNS = HERE / "results" / "objects", Path("runs") / "benchmark-demo-objects"
HEADS = {
    "mask2former": ("PQ", "PQthings", "PQstuff", "mIoU"),
    "mask_rcnn": ("AP", "AP50"),
    "atss": ("AP", "AP50"),
}
"""Heads, and which scores of each are told."""
ROWS = [f"{head}-{seed}" for head in HEADS for seed in range(3)]


def run(row: str) -> dict[str, Any]:
    """Runs the demo of a row."""
    head, _, seed = row.rpartition("-")
    start = time.monotonic()
    values = demo(str(RUNS / row), seed=int(seed), head=head, quiet=True)  # pyright: ignore[reportArgumentType]
    return {
        "row": row,
        "head": head,
        "seed": int(seed),
        "steps": demo_config(head=head).training.steps,  # pyright: ignore[reportArgumentType]
        "minutes": round((time.monotonic() - start) / 60, 2),
        "scores": {name: values[name] for name in HEADS[head]},
        "machine": describe_machine(),
    }


def write_table() -> None:
    """OBJECTS.md from all results."""
    rows = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    lines = [
        "# The demo with objects",
        "",
        "`vit-adapter demo --head HEAD --seed SEED` from start to end (training, measuring, drawing) on held-out",
        "embedded scenes of 128 pixels, from random weights; scores in percent. Made by",
        "`python benchmarks/demo/objects.py`, which goes on with the rows that are missing. One in three objects is",
        "smaller than 64 pixels.",
    ]
    for head, names in HEADS.items():
        found = [row for row in rows if row["head"] == head]
        if not found:
            continue
        lines += ["", f"| {head}, seed | steps | minutes | {' | '.join(names)} | machine |"]
        lines.append("|" + "---|" * (4 + len(names)))
        for row in sorted(found, key=lambda row: row["seed"]):
            scores = " | ".join(f"{100 * row['scores'][name]:.1f}" for name in names)
            machine = row["machine"]
            place = f"{machine['processor']} ({', '.join(machine['flags'])}), threads {machine['threads']}"
            place += f", load {machine['load']}"
            lines.append(f"| {row['seed']} | {row['steps']} | {row['minutes']:.1f} | {scores} | {place} |")
    missing = [row for row in ROWS if not (RESULTS / f"{row}.json").exists()]
    if missing:
        lines += ["", f"Not run yet: {', '.join(missing)}."]
    (HERE / "OBJECTS.md").write_text("\n".join([*lines, ""]), encoding="utf-8")


def main() -> None:
    """Runs what is asked for."""
    for row in sys.argv[1:] or ROWS:
        file = RESULTS / f"{row}.json"
        if not file.exists():
            write_json(file, run(row))
            write_table()
    write_table()


if __name__ == "__main__":
    main()
