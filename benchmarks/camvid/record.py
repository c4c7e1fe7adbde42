"""Takes a finished run and its evaluation into results/ and makes the table anew.

    vit-adapter train ... --out RUN          the command stands in README.md
    vit-adapter eval RUN --data.root CAMVID --out MEASURED
    python benchmarks/camvid/record.py ROW RUN MEASURED

No CamVid picture goes into the repository: its licence is non-commercial.
"""

import csv
import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import describe_machine, write_json

HERE = Path(__file__).parent
RESULTS = HERE / "results"
COMMAND = """```sh
vit-adapter train --data.root camvid --model.vit vit_small_patch14_dinov2 \\
  --model.pretrained dinov2_vits14.safetensors --model.frozen vit --model.injectors false \\
  --model.head_channels 128 --model.auxiliary false \\
  --model.drop_path_rate 0 --data.augmentation.crop 256 --data.augmentation.scale_range '[0.6, 1.6]' \\
  --data.augmentation.category_max_ratio 1 --data.augmentation.photometric false --training.class_weights auto \\
  --training.steps 200 --training.batch_size 4 --training.learning_rate 2e-3 --training.warmup_steps 10 --out RUN
vit-adapter eval RUN --data.root camvid --out MEASURED
```"""


def take(row: str, run: Path, measured: Path) -> None:
    """Copies figures and curve of a run."""
    metrics = json.loads((measured / "metrics.json").read_text())
    with (run / "metrics.csv").open() as file:
        steps = list(csv.DictReader(file))
    values = {
        "row": row,
        "steps": len(steps),
        "pictures": metrics["pictures"],
        "mIoU": metrics["mIoU"],
        "mAcc": metrics["mAcc"],
        "aAcc": metrics["aAcc"],
        "IoU": {entry["name"]: entry["iou"] for entry in metrics["classes"]},
        "machine": describe_machine(),
    }
    write_json(RESULTS / f"{row}.json", values)
    shutil.copy(run / "curves.png", RESULTS / f"{row}.png")


def write_table() -> None:
    """README.md from all results."""
    rows = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    names = list(rows[0]["IoU"])
    lines = [
        "# CamVid: a pretrained ViT on real streets",
        "",
        "DINOv2 ViT-S/14, frozen, extractors only, UperNet head of width 128; 367 training pictures of 480 x 360, all",
        "101 validation pictures whole, 11 classes, void ignored. IoU in percent. One seed: differences below 2 are",
        "noise.",
        "",
        "| row | steps | mIoU | " + " | ".join(names) + " |",
        "|" + "---|" * (3 + len(names)),
    ]
    for row in rows:
        figures = " | ".join(f"{100 * row['IoU'][name]:.1f}" for name in names)
        lines.append(f"| {row['row']} | {row['steps']} | {100 * row['mIoU']:.1f} | {figures} |")
    machines = sorted(
        {f"{row['machine']['processor']} ({', '.join(row['machine']['flags'])})" for row in rows}
    )
    lines += ["", f"Machine: {'; '.join(machines)}, one thread beside other work.", "", COMMAND, ""]
    lines += [f"![curve of {row['row']}](results/{row['row']}.png)" for row in rows]
    (HERE / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        take(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
    write_table()
