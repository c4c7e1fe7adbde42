"""Weights files of any form, recognised by their content."""

import json
import shutil
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from safetensors import SafetensorError, safe_open
from torch import Tensor

from vit_adapter.config import InputError
from vit_adapter.config.paths import takes_paths

from .containers import find_tensors, strip_prefixes
from .run_checkpoint import is_run_checkpoint, run_weights
from .unpickling import read_pickled

_LFS = b"version https://git-lfs.github.com/spec/"
_LARGEST_HEADER = 100_000_000  # what safetensors itself allows


@dataclass(frozen=True)
class WeightsFile:
    """What was found in a file beside its tensors.

    Attributes:
        path: The file, as messages name it.
        kind: "safetensors" or "torch".
        container: Entries in which the tensors were nested, outermost first, such as ("state_dict",).
        prefix: What was taken off the front of every name, such as "module.".
        left_out: Names of tensors that were dropped with it (heads of self-supervised training).
        notes: Decisions that a report should show.
        values: The other entries of the file (``meta``, ``epoch`` ...).
    """

    path: str
    kind: Literal["safetensors", "torch"]
    container: tuple[str, ...] = ()
    prefix: str = ""
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)

    def classes(self) -> tuple[tuple[str, ...] | None, tuple[tuple[int, int, int], ...] | None]:
        """Class names, and colours, that a run's checkpoint or an official file's ``meta`` holds; None where absent."""
        run = self.values.get("run")
        if isinstance(run, dict) and run.get("class_names"):
            return tuple(run["class_names"]), None
        meta = self.values.get("meta")
        if not isinstance(meta, dict):
            return None, None
        names, palette = meta.get("CLASSES"), meta.get("PALETTE")
        try:
            names = tuple(str(item).strip() for item in names) if names is not None else None
            colours = tuple((int(r), int(g), int(b)) for r, g, b in palette) if palette is not None else None
        except (TypeError, ValueError):
            return None, None
        if colours is not None and (names is None or len(colours) != len(names)):
            colours = None
        return names or None, colours or None


@takes_paths("path")
def read_state_dict(path: str | Path, part: str | None = None) -> tuple[dict[str, Tensor], WeightsFile]:
    """Reads the tensors of a weights file.

    Recognised by content, never by name: safetensors; files of ``torch.save``, old and new, read with
    ``weights_only=True``; zip archives that hold one of them. Tensors nested under ``state_dict``, ``model``,
    ``module`` or another single entry are found; of ``teacher`` and ``student`` the teacher is taken. Prefixes
    that all names share (``module.``, ``model.``, ``backbone.``, ``_orig_mod.``) are taken off.

    Args:
        path: The file; ``FILE#entry`` takes one of several sets of weights in it, ``FILE#outer/inner`` one that is
            nested deeper. Of a run's checkpoint the averaged weights are taken where it has some, else those of its
            last step (``#average``, ``#model``).
        part: The same entry as an argument.

    Returns:
        Tensors by name, on the CPU and of the stored type; and what else the file said.

    Raises:
        InputError: No such file, or not a weights file that can be read safely and completely.
    """
    path, named = split_part(path)
    part = named if part is None else part
    name = str(path)
    if path.is_dir():
        raise InputError(f"{name}: is a folder, expected a weights file")
    if not path.is_file():
        raise InputError(f"{name}: no such file")
    kind = _kind(path, name)
    if kind == "archive":
        return _read_archive(path, name, part)
    return _read(path, name, kind, part)


def split_part(path: str | Path) -> tuple[Path, str | None]:
    """The file and the entry of ``FILE#entry``; the path as it is where there is such a file, or none before the #."""
    base, mark, part = str(path).rpartition("#")
    if mark and not Path(path).exists() and Path(base).is_file():
        return Path(base), part
    return Path(path), None


def is_weights_file(path: str | Path) -> bool:
    """Whether ``FILE`` or ``FILE#entry`` names a file that is there."""
    return split_part(path)[0].is_file()


def _read(
    path: Path, name: str, kind: Literal["safetensors", "torch"], part: str | None
) -> tuple[dict[str, Tensor], WeightsFile]:
    notes: list[str] = []
    if kind == "safetensors":
        content, values = _read_safetensors(path, name)
        if part is not None:
            raise InputError(f"{name}: a safetensors file holds one set of weights, '#{part}' names none")
        trail: list[str] = []
    else:
        loaded, foreign = read_pickled(path, name)
        find = run_weights if is_run_checkpoint(loaded) else find_tensors
        content, trail, values, notes = find(loaded, name, part)
        if foreign:
            notes.append(f"objects of other types were not read: {', '.join(foreign)}")
    if not content:
        raise InputError(f"{name}: holds no tensors")
    state, prefix, left_out = strip_prefixes(content)
    return state, WeightsFile(name, kind, tuple(trail), prefix, tuple(left_out), tuple(notes), values)


def _read_safetensors(path: Path, name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, "pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
            return tensors, dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{name}: damaged or cut off ({' '.join(str(error).split())[:120]})") from error


def _kind(path: Path, name: str) -> Literal["safetensors", "torch", "archive"]:
    """What a file is, by its first bytes."""
    size = path.stat().st_size
    if size == 0:
        raise InputError(f"{name}: is empty")
    with path.open("rb") as file:
        head = file.read(512)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(_LFS):
        raise InputError(
            f"{name}: is a Git LFS pointer, not the weights themselves; fetch them with 'git lfs pull' or download "
            "the file from its page"
        )
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise InputError(
            f"{name}: is a web page, not a weights file; the download went to a page instead of the file"
        )
    if head.startswith(b"PK"):
        return _zip_kind(path, name)
    if head[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        return "torch"
    length = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and length <= _LARGEST_HEADER:
        if length + 8 > size:
            raise InputError(f"{name}: is cut off: {size} bytes, its header alone needs {length + 8}")
        return "safetensors"
    for sign, what in ((b"\x1f\x8b", "gzip"), (b"7z\xbc\xaf", "7z"), (b"BZh", "bzip2"), (b"\xfd7zXZ", "xz")):
        if head.startswith(sign):
            raise InputError(f"{name}: is a {what} archive; unpack it first")
    if head[257:262] == b"ustar":
        raise InputError(f"{name}: is a tar archive; unpack it first")
    if head.startswith(b"\x93NUMPY"):
        raise InputError(f"{name}: is a numpy array, expected a torch or safetensors file")
    if _is_json(path, start):
        raise InputError(f"{name}: is a JSON text, expected a torch or safetensors file")
    if path.suffix.lower() == ".onnx":
        raise InputError(
            f"{name}: is an ONNX file, which predict, serve and app take; expected a torch or safetensors file"
        )
    raise InputError(
        f"{name}: is not a weights file (its first bytes are {head[:8]!r}); expected safetensors or torch"
    )


def _is_json(path: Path, start: bytes) -> bool:
    if not start.startswith((b"{", b"[")) or path.stat().st_size > 1_000_000:
        return False
    try:
        json.loads(path.read_text("utf-8"))
    except ValueError:
        return False
    return True


def _zip_kind(path: Path, name: str) -> Literal["torch", "archive"]:
    """New torch files are zip archives themselves, with their pickle under a name that no other archive has."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise InputError(f"{name}: is cut off or damaged ({error})") from error
    parts = [PurePosixPath(entry).parts for entry in entries]
    if any(len(item) == 2 and item[1] == "data.pkl" for item in parts):
        return "torch"
    if entries and all(entry.endswith(".npy") for entry in entries):
        raise InputError(
            f"{name}: is a numpy archive, expected a torch or safetensors file; timm has its weights"
        )
    return "archive"


def _read_archive(path: Path, name: str, part: str | None) -> tuple[dict[str, Tensor], WeightsFile]:
    """The one weights file in a zip archive, unpacked under a name of our own into a temporary folder."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
        found: list[tuple[str, Path, Literal["safetensors", "torch"]]] = []
        reasons: list[str] = []
        for number, entry in enumerate(archive.infolist()):
            parts = PurePosixPath(entry.filename).parts
            hidden = "__MACOSX" in parts or parts[-1:] == () or parts[-1].startswith(".")
            if entry.is_dir() or hidden:
                continue
            inside = f"{name} ({PurePosixPath(entry.filename).name})"
            target = Path(folder) / f"entry{number}"
            try:
                with archive.open(entry) as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
                kind = _kind(target, inside)
            except InputError as error:
                reasons.append(str(error))
                target.unlink()
                continue
            except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError) as error:
                raise InputError(f"{inside}: cannot be unpacked ({error})") from error
            if kind == "archive":
                reasons.append(f"{inside}: is an archive in an archive")
            else:
                found.append((inside, target, kind))
        if not found:
            raise InputError(
                reasons[0] if len(reasons) == 1 else f"{name}: a zip archive without a weights file"
            )
        if len(found) > 1:
            names = ", ".join(inside for inside, _, _ in found[:4])
            raise InputError(
                f"{name}: holds {len(found)} weights files, expected one: {names}; unpack the one you mean"
            )
        inside, target, kind = found[0]
        return _read(target, inside, kind, part)
