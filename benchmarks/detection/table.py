"""README.md of the detection study, from all results."""

import json
from pathlib import Path
from typing import Any

from rows import DATA, ROWS

HEAD = r"""# Detection: boxes and masks on DINOv2 ViT-S/14

Nuclei: 349 microscope images for training and 90 for validation from the 2018 Data Science Bowl (CC0), enlarged 1.5
times, windows of 256 pixels (`nuclei-small`: as they are). coco128: 68 and 17 photos, objects of 80 classes, windows
of 448 pixels; so few that a score tells little more than that the path works. If the row does not say otherwise the ViT
is frozen and the adapter has extractors alone, 400 steps of batch 2, AdamW at 1e-3 (tuned: 5e-4, with a decay by
layers), seed 0, the model of the last step. Necks and heads have 128 channels, anchors suit the sizes of the objects
(`rows.py`). AP in percent, up to 500 nuclei in an image; Mask2Former's rows are in [nuclei](../nuclei/README.md).

```sh
python benchmarks/detection/run.py --data DATA --weights dinov2_vits14.safetensors                   # every missing row
python benchmarks/detection/run.py --data DATA --weights dinov2_vits14.safetensors nuclei-mask-rcnn  # one row
```

What limits nuclei are boxes: after 1500 steps masks still end at straight edges of boxes that are too small or beside
their nucleus, with several of them for one nucleus, and the loss of boxes has fallen from 0.85 to 0.45 only. Windows
are not the reason: of the first twelve images whole (`--protocol.mode whole`) `nuclei-gated-long` has 58.3 and 23.9
where windows give 60.1 and 26.6. A lower rate, a tuned ViT and three stages (`nuclei-cascade`) are what to try next.

How the heads compare with those of other libraries: [SIDE_BY_SIDE.md](SIDE_BY_SIDE.md).
"""

COLUMNS = (
    *("row", "what", "seed", "steps", "batch", "box AP", "AP50", "mask AP", "AP50"),
    *("s/step", "s/image", "GB", "trained, M", "on"),
)


def write_readme(results: Path, path: Path) -> None:
    """The tables of every result."""
    order = list(ROWS)
    rows: list[dict[str, Any]] = [json.loads(file.read_text()) for file in results.glob("*.json")]
    rows = sorted(
        (row for row in rows if row.get("row") in ROWS),
        key=lambda row: (order.index(row["row"]), row["seed"]),
    )
    lines = [HEAD]
    for data in dict.fromkeys(seen.folder for seen in DATA.values()):
        found = [row for row in rows if row["data"] == data]
        if not found:
            continue
        lines += [f"## {data}", ""]
        lines.append(f"| {' | '.join(COLUMNS)} |")
        lines.append("|" + "---|" * len(COLUMNS))
        lines += [_line(row) for row in found]
        lines.append("")
    missing = [name for name in ROWS if name not in {row["row"] for row in rows}]
    if missing:
        lines += [f"Not run yet: {', '.join(missing)}.", ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def _line(row: dict[str, Any]) -> str:
    boxes = [f"{100 * row['boxes'][name]:.1f}" for name in ("AP", "AP50")]
    masks = [f"{100 * row[name]:.1f}" if row["task"] == "instance" else "" for name in ("AP", "AP50")]
    machine = row["machine"]
    place = machine["cuda"] or f"{machine['processor']} ({', '.join(machine['flags'])})"
    cells = [
        row["row"],
        row["title"],
        row["seed"],
        row["steps"],
        row["batch"],
        *boxes,
        *masks,
        f"{row['seconds_a_step']:.2f}",
        f"{row['seconds_an_image']:.2f}",
        f"{row['device_memory_gb'] or row['peak_memory_gb']:.1f}",
        f"{row['trained_parameters'] / 1e6:.1f}",
        f"{place}, threads {machine['threads']}, load {machine['load']}",
    ]
    return f"| {' | '.join(map(str, cells))} |"
