"""Memory of a training step, counted for the sizes that people ask about, and measured where this machine can.

    python benchmarks/memory.py count        # every row that is not in memory.json yet; a row takes 10 to 30 seconds
    python benchmarks/memory.py measure      # the few rows that are measured too, each in a process of its own
    python benchmarks/memory.py table        # the tables of docs/which-vit.md

Counted is what ``training/memory.py`` counts, with float32 weights and passes and no averaged model. Measured is the
largest resident size of a process on the CPU that takes two steps, less what it had before the model was built.
"""

import json
import resource
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

from vit_adapter.config import ModelConfig, TrainingConfig
from vit_adapter.training.memory import step_memory
from vit_adapter.zoo import Recipe, get_recipe

RESULTS = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[1] / "docs" / "which-vit.md"
IMAGES = 2
"""In a pass: the least that batch norm over a map pooled to one pixel can be trained with."""


@dataclass(frozen=True)
class Row:
    """One configuration.

    Attributes:
        head: "upernet" or "mask2former", 256 wide, 150 classes.
        size: Of the DINOv3.
        crop: Side of an image in pixels.
        frozen: The ViT is, and extractors alone read it.
        recompute: With gradient checkpointing.
    """

    head: str
    size: str
    crop: int
    frozen: bool
    recompute: bool

    @property
    def key(self) -> str:
        """In the file of results."""
        return " ".join(str(value) for value in asdict(self).values())

    def recipe(self) -> Recipe:
        """The recipe it is one of."""
        name = f"{self.head}_dinov3_adapter_{self.size}_512_ade20k{'_frozen' if self.frozen else ''}"
        recipe = get_recipe(name)
        assert isinstance(recipe, Recipe)
        return recipe

    def model(self) -> ModelConfig:
        """Its settings."""
        model = self.recipe().model
        head = (
            replace(model.head, grad_checkpointing=self.recompute)
            if self.head == "mask2former"
            else model.head
        )
        return replace(model, vit=replace(model.vit, grad_checkpointing=self.recompute), head=head)


SIZES, CROPS, HEADS = ("small", "base", "large"), (512, 640, 896), ("upernet", "mask2former")
ROWS = [Row(*what) for what in product(HEADS, SIZES, CROPS, (False, True), (False, True))]
MEASURED = [
    Row("upernet", "small", 256, False, False),
    Row("upernet", "small", 256, True, False),
    Row("upernet", "small", 256, False, True),
    Row("mask2former", "small", 256, False, False),
    Row("mask2former", "small", 256, True, False),
    Row("mask2former", "small", 512, True, True),
    Row("upernet", "base", 256, False, False),
]


def read() -> dict[str, dict]:
    """All results so far."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def keep(row: Row, **values: float) -> None:
    """Adds to the results of a row."""
    results = read()
    results[row.key] = {**results.get(row.key, {}), **values}
    RESULTS.write_text(json.dumps(dict(sorted(results.items())), indent=1) + "\n")
    print(row.key, values, flush=True)


def count(rows: list[Row]) -> None:
    """Counts what is not counted yet."""
    for row in rows:
        if "counted" in read().get(row.key, {}):
            continue
        training = TrainingConfig(batch_size=IMAGES)
        memory = step_memory(row.model(), row.recipe().classes(), training, row.crop)
        keep(row, counted=memory.total, passes=memory.passes, activations=memory.activations)


def measure() -> None:
    """Measures what can be measured here, and counts it."""
    count(MEASURED)
    for row in MEASURED:
        if "measured" not in read()[row.key]:
            done = subprocess.run(
                [sys.executable, __file__, "one", row.key], capture_output=True, text=True, check=True
            )
            keep(row, measured=int(done.stdout.split()[-1]))


def one(key: str) -> None:
    """Two steps of a row in this process; prints the bytes."""
    import torch

    from vit_adapter import Segmenter

    row = next(row for row in MEASURED if row.key == key)
    before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    model = Segmenter.from_config(row.model().with_pretrained(False), row.recipe().classes()).train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True)
    for _ in range(2):
        images = torch.randn(IMAGES, 3, row.crop, row.crop)
        labels = torch.arange(10).repeat_interleave(row.crop * row.crop // 10 + 1)[: row.crop**2]
        optimizer.zero_grad()
        model.loss(images, labels.view(1, row.crop, row.crop).expand(IMAGES, -1, -1))["loss"].backward()
        optimizer.step()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before)


def tables() -> tuple[list[str], list[str]]:
    """What is counted, by head, size, crop and form; and what is measured beside it."""
    results = read()

    def cell(row: Row) -> str:
        found = results.get(row.key)
        return "" if found is None else f"{found['counted'] / 1e9:.1f}"

    forms = [(False, False), (False, True), (True, False), (True, True)]
    counted = [
        "| head | ViT | crop | tuned | tuned, recomputed | frozen | frozen, recomputed |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for head, size, crop in product(HEADS, SIZES, CROPS):
        cells = [cell(Row(head, size, crop, *form)) for form in forms]
        if not any(cells):
            continue  # not counted yet
        name = "UperNet" if head == "upernet" else "Mask2Former"
        counted.append(f"| {name} | {size[0].upper()} | {crop} | {' | '.join(cells)} |")
    measured = ["| head | ViT | crop | form | counted | measured |", "|---|---|--:|---|--:|--:|"]
    for row in MEASURED:
        found = results.get(row.key, {})
        if "measured" in found:
            form = ("frozen" if row.frozen else "tuned") + (", recomputed" if row.recompute else "")
            name = "UperNet" if row.head == "upernet" else "Mask2Former"
            pair = f"{found['counted'] / 1e9:.2f} | {found['measured'] / 1e9:.2f}"
            measured.append(f"| {name} | {row.size[0].upper()} | {row.crop} | {form} | {pair} |")
    return counted, measured


def write_tables() -> None:
    """Puts the tables into the page, each between its marks."""
    text = PAGE.read_text(encoding="utf-8")
    for name, lines in zip(("counted", "measured"), tables(), strict=True):
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, rest = text.split(begin)
        text = before + begin + "\n".join([*lines, ""]) + end + rest.split(end)[1]
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    commands = {"count": lambda: count(ROWS), "measure": measure, "table": write_tables}
    one(sys.argv[2]) if sys.argv[1] == "one" else commands[sys.argv[1]]()
