"""Annotations that are no masks, recognised: what they are, and the command that makes masks of them."""

import json
import re
import shlex
from pathlib import Path

from vit_adapter.config import InputError

from .file_tree import files_below
from .layouts.layout import SPLIT_NAMES

MOST_READ = 64_000_000  # bytes of a JSON that are looked through
MOST_FILES = 50  # JSON files that are looked at
YOLO_LINE = re.compile(r"\d+( -?\d*\.?\d+){4,}\s*")


def advice(root: Path) -> str | None:
    """One line about annotations in a folder, or in a file, that have to become masks first; None: there are none."""
    try:
        return _advice(root)
    except (
        InputError,
        OSError,
    ):  # a folder that cannot be listed; what is said instead of this names the trouble
        return None


def _advice(root: Path) -> str | None:
    files = [root] if root.is_file() else files_below(root, ".json")
    forms = {file: _form(file) for file in files[:MOST_FILES]}
    coco = [file for file, form in forms.items() if form == "coco"]
    instances = [file for file in coco if "instances" in file.name]
    if coco:
        commands = " && ".join(_coco_commands(root, instances or coco))
        return f"{root}: holds COCO annotations, no masks; this makes masks: {commands}"
    labelme = [file for file, form in forms.items() if form == "labelme"]
    if labelme:
        folder = root.parent if root.is_file() else root
        out = shlex.quote(f"{folder.resolve().name}_masks")
        return (
            f"{root}: holds labelme annotations, no masks; this makes masks: "
            f"vit-adapter data convert {shlex.quote(str(folder))} --out {out}"
        )
    return None if root.is_file() else _not_readable(root)


def _form(file: Path) -> str:
    """ "coco", "labelme", or "" for any other JSON."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MOST_READ)
    except OSError:
        return ""
    if b'"segments_info"' in content:
        return ""
    if b'"annotations"' in content and b'"categories"' in content and b'"segmentation"' in content:
        return "coco"
    return "labelme" if b'"shapes"' in content and b'"imagePath"' in content else ""


def _coco_commands(root: Path, files: list[Path]) -> list[str]:
    """One command for each part where the files tell training from validation; else one for the first file."""
    out = f"{(root.parent if root.is_file() else root).resolve().name}_masks"
    parts = {split: _of_split(root, files, names) for split, names in SPLIT_NAMES.items()}
    if len(set(parts.values()) - {None}) == len(parts):
        return [_coco_command(root, file, f"{out}/{split}") for split, file in parts.items() if file]
    return [_coco_command(root, files[0], out)]


def _of_split(root: Path, files: list[Path], names: tuple[str, ...]) -> Path | None:
    for file in files:
        words = re.findall(r"[a-z]+", str(file.relative_to(root) if file != root else file.name).lower())
        if any(name in words for name in names):
            return file
    return None


def _coco_command(root: Path, file: Path, out: str) -> str:
    images = _folder_of_images(root, file)
    option = "" if images == file.parent else f" --images {shlex.quote(str(images or 'FOLDER'))}"
    return f"vit-adapter data convert {shlex.quote(str(file))}{option} --out {shlex.quote(out)}"


def _folder_of_images(root: Path, file: Path) -> Path | None:
    """The folder that the first ``file_name`` is relative to, among the usual ones."""
    try:
        name = json.loads(file.read_bytes())["images"][0]["file_name"] if _is_small(file) else None
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        name = None
    if not isinstance(name, str):
        return None
    root = root.parent if root.is_file() else root
    above = file.parent.parent
    places = [file.parent, root, above, *(place / "images" for place in (file.parent, above, root))]
    places += [place for some in (root, root / "images", above / "images") for place in _folders(some)]
    return next((place for place in places if (place / name).is_file()), None)


def _is_small(file: Path) -> bool:
    return file.stat().st_size <= MOST_READ


def _folders(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if path.is_dir()) if place.is_dir() else []


def _not_readable(root: Path) -> str | None:
    """Forms that no command here converts."""
    for file in files_below(root, ".txt")[:MOST_FILES]:
        try:
            with file.open(encoding="utf-8") as stream:
                line = stream.readline()
        except (OSError, UnicodeDecodeError):
            continue
        if YOLO_LINE.fullmatch(line):
            return (
                f"{root}: holds YOLO labels ({file}), no masks; export them as masks, as COCO JSON or for labelme "
                "from the tool in which they were drawn"
            )
    for file in files_below(root, ".xml")[:MOST_FILES]:
        try:
            with file.open("rb") as stream:
                content = stream.read(100_000)
        except OSError:
            continue
        if b"<annotation" in content:
            return (
                f"{root}: holds XML annotations ({file}), no masks; export them as masks or as COCO JSON "
                "from the tool in which they were drawn"
            )
    return None
