"""How large the rooms are, how far a reader walks, and how often one fact is written; prints a table.

    python benchmarks/structure.py

Counted of the package that Python imports (``PYTHONPATH``): lines of each room; files of the package in which a
function is called, and changes from one file to another, while one file is predicted, in one training step, and while a
published checkpoint is loaded; files in which one setting is written; branches on the kind of a head outside ``heads/``
(``config`` and ``zoo``, which hold the kinds as data, excepted).
"""

import contextlib
import io
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import vit_adapter
from vit_adapter import Segmenter, ViTAdapter, api
from vit_adapter.config import DataConfig, ModelConfig, RunConfig, TrainingConfig
from vit_adapter.config.model import changed_model
from vit_adapter.weights.official import to_official

PACKAGE = Path(vit_adapter.__file__).parent
RECIPE = "upernet_deit_adapter_tiny_512_160k_ade20k"
SETTINGS = {
    "final_norm": r"\bfinal_norm\b",
    "head.channels": r"\bhead_channels\b|\bhead\.channels\b|^class UPerNetConfig\b|UPerHead\([^)]*config\.channels",
    "interaction_indexes": r"\binteraction_indexes\b",
}
"""Settings whose files are counted; the head is UperNet, every other kind has a width of its own."""
OTHERS = {
    "final_norm": ("heads/detection/extra_attention.py", "weights/official_two_stage.py"),
    "head.channels": ("heads/detection/build_one_stage.py",),
}
"""Files in which the same words mean something else: a norm of HTC++'s attention, the width of Sparse R-CNN."""
KINDS = r"[\"'](?:upernet|fcn|mask2former)[\"']"
BRANCH = re.compile(
    rf"isinstance\([^)]*\b\w*(?:Mask2Former|UPer|FCN)\w*|(?:[!=]=|\bin\b)\s*\(?{KINDS}|{KINDS}\s*(?:[!=]=|in\b)"
)


@dataclass
class Walk:
    """Calls of functions of the package, in their order.

    Attributes:
        files: Where they are.
        changes: How often one is in another file than the one before.
    """

    files: set[str] = field(default_factory=set)
    changes: int = 0
    last: str = ""

    def visit(self, file: str) -> None:
        """Counts a call."""
        if file != self.last:
            self.changes += bool(self.last)
            self.last = file
        self.files.add(file)


@contextlib.contextmanager
def walked() -> Iterator[Walk]:
    """Counts calls in this thread while the block runs."""
    walk, root = Walk(), str(PACKAGE)

    def profile(frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(root):
            walk.visit(frame.f_code.co_filename)

    sys.setprofile(profile)
    try:
        yield walk
    finally:
        sys.setprofile(None)


def small_model() -> Segmenter:
    """A tiny model with random weights."""
    vit = ViTAdapter(
        "vit_tiny_patch16_224", options={"depth": 4, "embed_dim": 24, "num_heads": 3}, img_size=64
    )
    return Segmenter(vit, num_classes=3)


def prediction(folder: Path) -> Walk:
    """One image file, as ``vit-adapter predict`` handles it."""
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(folder / "photo.png")
    model = small_model()
    api.predict(model, folder / "photo.png", folder / "first", quiet=True)  # whatever is imported, or kept
    with walked() as walk:
        api.predict(model, folder / "photo.png", folder / "results", quiet=True)
    return walk


def training_step(folder: Path) -> Walk:
    """From one loss to the next: backward pass, optimizer, records, the next batch; the shortest of several steps.

    Some steps hold a validation or a checkpoint, or draw an image for the first time.
    """
    walks: list[Walk] = []
    whole = Segmenter.loss
    with walked() as counted:

        def loss(self: Segmenter, *arguments: Any, **named: Any) -> Any:
            walks.append(Walk(set(counted.files), counted.changes))
            counted.files.clear()
            counted.changes = 0
            return whole(self, *arguments, **named)

        Segmenter.loss = loss  # pyright: ignore
        try:
            api.train(small_run(folder))
        finally:
            Segmenter.loss = whole
    return min(walks[1:], key=lambda walk: walk.changes)


def small_run(folder: Path) -> RunConfig:
    """Six steps of a tiny model on four images, validated at the end."""
    model = {
        "vit.name": "vit_tiny_patch16_224",
        "vit.options": {"depth": 4, "embed_dim": 24, "num_heads": 3},
        "vit.pretrained": False,
        "vit.img_size": 64,
        "head.channels": 16,
    }
    training = TrainingConfig(
        steps=6,
        batch_size=2,
        validate_every=6,
        checkpoint_every=6,
        accelerator="cpu",
        quiet=True,
        out=str(folder / "run"),
    )
    data = DataConfig(layout="scenes", scenes=(4, 2), scene_size=64, workers=0)
    return RunConfig(model=changed_model(ModelConfig(), model), data=data, training=training)


def published_checkpoint(folder: Path) -> Walk:
    """A file in official form, loaded by the name of its recipe."""
    file = folder / "published.pth"
    torch.save({"state_dict": to_official(api.build(RECIPE).state_dict())}, file)
    api.load(RECIPE, file)
    with walked() as walk:
        api.load(RECIPE, file)
    return walk


def sources() -> dict[str, str]:
    """Text of every file by its path below the package."""
    return {file.relative_to(PACKAGE).as_posix(): file.read_text("utf-8") for file in PACKAGE.rglob("*.py")}


def lines_per_room(texts: dict[str, str]) -> dict[str, int]:
    """Lines by the folder below the package; files beside the folders count as their own."""
    rooms: dict[str, int] = {}
    for name, text in sorted(texts.items()):
        room = name.split("/")[0]
        rooms[room] = rooms.get(room, 0) + len(text.splitlines())
    return rooms


def files_with(texts: dict[str, str], pattern: str) -> list[str]:
    """Files in which a pattern is found."""
    return sorted(name for name, text in texts.items() if re.search(pattern, text, re.MULTILINE))


def branches(texts: dict[str, str]) -> list[str]:
    """``file:line`` of conditions on the kind of a head."""
    return [
        f"{name}:{number}"
        for name, text in sorted(texts.items())
        if not name.startswith(("heads/", "config/", "zoo/"))
        for number, line in enumerate(text.splitlines(), 1)
        if BRANCH.search(line.split("#")[0])
    ]


def main() -> None:
    """Prints the table."""
    texts = sources()
    rooms = lines_per_room(texts)
    rows: list[tuple[str, Any]] = [(f"lines of {room}", count) for room, count in rooms.items()]
    rows.append(("lines", sum(rooms.values())))
    walks: dict[str, Callable[[Path], Walk]] = {
        "predict": prediction,
        "one training step": training_step,
        "load a published checkpoint": published_checkpoint,
    }
    for what, count in walks.items():
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            walk = count(Path(folder))
        rows.append((f"{what}: files, changes of file", f"{len(walk.files)}, {walk.changes}"))
    for setting, pattern in SETTINGS.items():
        found = [name for name in files_with(texts, pattern) if name not in OTHERS.get(setting, ())]
        rows.append((f"files with {setting}", f"{len(found)}: {', '.join(found)}"))
    found = branches(texts)
    rows.append(
        ("branches on a head's kind outside heads", f"{len(found)}{': ' * bool(found)}{', '.join(found)}")
    )
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:{width}}  {value}")


if __name__ == "__main__":
    main()
