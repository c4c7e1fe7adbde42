"""Chooses the repository's own records from a full root: python tests/golden/select_subset.py ROOT

All manifests, optimiser groups, metrics, data-set facts and pretraining tables; cases and pipeline records by kind: the
smallest of every kind first, then further small ones until the limit. Areas that are not built yet stay out.
"""

import shutil
import sys
from pathlib import Path

from roots import FOLDERS, OWN_ROOT

LIMIT = 13_500_000  # bytes; the house allows 14 MB
WHOLE = ("manifests", "optimizer", "metrics", "datasets")
LATER = ("10_", "11_", "27_", "panoptic__", "instances__")


def kind(path: Path) -> str:
    """What stands before the number at the end of a name: ``photometric__3`` is of the kind ``photometric__``."""
    return path.name.split(".")[0].rstrip("0123456789")


def candidates(root: Path, folder: str) -> list[Path]:
    """Records of a folder, small ones first."""
    files = [path for path in (root / folder).iterdir() if path.is_file() and not path.name.startswith(LATER)]
    return sorted(files, key=lambda path: (path.stat().st_size, path.name))


def main(root: Path) -> None:
    """Copies the chosen records."""
    chosen = [path for folder in WHOLE for path in candidates(root, folder)]
    total = sum(path.stat().st_size for path in chosen)
    others = [path for folder in FOLDERS if folder not in WHOLE for path in candidates(root, folder)]
    areas: dict[str, Path] = {}
    kinds: dict[tuple[str, str], Path] = {}
    for path in others:
        areas.setdefault(path.name.split("__")[0], path)
        kinds.setdefault((path.parent.name, kind(path)), path)
    # Every area is there before every kind is.
    ranked = list(areas.values())
    ranked += [
        path for path in sorted(kinds.values(), key=lambda path: path.stat().st_size) if path not in ranked
    ]
    ranked += [
        path for path in sorted(others, key=lambda path: path.stat().st_size) if path not in set(ranked)
    ]
    for path in ranked:
        if total + path.stat().st_size <= LIMIT:
            chosen.append(path)
            total += path.stat().st_size
    shutil.rmtree(OWN_ROOT, ignore_errors=True)
    for path in chosen:
        target = OWN_ROOT / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    covered = sorted({path.name.split("__")[0] for path in chosen if path.parent.name == "cases"})
    print(f"{len(chosen)} records, {total / 1e6:.1f} MB; areas {', '.join(covered)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
