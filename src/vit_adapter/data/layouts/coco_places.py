"""Where JSON files of COCO instances lie, of which part they are, and where their images are."""

import re
from pathlib import Path
from typing import Any

from .layout import SPLIT_NAMES, TEST_NAMES

_MARKS = (b'"annotations"', b'"categories"')
_SHAPES = (b'"segmentation"', b'"bbox"')
_MOST_READ = 64_000_000  # bytes of a JSON that are looked through


def annotation_files(root: Path) -> list[Path]:
    """COCO JSON files with shapes or boxes in the usual places."""
    names = [name for some in (*SPLIT_NAMES.values(), TEST_NAMES) for name in some]
    places = [root, root / "annotations", *(root / name for name in names)]
    places += [root / name / "annotations" for name in names]
    files = [file for place in places if place.is_dir() for file in sorted(place.glob("*.json"))]
    files = [file for file in files if _has_shapes(file)]
    instances = [file for file in files if "instances" in file.name]
    return instances or files


def _has_shapes(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            if not stream.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
                return False
            stream.seek(0)
            content = stream.read(_MOST_READ)
    except OSError:
        return False
    marked = all(mark in content for mark in _MARKS) and any(shape in content for shape in _SHAPES)
    return marked and b'"segments_info"' not in content


def part_of(root: Path, file: Path) -> str:
    """The part that the folder or the name of a JSON tells: train, val or test; "": it does not."""
    words = re.findall(r"[a-z]+", str(file.relative_to(root)).lower())
    for part, names in {**SPLIT_NAMES, "test": TEST_NAMES}.items():
        if any(name in words for name in names):
            return part
    return ""


def image_folder(file: Path, root: Path, content: dict[str, Any]) -> Path:
    """The first of the usual folders that holds the first image of which there is a file."""
    stem = re.sub(r"^_?(instances|annotations)_?", "", file.stem)
    part = part_of(root, file)
    names = [stem, *SPLIT_NAMES.get(part, TEST_NAMES)] if part else [stem]
    bases = [file.parent, root, file.parent.parent] if file.parent != root else [root]
    places = [place for base in bases for place in (base, base / "images", base / "JPEGImages")]
    places += [
        place for base in bases for name in names if name for place in (base / name, base / "images" / name)
    ]
    places += [place / "images" for place in places if place.name in names]
    listed = [entry.get("file_name") for entry in content["images"][:20]]
    for name in listed:
        for place in places:
            if isinstance(name, str) and (place / name).is_file():
                return place
    return file.parent / "images"
