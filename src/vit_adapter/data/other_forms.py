"""Annotations that are no masks, recognised: what they are, and the command that makes masks of them."""

import json
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from vit_adapter.config import InputError
from vit_adapter.images.listing import IMAGE_SUFFIXES

from .file_tree import files_below
from .layouts.layout import SPLIT_NAMES

MOST_READ = 64_000_000  # bytes of a JSON that are looked through
MOST_FILES = 50  # files of a kind that are looked at
YOLO_LINE = re.compile(r"\d+( -?\d*\.?\d+(e-?\d+)?){4,}\s*")
YOLO_LISTS = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml", "classes.txt", "obj.names")

TITLES = {
    "supervisely": "Supervisely",
    "cvat_masks": "CVAT masks",
    "coco": "COCO",
    "labelme": "labelme",
    "label_studio": "Label Studio",
    "via": "VIA",
    "cvat": "CVAT",
    "voc": "Pascal VOC",
    "yolo": "YOLO",
}
"""Forms by name, with how people call them; where a folder holds several, the first one counts."""


@dataclass(frozen=True)
class OtherForm:
    """Annotations that are no masks.

    Attributes:
        name: One of ``TITLES``.
        files: Those that tell of it, such as a project's description; not always all of them.
    """

    name: str
    files: tuple[Path, ...]


def recognise(root: Path) -> OtherForm | None:
    """The annotations in a folder, or in a file; None: none that is known.

    Raises:
        InputError: When a folder cannot be listed.
    """
    project = root / "meta.json" if root.is_dir() else root
    if project.name == "meta.json" and _is_supervisely(project):
        return OtherForm("supervisely", (project,))
    if root.is_dir() and (root / "labelmap.txt").is_file() and (root / "SegmentationClass").is_dir():
        return OtherForm("cvat_masks", (root / "labelmap.txt",))
    files = (
        [root]
        if root.is_file()
        else [f for kind in (".json", ".csv", ".xml") for f in files_below(root, kind)]
    )
    found: dict[str, list[Path]] = {}
    for kind, form_of in ((".json", _json_form), (".csv", _csv_form), (".xml", _xml_form)):
        for file in [file for file in files if file.suffix.lower() == kind][:MOST_FILES]:
            found.setdefault(form_of(file), []).append(file)
    for name in TITLES:
        if found.get(name):
            return OtherForm(name, tuple(found[name]))
    return _yolo(root)


def _json_form(file: Path) -> str:
    """The form of a JSON; "": any other."""
    content = _start(file, MOST_READ)
    if b'"segments_info"' in content:
        return ""
    if b'"annotations"' in content and b'"categories"' in content and b'"segmentation"' in content:
        return "coco"
    if b'"shapes"' in content and b'"imagePath"' in content:
        return "labelme"
    if b'"_via_img_metadata"' in content or (
        b'"shape_attributes"' in content and b'"region_attributes"' in content
    ):
        return "via"
    if b'"fid_list"' in content and b'"metadata"' in content:
        return "via"
    if b'"regions"' in content and b'"filename"' in content and b'"file_attributes"' in content:
        return "via"  # without a single region
    tasks = b'"original_width"' in content or (b'"data"' in content and b'"annotations"' in content)
    return "label_studio" if content.lstrip()[:1] == b"[" and tasks else ""


def _csv_form(file: Path) -> str:
    return "via" if b"region_shape_attributes" in _start(file, 4096) else ""


def _xml_form(file: Path) -> str:
    content = _start(file, 100_000)
    if re.search(rb"<annotations[\s>]", content[:4096]):
        return "cvat"
    return "voc" if re.search(rb"<annotation[\s>]", content[:4096]) and b"<object>" in content else ""


def _is_supervisely(file: Path) -> bool:
    content = _start(file, MOST_READ)
    return b'"classes"' in content and b'"title"' in content


def _yolo(root: Path) -> OtherForm | None:
    """Texts of numbers, in a folder or the one of a list of classes that was given."""
    if root.is_file() and root.name not in YOLO_LISTS:
        return None
    folder = root.parent if root.is_file() else root
    lists = [root] if root.is_file() else [folder / name for name in YOLO_LISTS if (folder / name).is_file()]
    texts = [file for file in files_below(folder, ".txt") if file.name not in YOLO_LISTS]
    # With a list of classes the names of folders suffice: images may be empty, and lines wrong.
    if lists and any("labels" in file.relative_to(folder).parts[:-1] for file in texts):
        return OtherForm("yolo", tuple(lists))
    for file in texts[:MOST_FILES]:
        line = _start(file, 100_000).splitlines()[:1]
        if line and YOLO_LINE.fullmatch(line[0].decode("utf-8", "replace")):
            return OtherForm("yolo", tuple(lists))
    return None


def _start(file: Path, count: int) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(count)
    except OSError:
        return b""


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
    if root.is_file() and root.suffix.lower() == ".zip":
        return f"{root}: is a ZIP archive; unpack it and give the folder"
    form = recognise(root)
    if form is None:
        return None if root.is_file() else _not_readable(root)
    folder = root.parent if root.is_file() else root
    if form.name == "coco":
        files = list(form.files)
        instances = [file for file in files if "instances" in file.name]
        commands = " && ".join(_coco_commands(root, instances or files))
    else:
        source = folder if form.name == "labelme" else root
        images = "" if form.name == "labelme" or _holds_an_image(folder) else _images_option(form)
        out = shlex.quote(f"{folder.resolve().name}_masks")
        commands = f"vit-adapter data convert {shlex.quote(str(source))}{images} --out {out}"
    return f"{root}: holds {TITLES[form.name]} annotations, no masks; this makes masks: {commands}"


def _holds_an_image(folder: Path) -> bool:
    """Masks do not count."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith("Segmentation")]
        if any(Path(place, name).suffix.lower() in IMAGE_SUFFIXES for name in names):
            return True
    return False


def _images_option(form: OtherForm) -> str:
    """How a command names images that are not below the folder; of a video that lies beside its XML nothing."""
    starts = {file: _start(file, 100_000) for file in form.files}
    if form.name != "cvat" or not any(b"<track" in start for start in starts.values()):
        return " --images FOLDER"
    sources = [(file, re.search(rb"<source>([^<]+)</source>", start)) for file, start in starts.items()]
    beside = any(
        found and (file.parent / found[1].decode("utf-8", "replace")).is_file() for file, found in sources
    )
    return "" if beside else " --images VIDEO"


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
    for file in files_below(root, ".xml")[:MOST_FILES]:
        if b"<annotation" in _start(file, 100_000):
            return (
                f"{root}: holds XML annotations ({file}), no masks; export them as masks or as COCO JSON "
                "from the tool in which they were drawn"
            )
    return None
