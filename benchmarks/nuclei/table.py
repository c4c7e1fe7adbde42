"""README.md of the nuclei study, from all results."""

import json
from pathlib import Path
from typing import Any

from rows import ROWS

HEAD = r"""# Nuclei: objects of one class, up to hundreds in an image

349 microscope images for training and 90 for validation from the 2018 Data Science Bowl (CC0), as COCO JSON with run
lengths; DINOv2 ViT-S/14 and a Mask2Former head of width 256. If the row does not say otherwise: 500 steps of batch 4
at crop 256, scales 0.6 to 1.6, both flips, 3 encoder and 3 decoder layers, 100 queries, AdamW at 5e-4, seed 0, the
model of the last step. Validation images whole, in windows of the crop whose objects are joined; mask AP in percent, up
to 500 objects in an image. Otsu's threshold and connected parts give AP 26 and AP50 47 on the same images.

```sh
python benchmarks/nuclei/run.py --data nuclei --weights dinov2_vits14.safetensors          # every missing row
python benchmarks/nuclei/run.py --data nuclei --weights dinov2_vits14.safetensors laptop   # one row
```
"""


def write_readme(results: Path, path: Path) -> None:
    """The table of every result."""
    order = list(ROWS)
    rows: list[dict[str, Any]] = [json.loads(file.read_text()) for file in results.glob("*.json")]
    rows.sort(key=lambda row: (order.index(row["row"]), row["seed"]))
    if not rows:
        return
    lines = [
        HEAD,
        "| row | what | seed | steps | AP | AP50 | AP75 | precision | s/step | s/image | GB | trained, M | on |",
        "|" + "---|" * 13,
    ]
    for row in rows:
        scores = " | ".join(f"{100 * row[name]:.1f}" for name in ("AP", "AP50", "AP75"))
        machine = row["machine"]
        place = machine["cuda"] or f"{machine['processor']} ({', '.join(machine['flags'])})"
        memory = row["device_memory_gb"] or row["peak_memory_gb"]
        lines.append(
            f"| {row['row']} | {row['title']} | {row['seed']} | {row['steps']} | {scores} | {row['precision']} | "
            f"{row['seconds_a_step']:.2f} | {row['seconds_an_image']:.2f} | {memory:.1f} | "
            f"{row['trained_parameters'] / 1e6:.1f} | {place}, threads {machine['threads']}, load {machine['load']} |"
        )
    missing = [name for name in ROWS if name not in {row["row"] for row in rows}]
    if missing:
        lines += ["", f"Not run yet: {', '.join(missing)}."]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
