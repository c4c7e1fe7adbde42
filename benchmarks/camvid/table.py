"""README.md of the study, from all results."""

import json
from pathlib import Path

from rows import ROWS

HEAD = r"""# CamVid: what a pretrained ViT and the adapter give on real streets

DINOv2 ViT-S/14; 367 training pictures of 480 x 360; all 101 validation pictures whole, in windows of the crop, 11
classes, void ignored. If the row does not say otherwise: 300 steps of batch 4 at crop 256, scales 0.6 to 1.6, flip,
UperNet head of width 128, automatic class weights, seed 0, the model of the last step. IoU in percent. One seed each:
**differences below 2 are noise**; training and validation pictures are frames of the same drives in one city.

```sh
python benchmarks/camvid/run.py --data camvid --weights dinov2_vits14.safetensors        # every missing row
python benchmarks/camvid/run.py --data camvid --weights dinov2_vits14.safetensors laptop # one row
```

By the command line, the laptop's choice is (`laptop-200` was trained and measured so):

```sh
vit-adapter train --data.root camvid --model.vit vit_small_patch14_dinov2 \
  --model.pretrained dinov2_vits14.safetensors --model.frozen vit --model.injectors false \
  --model.head_channels 128 --model.auxiliary false \
  --model.drop_path_rate 0 --data.augmentation.crop 256 --data.augmentation.scale_range '[0.6, 1.6]' \
  --data.augmentation.category_max_ratio 1 --data.augmentation.photometric false --training.class_weights auto \
  --training.steps 200 --training.batch_size 4 --training.learning_rate 2e-3 --training.warmup_steps 10 --out RUN
vit-adapter eval RUN --data.root camvid --out MEASURED
```

Rates: 2e-3 where the ViT is frozen; 1e-3 with layer decay 0.65 where it is tuned; 1e-3 from random weights.
"""


def write_readme(results: Path, path: Path) -> None:
    """Table, times and curves of every row that has a result."""
    rows = [
        json.loads((results / f"{name}.json").read_text())
        for name in ROWS
        if (results / f"{name}.json").exists()
    ]
    if not rows:
        return
    names = list(rows[0]["IoU"])
    lines = [
        HEAD,
        "| row | what | steps | mIoU | " + " | ".join(names) + " |",
        "|" + "---|" * (4 + len(names)),
    ]
    for row in rows:
        figures = " | ".join(f"{100 * row['IoU'][name]:.1f}" for name in names)
        lines.append(
            f"| {row['row']} | {row['title']} | {row['steps'] or ''} | **{100 * row['mIoU']:.1f}** | {figures} |"
        )
    lines += [
        "",
        "| row | seconds a step | peak memory, GB | trained parameters, M | machine |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        if "seconds_a_step" in row:
            machine = row["machine"]
            place = f"{machine['processor']} ({', '.join(machine['flags'])}), threads {machine['threads']}"
            lines.append(
                f"| {row['row']} | {row['seconds_a_step']:.1f} | {row['peak_memory_gb']:.1f} | "
                f"{row['trained_parameters'] / 1e6:.1f} | {machine['cuda'] or place}, load {machine['load']} |"
            )
    missing = [name for name in ROWS if name not in {row["row"] for row in rows}]
    if missing:
        lines += ["", f"Not run yet: {', '.join(missing)}."]
    lines += ["", "Loss and, where it was validated on the way, mIoU:", ""]
    lines += [
        f"![{row['title']}](results/{row['row']}.png)"
        for row in rows
        if (results / f"{row['row']}.png").exists()
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
