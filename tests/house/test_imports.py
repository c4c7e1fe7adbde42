"""Who may import whom, read off the source (docs/architecture.md); and what importing the package costs."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import vit_adapter

ROOT = Path(vit_adapter.__file__).parent

# Each room may import those named here and nothing else of the package.
MAY_IMPORT = {
    "config": set(),
    "ops": {"config"},
    "annotations": {"config"},
    "images": {"config", "annotations"},
    "metrics": {"config", "annotations"},
    "weights": {"config"},
    "visualization": {"config"},
    "backbones": {"config", "ops", "weights"},
    "heads": {"config", "ops", "weights"},
    "inference": {"config", "ops", "annotations", "images", "visualization", "weights"},
    "zoo": {"config"},
    "data": {"config", "annotations", "images", "visualization"},
    "tasks": {"config", "ops", "annotations", "images", "visualization", "weights", "heads", "inference", "metrics"},
    "segmenter": {
        "config", "ops", "annotations", "images", "visualization", "weights", "backbones", "heads", "inference",
        "metrics", "tasks",
    },
    "evaluation": {
        "config", "annotations", "metrics", "images", "visualization", "data", "inference", "tasks", "segmenter",
    },
    "training": {
        "config", "ops", "annotations", "images", "visualization", "weights", "backbones", "heads", "inference",
        "metrics", "tasks", "segmenter", "data", "evaluation",
    },
    "export": {"config", "ops", "annotations", "images", "heads", "inference", "tasks", "segmenter"},
    "api": {
        "config", "ops", "annotations", "images", "visualization", "weights", "backbones", "heads", "inference",
        "metrics", "tasks", "segmenter", "data", "evaluation", "training", "export", "zoo",
    },
    "integrations": {"config", "weights", "backbones", "heads", "segmenter"},
    "serving": {"config", "api"},
    "cli": {"config", "api", "serving", "zoo", "data"},
    "__init__": {"config", "api", "backbones", "segmenter", "tasks", "zoo"},
}  # fmt: skip

FILES = sorted(ROOT.rglob("*.py"))


def room_of(file: Path) -> str:
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(file: Path) -> set[str]:
    rooms = set()
    package = ("vit_adapter", *file.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names: list[tuple[str, ...]] = []
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = (*base, *((node.module or "").split(".") if node.module else ()))
            names = [(*module, alias.name) for alias in node.names]
        rooms |= {name[1] for name in names if name[0] == "vit_adapter" and len(name) > 1}
    return rooms & set(MAY_IMPORT)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_run_one_way(file):
    room = room_of(file)
    assert room in MAY_IMPORT, f"{room} is a room without rules"
    assert imported_rooms(file) - {room} <= MAY_IMPORT[room]


def test_only_training_imports_lightning():
    imports = re.compile(r"^\s*(?:import|from) (lightning[\w.]*)", re.MULTILINE)
    found = {file: imports.findall(file.read_text(encoding="utf-8")) for file in FILES}
    importing = {file: names for file, names in found.items() if names}
    assert {room_of(file) for file in importing} == {"training"}
    for file, names in importing.items():  # Fabric alone, no trainer
        assert all(name.split(".")[0] == "lightning_fabric" for name in names), file


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return {name.split(".")[0] for name in output.split()}


@pytest.mark.slow
def test_the_package_and_a_model_import_no_extra():
    modules = modules_after(
        "import vit_adapter\nvit_adapter.Segmenter, vit_adapter.ViTAdapter, vit_adapter.load"
    )
    assert not modules & {
        "lightning", "lightning_fabric", "pytorch_lightning", "torchmetrics", "matplotlib", "tensorboard",
        "pycocotools", "cv2", "scipy",
    }  # fmt: skip


def test_help_needs_no_torch():
    for command in ("", "train", "predict", "eval", "demo"):
        words = [command, "--help"] if command else ["--help"]
        code = (
            f"from vit_adapter.cli.main import main\ntry:\n    main({words!r})\nexcept SystemExit:\n    pass"
        )
        assert "torch" not in modules_after(code), command
