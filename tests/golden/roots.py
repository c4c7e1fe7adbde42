"""Where reference records are: the repository's own subset and the roots that VIT_ADAPTER_GOLDEN names."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open

OWN_ROOT = Path(__file__).parent / "data"
FOLDERS = (
    "cases",
    "pipeline",
    "metrics",
    "optimizer",
    "manifests",
    "manifests_dinov3",
    "pretraining",
    "datasets",
    "detection",
)
_SUFFIXES = (".safetensors", ".json", ".json.gz")


@dataclass(frozen=True)
class Record:
    """One file of reference numbers.

    Attributes:
        path: The file.
        folder: Which of ``FOLDERS`` it lies in.
        area: The specification's area, such as "05_heads"; the folder for files without a specification.
        id: Name of the test: the file's name, with ``#2`` behind it where another root has a different file of
            that name.
    """

    path: Path
    folder: str
    area: str
    id: str

    @property
    def label(self) -> str:
        """Area and file name, for messages."""
        return f"{self.area}/{self.path.name}"


def read_spec(path: Path) -> dict:
    """The specification of a record; empty where the file has none."""
    if path.suffix == ".safetensors":
        with safe_open(path, "pt") as file:
            return json.loads((file.metadata() or {}).get("spec", "{}"))
    if path.suffix == ".json":
        content = json.loads(path.read_text())
        return content.get("spec", {}) if isinstance(content, dict) else {}
    return {}


def golden_roots() -> list[Path]:
    """The own root first, then those of the environment variable.

    Raises:
        FileNotFoundError: A root that the variable names does not exist; leaving it out in silence would let
            a typing error pass for success.
    """
    named = [Path(part) for part in os.environ.get("VIT_ADAPTER_GOLDEN", "").split(os.pathsep) if part]
    for root in named:
        if not root.is_dir():
            raise FileNotFoundError(f"VIT_ADAPTER_GOLDEN names {root}, which is no folder")
    return [OWN_ROOT, *named]


def find_records(roots: list[Path] | None = None) -> list[Record]:
    """Every record of all roots, sorted by folder and name; the same bytes under the same name count once."""
    seen: dict[tuple[str, str], list[bytes]] = {}
    records = []
    for root in golden_roots() if roots is None else roots:
        for folder, path in _files_of(root):
            versions = seen.setdefault((folder, path.name), [])
            content = path.read_bytes()
            if content in versions:
                continue
            versions.append(content)
            number = "" if len(versions) == 1 else f"#{len(versions)}"
            area = read_spec(path).get("area", folder)
            records.append(Record(path, folder, area, path.name + number))
    return sorted(records, key=lambda record: (FOLDERS.index(record.folder), record.id))


def _files_of(root: Path) -> Iterator[tuple[str, Path]]:
    """(folder, file); a root that holds tensor files itself counts as a folder of cases."""
    if any(root.glob("*.safetensors")):
        yield from (("cases", path) for path in _records_in(root))
    for folder in FOLDERS:
        if (root / folder).is_dir():
            yield from ((folder, path) for path in _records_in(root / folder))


def _records_in(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.name.endswith(_SUFFIXES) and not path.name.startswith(".")
    )
